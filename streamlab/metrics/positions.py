"""How far a group is on its partitions, in a form of which one topic can be looked at without the others.

A snapshot is read once a second by every process that draws pages, and a group may read ten thousand partitions. So
each topic's are packed for themselves, beside what they come to; they are unpacked when somebody looks at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import overload

import msgspec

from .rates import total


class GroupPartition(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How far one group is on one partition."""

    topic: str
    partition: int
    committed: int | None  # next offset to read; None: never committed
    log_end: int
    lag: (
        int | None
    )  # records, those that were removed unread included, as in Kafka; None: no commit to measure from
    time_lag_ms: int | None  # age of the oldest record not yet consumed; 0: caught up; None: unknown
    commit_ms: int | None  # server time of the last commit
    lost: int  # records that retention removed before the group read them
    owner: str | None  # member id; None: nobody reads it
    consumed_rate: float | None  # records/s over the last seconds, by commits; see rates.commit_rate
    ahead: int = 0  # records by which the commit lies past the log end: the server lost its newest records
    purged: int = 0  # records that somebody deleted before the group read them


class OnTopic(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A group's partitions of one topic: what they come to, and they themselves, packed."""

    partitions: int
    lag: int | None  # sum of what is known; None: nothing is known
    time_lag_ms: int | None  # the worst partition's
    consumed_rate: float | None  # records/s
    lost: int
    packed: bytes
    purged: int = 0


NOTHING = OnTopic(0, None, None, None, 0, msgspec.msgpack.encode([]))

_decoder = msgspec.msgpack.Decoder(list[GroupPartition])


class Positions(Sequence[GroupPartition]):
    """A group's partitions, sorted by topic and number.

    >>> positions = Positions.of([GroupPartition("orders", 0, 5, 9, 4, 70, 1, 0, None, None)])
    >>> positions.topics, positions.on_topic("orders").lag, positions.on_topic("paid").lag, len(positions)
    (['orders'], 4, None, 1)
    """

    __slots__ = ("_by_topic", "_unpacked")

    def __init__(self, by_topic: Mapping[str, OnTopic]):
        self._by_topic = by_topic
        self._unpacked: list[GroupPartition] | None = None

    @classmethod
    def of(cls, partitions: Iterable[GroupPartition]) -> Positions:
        unpacked = list(partitions)
        by_topic: dict[str, list[GroupPartition]] = {}
        for partition in unpacked:
            by_topic.setdefault(partition.topic, []).append(partition)
        positions = cls({topic: _on_topic(some) for topic, some in by_topic.items()})
        positions._unpacked = unpacked
        return positions

    @property
    def topics(self) -> list[str]:
        return list(self._by_topic)

    @property
    def totals(self) -> Mapping[str, OnTopic]:
        return self._by_topic

    def on_topic(self, topic: str) -> OnTopic:
        return self._by_topic.get(topic, NOTHING)

    def on(self, topic: str) -> list[GroupPartition]:
        """Those of one topic, found without looking at the others."""
        return _decoder.decode(self.on_topic(topic).packed)

    @property
    def lag(self) -> int | None:
        """None: nothing is known."""
        return total(on.lag for on in self._by_topic.values())

    @property
    def time_lag_ms(self) -> int | None:
        return max(
            (on.time_lag_ms for on in self._by_topic.values() if on.time_lag_ms is not None), default=None
        )

    @property
    def consumed_rate(self) -> float | None:
        return total(on.consumed_rate for on in self._by_topic.values())

    @property
    def lost(self) -> int:
        return sum(on.lost for on in self._by_topic.values())

    @property
    def purged(self) -> int:
        return sum(on.purged for on in self._by_topic.values())

    # -- all of them ----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return sum(on.partitions for on in self._by_topic.values())

    def __iter__(self) -> Iterator[GroupPartition]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> GroupPartition: ...
    @overload
    def __getitem__(self, index: slice) -> list[GroupPartition]: ...
    def __getitem__(self, index: int | slice) -> GroupPartition | list[GroupPartition]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Positions) and self._all() == other._all()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Positions.of({self._all()!r})"

    def _all(self) -> list[GroupPartition]:
        if self._unpacked is None:
            self._unpacked = list(chain.from_iterable(map(self.on, self._by_topic)))
        return self._unpacked


def _on_topic(partitions: list[GroupPartition]) -> OnTopic:
    return OnTopic(
        len(partitions),
        total(p.lag for p in partitions),
        max((p.time_lag_ms for p in partitions if p.time_lag_ms is not None), default=None),
        total(p.consumed_rate for p in partitions),
        sum(p.lost for p in partitions),
        msgspec.msgpack.encode(partitions),
        sum(p.purged for p in partitions),
    )
