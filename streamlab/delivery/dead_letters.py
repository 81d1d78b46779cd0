"""What a group's dead letters of a topic can be asked, and what can be done with them.

    letters = broker.dead_letters("orders", "revenue")
    page = letters.list(LetterFilter(error_classes=["KeyError"]), limit=20)
    print(f"{len(page.letters)} found, scanned {page.scanned} of {page.total}")
    letters.discard(LetterFilter(fingerprints=["9f2c61b0"]), reason="test data", by="ann", execute=True)

One call looks at a bounded number of letters and returns a cursor to go on with; nothing is read that cannot be meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from ..connection import Connection
from ..errors import UnknownTopicOrPartitionError
from ..events import Journal
from ..log import PartitionLog
from ..model import TopicPartition
from ..topics import Topics
from . import letter_changes
from .dead_letter import LetterAddress
from .dead_letter_topics import DeadLetterTopics, Source
from .letter_filter import LetterFilter
from .letter_reader import Letter, LetterReader
from .letter_scan import SCAN_LETTERS, LetterScan, bounds_of
from .letter_states import LetterChange, LetterState, LetterStates

K = TypeVar("K")

EVERYTHING = LetterFilter()
Letters = list[Letter]
Addresses = list[LetterAddress]
Changes = list[LetterChange]
Places = list[TopicPartition]
"""The class below has a method named `list`."""


class LetterPage(msgspec.Struct, frozen=True):
    """Letters that were asked for, newest first, and how far the search for them went."""

    letters: list[Letter]
    scanned: int  # letters looked at so far, those of earlier pages included
    total: int  # that may be meant, counted when the first page was read
    cursor: str | None  # to go on with; None: everything was looked at


class FailureGroup(msgspec.Struct):
    """Letters of one fingerprint."""

    fingerprint: str
    error_class: str
    call_site: str
    message: str  # of the newest one
    count: int
    first_ms: int  # when the oldest of those looked at died
    last_ms: int
    newest: LetterAddress
    states: dict[LetterState, int]
    partitions: dict[int, int]  # partition -> letters
    schema_versions: dict[int | None, int]


class FailureGroups(msgspec.Struct, frozen=True):
    """What the letters looked at have in common, largest first."""

    groups: list[FailureGroup]
    scanned: int
    total: int
    cursor: str | None


class LetterCounts(msgspec.Struct, frozen=True):
    """How many letters a dead-letter topic holds, by state."""

    dead: int
    replaying: int
    recovered: int
    failed_again: int
    discarded: int

    @property
    def total(self) -> int:
        return self.dead + self.replaying + self.recovered + self.failed_again + self.discarded


class DeadLetters:
    """The dead letters of one topic and group. Safe to share between threads."""

    def __init__(self, connection: Connection, topic: str, group: str, dlq: str | None = None):
        """`dlq` is their topic where that is known already."""
        self._connection = connection
        self.topic, self.group = topic, group
        self._topics = Topics(connection)
        self._log = PartitionLog(connection, self._topics)
        self._dlq = dlq
        self.reader = LetterReader(connection, self._topics)
        self.states = LetterStates(connection)

    @classmethod
    def named(cls, connection: Connection, dlq: str) -> DeadLetters:
        """Those on a topic of that name. Raises UnknownTopicOrPartitionError when it holds none."""
        source = DeadLetterTopics(connection).source(dlq)
        if source is None:
            raise UnknownTopicOrPartitionError(f"{dlq!r} is no topic of dead letters.")
        return cls(connection, source.topic, source.group, dlq)

    @property
    def dlq(self) -> str:
        """Their topic. Raises UnknownTopicOrPartitionError when the group has no dead letters of the topic."""
        if self._dlq is None:
            self._dlq = DeadLetterTopics(self._connection, self._topics).find(self.topic, self.group)
        if self._dlq is None:
            raise UnknownTopicOrPartitionError(
                f"Group {self.group!r} has no dead letters of topic {self.topic!r}."
            )
        return self._dlq

    # -- looking --------------------------------------------------------------------------------------------------

    def counts(self) -> LetterCounts:
        """How many there are, by state: two round trips, however many letters there are."""
        places = self._places()
        held = sum(o.log_end - o.log_start for o in self._log.offsets(places).values())
        tallies: Counter[LetterState] = Counter()
        for tally in self.states.tallies(places).values():
            tallies.update(tally)
        touched = [
            tallies[state]
            for state in (
                LetterState.REPLAYING,
                LetterState.RECOVERED,
                LetterState.FAILED_AGAIN,
                LetterState.DISCARDED,
            )
        ]
        return LetterCounts(max(0, held - sum(touched)), *touched)

    def list(
        self,
        filter: LetterFilter = EVERYTHING,
        limit: int = 50,
        cursor: str | None = None,
        most: int = SCAN_LETTERS,
    ) -> LetterPage:
        """A page of at most `limit` letters, newest first, having looked at `most` letters at most."""
        scan = LetterScan(self.reader, self.dlq, filter, cursor, most)
        found = []
        for letter in scan:
            found.append(letter)
            if len(found) >= limit:
                break
        return LetterPage(found, scan.scanned, scan.total, scan.cursor)

    def get(self, letter: LetterAddress | tuple[int, int]) -> Letter | None:
        """The letter at (partition, offset); None when there is none."""
        address = letter if isinstance(letter, LetterAddress) else LetterAddress(self.dlq, *letter)
        return self.reader.get(address)

    def groups(
        self, filter: LetterFilter = EVERYTHING, cursor: str | None = None, most: int = SCAN_LETTERS
    ) -> FailureGroups:
        """What the newest `most` letters have in common; the groups of later pages are to be added up."""
        scan = LetterScan(self.reader, self.dlq, filter, cursor, most)
        found: dict[str, FailureGroup] = {}
        for letter in scan:
            _add(found, letter)
        ordered = sorted(found.values(), key=lambda group: (-group.count, -group.last_ms))
        return FailureGroups(ordered, scan.scanned, scan.total, scan.cursor)

    def all(self, filter: LetterFilter = EVERYTHING) -> Iterator[Letter]:
        """Every letter that is meant, partition by partition, oldest first, read page by page."""
        for place, bounds in bounds_of(self.reader, self.dlq, filter).items():
            for page in self.reader.forward(place, bounds):
                yield from (letter for letter in page if filter.takes(letter))

    # -- deciding -------------------------------------------------------------------------------------------------

    def discard(
        self,
        filter: LetterFilter,
        reason: str,
        by: str,
        execute: bool = False,
        decision: str | None = None,
    ) -> int:
        """Give up for good the dead ones that are meant. Returns how many; without `execute` how many it would be.

        Nothing is deleted: the letters stay until retention removes them, and restore() takes it back. `decision` is a
        name of one's own, without commas: a restore whose filter has it takes back this and nothing else.
        """
        return self._change(
            filter,
            [LetterState.DEAD],
            lambda letters: self.states.discard(letters, reason, by, decision) if execute else None,
        )

    def restore(
        self,
        filter: LetterFilter,
        by: str,
        execute: bool = False,
        also_replaying: bool = False,
        decision: str | None = None,
    ) -> int:
        """Call discarded letters dead again; with `also_replaying` those whose replay is known to be lost, too.

        Returns how many; without `execute` how many it would be.
        """
        return self._change(
            filter,
            [LetterState.DISCARDED] + [LetterState.REPLAYING] * also_replaying,
            lambda letters: (
                self.states.restore(letters, by, also_replaying, decision, filter.decisions)
                if execute
                else None
            ),
        )

    # -- how ------------------------------------------------------------------------------------------------------

    def _places(self) -> Places:
        return [TopicPartition(self.dlq, n) for n in range(self._topics.require(self.dlq).partitions)]

    def _change(
        self,
        filter: LetterFilter,
        states: Sequence[LetterState],
        change: Callable[[Addresses], Changes | None],
    ) -> int:
        """Page by page, each told before the next one. How many were changed; `change` says None for "only count"."""
        done = 0
        with Journal(self._connection, of="letters") as journal:
            for page in self._pages(filter, states):
                letters = {letter.address: letter for letter in page}
                changes = change([*letters])
                if changes is None:
                    done += len(letters)
                    continue
                letter_changes.tell(self._connection, journal, self.group, changes, letters)
                done += len(changes)
        return done

    def _pages(self, filter: LetterFilter, states: Sequence[LetterState]) -> Iterator[Letters]:
        """Those that are meant and in one of these states."""
        for place, bounds in bounds_of(self.reader, self.dlq, filter).items():
            for page in self.reader.forward(place, bounds):
                meant = [letter for letter in page if letter.status.state in states and filter.takes(letter)]
                if meant:
                    yield meant


def _add(groups: dict[str, FailureGroup], letter: Letter) -> None:
    dead = letter.letter
    group = groups.get(dead.fingerprint)
    if group is None:
        group = groups[dead.fingerprint] = FailureGroup(
            fingerprint=dead.fingerprint,
            error_class=dead.error_class,
            call_site=dead.call_site,
            message=dead.error_message,
            count=0,
            first_ms=dead.died_ms,
            last_ms=dead.died_ms,
            newest=letter.address,
            states={},
            partitions={},
            schema_versions={},
        )
    group.count += 1
    group.first_ms = min(group.first_ms, dead.died_ms)
    group.last_ms = max(group.last_ms, dead.died_ms)
    _one_more(group.states, letter.status.state)
    _one_more(group.partitions, letter.address.partition)
    _one_more(group.schema_versions, dead.schema_version)


def _one_more(tally: dict[K, int], value: K) -> None:
    tally[value] = tally.get(value, 0) + 1


def all_dead_letters(connection: Connection) -> dict[str, Source]:
    """Every topic of dead letters, and whose they are."""
    return DeadLetterTopics(connection).all()
