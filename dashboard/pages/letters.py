"""Single dead letters: filtered, and acted on by the same filter."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from django.db.models import Q, Sum

from dashboard.masking.rules import rules, shield_among
from dashboard.presenters import letters
from dashboard.projections.models import DeadLetter, FailureGroup, LetterState
from streamlab.delivery.dead_letter_topics import dlq_topic

from .database import fresh_connection, page_of
from .dead_letters import hidden_topics
from .moments import Moment
from .page import Address, Page
from .table import link

_EXACT = ("group", "topic", "fingerprint")
MOST_SINGLE = 300
"""Letters that are handed on one by one: their names stand in an address."""
MOST_PLACES = 8


def found(address: Address) -> Any:
    query = address.query
    letters = DeadLetter.objects.order_by("-died_ms", "-pk")
    for name in _EXACT:
        if query.get(name):
            letters = letters.filter(**{name: query[name]})
    if query.get("state") in LetterState.values:
        letters = letters.filter(state=query["state"])
    partition = query.get("partition", "")
    if partition.isdecimal() and len(partition) < 8:
        letters = letters.filter(partition=int(partition))
    wanted = query.get("q", "").strip()
    if wanted:
        some = Q(record_id__icontains=wanted) | Q(exception__icontains=wanted)
        letters = letters.filter(some | Q(message__icontains=wanted) & ~Q(topic__in=hidden_topics()))
    return letters


def _acts_on(address: Address) -> tuple[dict[str, str], int, str]:
    """The letters that this view shows and that are dead, for the form of an operation; how many; or why not.

    A search is handed on letter by letter: the words of a search mean more to the log than to the database.
    """
    query = address.query
    group, topic = query.get("group", ""), query.get("topic", "")
    if not (group and topic):
        return {}, 0, "Choose one group and topic to act on many letters at once."
    dead = found(address).filter(state=LetterState.DEAD, dlq_offset__isnull=False)
    count = dead.count()
    known = dead.values_list("dlq_topic", flat=True).first()
    asked = {"dlq": known or dlq_topic(topic, group)}
    if query.get("q", "").strip():
        if count > MOST_SINGLE:
            return {}, count, f"Narrow the search to {MOST_SINGLE} dead letters to act on exactly these."
        places = dead.values_list("dlq_topic", "dlq_partition", "dlq_offset")
        asked["letters"] = " ".join(f"{topic}/{partition}@{offset}" for topic, partition, offset in places)
    else:
        asked |= {name: query[name] for name in ("fingerprint", "partition") if query.get(name)}
    return (asked, count, "") if count else ({}, 0, "None of these letters is dead.")


def _places(address: Address) -> list[tuple[str, str, int]]:
    """Where letters are, for those who have not chosen a group and topic: link, words, how many are dead.

    One more than is shown, if there is one.
    """
    if address.query.get("group") and address.query.get("topic"):
        return []
    some = FailureGroup.objects.filter(dead__gt=0)
    for name in _EXACT:
        if address.query.get(name):
            some = some.filter(**{name: address.query[name]})
    counted = (
        some.values("group", "topic")
        .annotate(n=Sum("dead"))
        .order_by("-n", "group", "topic")[: MOST_PLACES + 1]
    )
    return [
        (
            link(address, group=line["group"], topic=line["topic"], page=None),
            f"{line['group']} on {line['topic']}",
            line["n"],
        )
        for line in counted
    ]


def dlq_chosen(address: Address) -> str:
    """The topic of letters that single ones can be picked from; "" while there may be several."""
    group, topic = address.query.get("group", ""), address.query.get("topic", "")
    return dlq_topic(topic, group) if group and topic else ""


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    listed = page_of(found(address), address)
    state = address.query.get("state", "")
    known = rules()
    acts_on, acts_on_count, acts_not = _acts_on(address)
    places = _places(address)
    return {
        "list": listed,
        "rows": [
            letters.letter_row(letter, moment.read_at_ms, shield_among(known, letter.topic).said)
            for letter in listed.rows
        ],
        "summary": listed.counted("letter"),
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
        "acts_on": urlencode(acts_on, quote_via=quote),
        "acts_on_count": acts_on_count,
        "acts_not": acts_not,
        "picks": acts_on.get("dlq", "") or dlq_chosen(address),
        "places": places[:MOST_PLACES],
        "places_more": len(places) > MOST_PLACES,
    }


PAGE = Page(
    name="letters",
    pattern="dead-letters/letters/",
    title=lambda address: "Letters",
    parts=("summary", "acts", "list"),
    context=context,
    measured=False,
    under="dead-letters",
)
