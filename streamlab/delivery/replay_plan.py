"""What a replay would do, counted to the letter, before it does anything.

The plan fixes the ends of the partitions: letters that come later, those that the replay's own failures make among
them, are not part of it. So a replay always ends.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..connection import Connection
from ..model import TopicPartition
from ..partitioner import partition_for
from ..topics import Topics
from .letter_reader import Letter, LetterReader
from .letter_scan import bounds_of
from .letter_states import LetterState
from .replay_spec import ReplaySpec, UnfitLetterError
from .replay_target import ReplayTarget

Route = Callable[[Letter, bytes | None], TopicPartition]
"""Where a letter goes, given its key as replayed."""


class PlannedFailure(msgspec.Struct):
    """Letters of one fingerprint in a plan."""

    fingerprint: str
    error_class: str
    message: str  # of the oldest one
    count: int = 0


class ReplayPlan(msgspec.Struct, kw_only=True):
    """What a replay would do as things are now."""

    spec: ReplaySpec
    bounds: dict[int, tuple[int, int]]  # partition -> first offset and the one behind the last
    scanned: int = 0  # letters looked at, which is all between the bounds
    letters: int = 0  # that would be replayed
    size_bytes: int = 0  # of their values and keys
    unfit: int = 0  # that cannot be edited as asked, or the target does not take; they would stay as they are
    unfit_because: str | None = None  # of the first one of them
    not_dead: dict[LetterState, int] = {}  # meant by the filter, but in another state
    failures: list[PlannedFailure] = []  # largest first
    destinations: dict[str, int] = {}  # topic/partition -> letters
    replayed_before: int = 0  # of them that were replayed and died again
    sample_before: str | None = None  # first letter that an edit changes, as it is ...
    sample_after: str | None = None  # ... and as it would be; both cut

    @property
    def seconds(self) -> float | None:
        """How long it takes at its rate; None: as fast as it goes."""
        return None if self.spec.rate is None else self.letters / self.spec.rate


def plan(
    connection: Connection, spec: ReplaySpec, seen: Callable[[int, int], None] | None = None
) -> ReplayPlan:
    """Look at every letter that may be meant. `seen(scanned, total)` is told how far that is, page by page.

    Raises UnknownTopicOrPartitionError when the dead-letter topic, or the one that they are to go to, does not exist.
    """
    topics = Topics(connection)
    reader = LetterReader(connection, topics)
    found = bounds_of(reader, spec.dlq, spec.filter)
    made = ReplayPlan(
        spec=spec,
        bounds={p.partition: (b.start, b.end) for p, b in found.items()},
        not_dead={},
        destinations={},
    )
    route = router(topics, spec)
    target = ReplayTarget(connection, topics, spec)
    failures: dict[str, PlannedFailure] = {}
    total = sum(b.letters for b in found.values())
    for place, bounds in found.items():
        for page in reader.forward(place, bounds):
            for letter in page:
                _count(made, failures, letter, route, target)
            if seen is not None:
                seen(made.scanned, total)
    made.scanned = total  # those that cannot be read among them
    made.failures = sorted(failures.values(), key=lambda failure: -failure.count)
    return made


def _count(
    made: ReplayPlan, failures: dict[str, PlannedFailure], letter: Letter, route: Route, target: ReplayTarget
) -> None:
    spec, dead = made.spec, letter.letter
    made.scanned += 1
    if not spec.filter.takes(letter):
        return
    if letter.status.state is not LetterState.DEAD:
        made.not_dead[letter.status.state] = made.not_dead.get(letter.status.state, 0) + 1
        return
    try:
        record = spec.record(dead)
        target.check(record)
    except UnfitLetterError as error:
        made.unfit += 1
        made.unfit_because = made.unfit_because or str(error)
        return
    made.letters += 1
    made.size_bytes += len(record.value or b"") + len(record.key or b"")
    made.replayed_before += dead.replays > 0
    if record.changed and made.sample_before is None:
        made.sample_before, made.sample_after = _cut(dead.value), _cut(record.value)
    failure = failures.setdefault(
        dead.fingerprint, PlannedFailure(dead.fingerprint, dead.error_class, dead.error_message)
    )
    failure.count += 1
    place = str(route(letter, record.key))
    made.destinations[place] = made.destinations.get(place, 0) + 1


def _cut(value: bytes | None) -> str:
    return "null" if value is None else value[:500].decode("utf-8", "backslashreplace")


def router(topics: Topics, spec: ReplaySpec, partitions: int | None = None) -> Route:
    """Where each letter goes, given its (edited) key; always the same for the same number of partitions.

    To the group, and to the source without a new key: back to where the group read it. Else where Kafka puts its key;
    without a key to the partition of the same number, as far as there is one.
    Raises UnknownTopicOrPartitionError.
    """
    name = spec.goes_to or spec.topic
    count = partitions or topics.require(name).partitions

    def route(letter: Letter, key: bytes | None) -> TopicPartition:
        read = letter.letter.read_partition
        same = 0 <= read < count
        if spec.goes_to is None:
            return TopicPartition(name, read)
        if name == letter.letter.read_topic and key == letter.letter.key and same:
            return TopicPartition(name, read)
        if key is not None:
            return TopicPartition(name, partition_for(key, count))
        return TopicPartition(name, max(read, 0) % count)

    return route
