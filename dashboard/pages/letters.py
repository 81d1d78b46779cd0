"""Single dead letters: filtered, and acted on by the same filter."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from dashboard.masking.rules import rules, shield_among
from dashboard.presenters import letters
from dashboard.presenters.words import plural
from dashboard.projections.models import DeadLetter, LetterState
from streamlab.delivery.dead_letter_topics import dlq_topic

from .database import fresh_connection, page_of
from .dead_letters import hidden_topics
from .moments import Moment
from .page import Address, Page
from .table import link

_EXACT = ("group", "topic", "fingerprint")


def found(address: Address) -> Any:
    query = address.query
    letters = DeadLetter.objects.order_by("-died_ms", "-pk")
    for name in _EXACT:
        if query.get(name):
            letters = letters.filter(**{name: query[name]})
    if query.get("state") in LetterState.values:
        letters = letters.filter(state=query["state"])
    if query.get("partition", "").isdecimal() and len(query["partition"]) < 8:
        letters = letters.filter(partition=int(query["partition"]))
    wanted = query.get("q", "").strip()
    if wanted:
        some = Q(record_id__icontains=wanted) | Q(exception__icontains=wanted)
        letters = letters.filter(some | Q(message__icontains=wanted) & ~Q(topic__in=hidden_topics()))
    return letters


def _replay_query(address: Address) -> dict[str, str]:
    """The same letters for the form of a replay; {} while they are of more than one group or topic."""
    query = address.query
    if not (query.get("group") and query.get("topic")):
        return {}
    asked = {"dlq": dlq_topic(query["topic"], query["group"])}
    asked |= {name: query[name] for name in ("fingerprint", "partition") if query.get(name)}
    return asked | ({"text": query["q"]} if query.get("q") else {})


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    listed = page_of(found(address), address)
    state = address.query.get("state", "")
    known = rules()
    return {
        "list": listed,
        "rows": [
            letters.letter_row(letter, moment.read_at_ms, shield_among(known, letter.topic).said)
            for letter in listed.rows
        ],
        "summary": plural(listed.total, "letter"),
        "states": [
            (value, link(address, state=value, page=None), value == state) for value in LetterState.values
        ],
        "any_href": link(address, state=None, page=None),
        "state": state,
        "clear_href": address.path,
        "narrowed": [
            (name, address.query[name], link(address, **{name: None, "page": None}))
            for name in (*_EXACT, "partition")
            if address.query.get(name)
        ],
        "replay_query": _replay_query(address),
    }


PAGE = Page(
    name="letters",
    pattern="dead-letters/letters/",
    title=lambda address: "Letters",
    parts=("summary", "list"),
    context=context,
    measured=False,
    under="dead-letters",
)
