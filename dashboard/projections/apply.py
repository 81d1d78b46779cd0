"""Bring a batch of history into the tables, in the transaction that it is called in.

A row of an event is replaced by a later saying of the same event, and by nothing else. Letters are read, told the news,
and written back. The counts of failure groups follow from how each letter changed, so they are exact at any time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db.models import Max, Min, Model

from streamlab.delivery.fingerprint import normalised
from streamlab.events import Recorded

from . import letters
from .models import DeadLetter, FailureGroup
from .rows import rows_of
from .upsert import Row, row_of, upsert

KEYS_A_QUERY = 500
"""SQLite takes a bounded number of parameters a statement."""
EXAMPLE_CHARS = 1_000

T = TypeVar("T")
GroupKey = tuple[str, str, str]  # group, topic, fingerprint


def apply(batch: Iterable[Recorded]) -> None:
    """Call it inside a transaction that holds the ledger's lock."""
    newest: dict[str, Recorded] = {}
    for recorded in batch:
        known = newest.get(recorded.id)
        if known is None or recorded.at_ms > known.at_ms:
            newest[recorded.id] = recorded
    tables: dict[type[Model], list[Row]] = defaultdict(list)
    for recorded in newest.values():
        for table, row in rows_of(recorded):
            tables[table].append(row)
    for table, rows in tables.items():
        upsert(table, ["event_id"], rows, newer_by="at_ms")
    _tell_letters(newest.values())


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


# -- letters -----------------------------------------------------------------------------------------------------------


def _tell_letters(batch: Iterable[Recorded]) -> None:
    touched = letters.touched(recorded.event for recorded in batch if recorded.event is not None)
    if not touched:
        return
    known = {
        letter.key: letter
        for some in _chunks(touched, KEYS_A_QUERY)
        for letter in DeadLetter.objects.filter(key__in=some)
    }
    fresh, tally = [], _Tally()
    for key, news in touched.items():
        letter = known.get(key)
        if letter is None:
            letter = letters.a_letter(key, *news[0])
            fresh.append(letter)
        else:
            tally.take_out(letter)
        for event, _ in news:
            letters.tell(letter, event)
        tally.put_in(letter)
    upsert(DeadLetter, ["key"], [row_of(letter) for letter in (*known.values(), *fresh)])
    tally.write()


def _group_of(letter: DeadLetter) -> GroupKey:
    return letter.group, letter.topic, letter.fingerprint


class _Tally:
    """What a batch changes in the failure groups."""

    def __init__(self) -> None:
        self._delta: dict[GroupKey, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._left: dict[str, tuple[GroupKey, int | None]] = {}  # letter → its group and death until now
        self._newest: dict[GroupKey, DeadLetter] = {}
        self._first: dict[GroupKey, int] = {}
        self._again: set[GroupKey] = set()  # groups that lost a death: their times are looked up again

    def take_out(self, letter: DeadLetter) -> None:
        self._delta[_group_of(letter)][_column(letter)] -= 1
        self._left[letter.key] = _group_of(letter), letter.died_ms

    def put_in(self, letter: DeadLetter) -> None:
        group = _group_of(letter)
        self._delta[group][_column(letter)] += 1
        before, died_ms = self._left.get(letter.key, (group, None))
        if died_ms is not None and (before, died_ms) != (group, letter.died_ms):
            self._again.add(before)
        if letter.died_ms is None:
            return
        first = self._first.get(group)
        self._first[group] = letter.died_ms if first is None else min(first, letter.died_ms)
        newest = self._newest.get(group)
        if newest is None or _age(newest) < _age(letter):
            self._newest[group] = letter

    def write(self) -> None:
        groups = _known_groups(self._delta)
        for key, delta in self._delta.items():
            row = groups.get(key)
            if row is None:
                row = groups[key] = FailureGroup(group=key[0], topic=key[1], fingerprint=key[2])
            for column, change in delta.items():
                setattr(row, column, getattr(row, column) + change)
            if key in self._again:
                _look_up(row)
            elif key in self._newest:
                _extend(row, self._first[key], self._newest[key])
        empty = [row.pk for row in groups.values() if row.total == 0 and row.pk]
        FailureGroup.objects.filter(pk__in=empty).delete()
        kept = [row for row in groups.values() if row.total > 0]
        upsert(FailureGroup, ["group", "topic", "fingerprint"], map(row_of, kept))


def _known_groups(keys: Iterable[GroupKey]) -> dict[GroupKey, FailureGroup]:
    wanted = set(keys)
    rows = (
        row
        for some in _chunks({key[2] for key in wanted}, KEYS_A_QUERY)
        for row in FailureGroup.objects.filter(fingerprint__in=some)
    )
    found = {(row.group, row.topic, row.fingerprint): row for row in rows}
    return {key: row for key, row in found.items() if key in wanted}


def _column(letter: DeadLetter) -> str:
    """The failure group's count that the letter is in.

    >>> _column(DeadLetter(state="failed again"))
    'failed_again'
    """
    return letter.state.replace(" ", "_")


def _age(letter: DeadLetter) -> tuple[int, str]:
    return letter.died_ms or 0, letter.key


def _extend(row: FailureGroup, first_ms: int, newest: DeadLetter) -> None:
    row.first_ms = first_ms if row.first_ms is None else min(row.first_ms, first_ms)
    if row.last_ms is None or _age(newest) >= (row.last_ms, row.example_key):
        _show(row, newest)


def _show(row: FailureGroup, letter: DeadLetter) -> None:
    row.last_ms, row.example_key = letter.died_ms, letter.key
    row.exception, row.call_site = letter.exception, letter.call_site
    row.message = normalised(letter.message)[:EXAMPLE_CHARS]
    row.example = letter.message[:EXAMPLE_CHARS]


def _look_up(row: FailureGroup) -> None:
    """From the letters themselves, whose rows stand already."""
    theirs = DeadLetter.objects.filter(
        group=row.group, topic=row.topic, fingerprint=row.fingerprint, died_ms__isnull=False
    )
    times = theirs.aggregate(first=Min("died_ms"), last=Max("died_ms"))
    row.first_ms, row.last_ms = times["first"], times["last"]
    newest = theirs.order_by("-died_ms", "-key").first()
    if newest is not None:
        _show(row, newest)
