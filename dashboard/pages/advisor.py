"""The advisor: what is wrong, why it is likely so, what is not the reason, what helps."""

from __future__ import annotations

from typing import Any

from dashboard import advice
from dashboard.masking.rules import shield_of
from dashboard.presenters import advice as presenter
from dashboard.presenters.words import plural
from streamlab.advisor import Finding

from .database import fresh_connection
from .moments import Moment
from .page import Address, MenuEntry, Page

HIDDEN = "hidden by masking rules"


def shown_key(topic: str, key: str) -> str:
    """As much of a key as rules let everybody see."""
    shield = shield_of(topic)
    return f"“{key}”" if shield.key(key.encode()) == key.encode() else HIDDEN


def cards(found: list[Finding], moment: Moment) -> list[presenter.FindingCard]:
    """With the keys that they speak of; asks the database when there is one."""
    return [presenter.card(finding, moment.as_of_ms, shown_key) for finding in found]


def inline(moment: Moment, *, group: str = "", topic: str = "") -> list[presenter.FindingCard]:
    """The findings about one group or topic, or all of them; none for an earlier moment. Without keys of records."""
    if moment.past:
        return []
    return [
        presenter.card(finding, moment.as_of_ms)
        for finding in advice.findings()
        if group in ("", finding.group) and topic in ("", finding.topic)
    ]


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    found, why = advice.current()
    shown = cards(found.findings, moment) if found else []
    return {
        "cards": shown,
        "why": why,
        "looked_at": found.looked_at if found else [],
        "missing": found.missing if found else [],
        "summary": "" if found is None else plural(len(shown), "finding") if shown else "nothing to advise",
    }


PAGE = Page(
    name="advisor",
    pattern="advisor/",
    title=lambda address: "Advisor",
    parts=("summary", "findings", "looked"),
    context=context,
    menu=MenuEntry("Advisor", "", "v", "advisor"),
)
