"""Dead letters, by what they died of: how many, since when, new since the last replay."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Floor

from dashboard.masking.rules import rules, shield_among
from dashboard.presenters import letters
from dashboard.presenters.figures import count
from dashboard.presenters.words import plural
from dashboard.projections.models import DeadLetter, FailureGroup, LetterState
from streamlab.delivery.dead_letter_topics import dlq_topic

from .database import fresh_connection, page_of
from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import link

LINE_MS = 6 * 3600 * 1000
STEP_MS = 6 * 60 * 1000
"""Deaths are drawn over six hours, in steps of six minutes."""

Key = tuple[str, str, str]  # group, topic, fingerprint


def found(address: Address) -> Any:
    """Failures that the address asks for, the newest first."""
    query = address.query
    failures = FailureGroup.objects.order_by("-last_ms")
    if query.get("all") != "1":
        failures = failures.filter(Q(dead__gt=0) | Q(replaying__gt=0))
    for name in ("group", "topic"):
        if query.get(name):
            failures = failures.filter(**{name: query[name]})
    wanted = query.get("q", "").strip()
    if wanted:
        some = Q(fingerprint__startswith=wanted)
        for field in ("exception", "group", "topic", "call_site"):
            some |= Q(**{f"{field}__icontains": wanted})
        said = Q(message__icontains=wanted) | Q(example__icontains=wanted)
        failures = failures.filter(some | said & ~Q(topic__in=hidden_topics()))
    return failures


def hidden_topics() -> list[str]:
    """Topics of letters whose messages are hidden, and so are not searched either."""
    known = rules()
    topics = FailureGroup.objects.order_by().values_list("topic", flat=True).distinct() if known else ()
    return [topic for topic in topics if shield_among(known, topic).active]


def _of(failures: list[FailureGroup]) -> Q:
    """Letters of any of these failures."""
    some = Q(pk__in=[])
    for failure in failures:
        some |= Q(group=failure.group, topic=failure.topic, fingerprint=failure.fingerprint)
    return some


def _deaths(failures: list[FailureGroup], since_ms: int) -> dict[Key, dict[int, int]]:
    """Deaths of each failure by the number of their step."""
    steps = (
        DeadLetter.objects.filter(_of(failures), died_ms__gte=since_ms)
        .annotate(step=Floor(F("died_ms") / STEP_MS))
        .values_list("group", "topic", "fingerprint", "step")
        .annotate(n=Count("pk"))
    )
    deaths: dict[Key, dict[int, int]] = {}
    for group, topic, fingerprint, step, n in steps:
        of_one = deaths.setdefault((group, topic, fingerprint), {})
        of_one[int(step)] = of_one.get(int(step), 0) + n
    return deaths


def _about(failures: list[FailureGroup]) -> dict[Key, tuple[str, int | None]]:
    """Of each failure the topic that its letters are on, and how many died since the newest replay of one of them.

    None: none of them was ever replayed.
    """
    known = (
        DeadLetter.objects.filter(_of(failures))
        .values_list("group", "topic", "fingerprint")
        .annotate(newest=Max("replayed_ms"), dlq=Max("dlq_topic"))
    )
    found = list(known)
    fresh = _fresh({(group, topic, said): newest for group, topic, said, newest, _ in found if newest})
    return {
        (group, topic, said): (
            dlq or dlq_topic(topic, group),
            fresh.get((group, topic, said), 0) if newest else None,
        )
        for group, topic, said, newest, dlq in found
    }


def _fresh(replayed: dict[Key, int]) -> dict[Key, int]:
    """Of each failure how many letters are dead that died after this moment (ms); it is left out where none did."""
    if not replayed:
        return {}
    later = Q(pk__in=[])
    for (group, topic, fingerprint), newest_ms in replayed.items():
        later |= Q(group=group, topic=topic, fingerprint=fingerprint, died_ms__gt=newest_ms)
    counted = (
        DeadLetter.objects.filter(later, state=LetterState.DEAD)
        .values_list("group", "topic", "fingerprint")
        .annotate(n=Count("pk"))
    )
    return {(group, topic, fingerprint): n for group, topic, fingerprint, n in counted}


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    now_ms = moment.read_at_ms
    listed = page_of(found(address), address)
    known = rules()
    deaths, about = _deaths(list(listed.rows), now_ms - LINE_MS), _about(list(listed.rows))
    rows = []
    for failure in listed.rows:
        key = (failure.group, failure.topic, failure.fingerprint)
        line = letters.deaths_line(deaths.get(key, {}), now_ms - LINE_MS, now_ms, STEP_MS)
        dlq, fresh = about.get(key, (dlq_topic(failure.topic, failure.group), None))
        said = shield_among(known, failure.topic).said
        rows.append((letters.failure_row(failure, fresh, line, now_ms, said), dlq))
    totals = FailureGroup.objects.aggregate(
        **{state: Sum(state) for state in ("dead", "replaying", "recovered", "failed_again", "discarded")}
    )
    return {
        "list": listed,
        "rows": rows,
        "totals": {name: count(total or 0, "letters") for name, total in totals.items()},
        "any": any(totals.values()),
        "summary": plural(listed.total, "kind of failure", "kinds of failure"),
        "everything": address.query.get("all") == "1",
        "all_href": link(address, all=None if address.query.get("all") == "1" else "1", page=None),
        "clear_href": link(address, q=None, group=None, topic=None, page=None),
        "filtered": any(address.query.get(name) for name in ("q", "group", "topic")),
        "narrowed": [(n, address.query[n]) for n in ("group", "topic") if address.query.get(n)],
    }


PAGE = Page(
    name="dead-letters",
    pattern="dead-letters/",
    title=lambda address: "Dead letters",
    parts=("summary", "figures", "list"),
    context=context,
    measured=False,
    menu=MenuEntry("Dead letters", "Work", "d", "letters"),
)
