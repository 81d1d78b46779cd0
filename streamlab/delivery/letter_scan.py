"""Going through dead letters, newest first, a bounded part of them at a time, and saying honestly how far that went."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import msgspec

from ..errors import IllegalArgumentError
from ..model import TopicPartition
from .letter_filter import LetterFilter
from .letter_reader import Bounds, Letter, LetterReader

SCAN_LETTERS = 5_000
"""Letters that one call looks at, at most."""
SCAN_BYTES = 64 << 20
"""Bytes of values that one call reads, about."""


class _Place(msgspec.Struct, array_like=True):
    """What a cursor holds."""

    scanned: int  # letters looked at so far, over all calls
    total: int  # letters that there were when it began
    left: dict[
        int, tuple[int, int]
    ]  # partition -> first offset and the one behind what is still to be looked at


class LetterScan:
    """One call's part of going through the letters that a filter may mean.

    Iterate over it for the letters meant; then `scanned`, `total` and `cursor` say how far it went. It ends early when
    it has looked at `most` letters. `cursor` is None when there is nothing left.
    """

    def __init__(
        self,
        reader: LetterReader,
        dlq: str,
        filter: LetterFilter,
        cursor: str | None = None,
        most: int = SCAN_LETTERS,
    ):
        """Raises IllegalArgumentError for a cursor that is none, UnknownTopicOrPartitionError."""
        self._reader, self._dlq, self._filter, self._most = reader, dlq, filter, most
        self._left, self.scanned, self.total = self._begin(cursor)
        self._started_at = self.scanned
        self._read_bytes = 0

    @property
    def cursor(self) -> str | None:
        """Where the next call goes on."""
        left = {p.partition: (b.start, b.end) for p, b in self._left.items() if b.letters}
        if not left:
            return None
        return msgspec.json.encode(_Place(self.scanned, self.total, left)).decode()

    def __iter__(self) -> Iterator[Letter]:
        for letter in self._newest_first():
            self._passed(letter)
            if self._filter.takes(letter):
                yield letter
            if self.scanned - self._started_at >= self._most or self._read_bytes >= SCAN_BYTES:
                return
        self.scanned, self._left = self.total, {}

    def _newest_first(self) -> Iterator[Letter]:
        backwards = [self._reader.backward(p, bounds) for p, bounds in self._left.items()]
        return heapq.merge(*backwards, key=lambda letter: -letter.letter.died_ms)

    def _passed(self, letter: Letter) -> None:
        place = letter.address.topic_partition
        bounds = self._left[place]
        self.scanned += bounds.end - letter.address.offset  # more than one where letters cannot be read
        self._left[place] = Bounds(bounds.start, letter.address.offset)
        self._read_bytes += len(letter.letter.value or b"")

    def _begin(self, cursor: str | None) -> tuple[dict[TopicPartition, Bounds], int, int]:
        if cursor is None:
            bounds = bounds_of(self._reader, self._dlq, self._filter)
            return bounds, 0, sum(b.letters for b in bounds.values())
        try:
            place = msgspec.json.decode(cursor, type=_Place)
        except msgspec.MsgspecError:
            raise IllegalArgumentError(f"{cursor!r} is not a cursor of dead letters.") from None
        now = self._reader.bounds(self._dlq, list(place.left))
        left = {
            TopicPartition(self._dlq, number): Bounds(
                max(start, now[TopicPartition(self._dlq, number)].start), end
            )
            for number, (start, end) in place.left.items()
        }
        return left, place.scanned, place.total


def bounds_of(reader: LetterReader, dlq: str, filter: LetterFilter) -> dict[TopicPartition, Bounds]:
    """What has to be looked at for a filter, and nothing that cannot be meant."""
    bounds = reader.bounds(dlq, filter.only_partitions, filter.since_ms)
    if not filter.letters:
        return bounds
    found = {}
    for place, held in bounds.items():
        offsets = [a.offset for a in filter.letters if a.topic_partition == place]
        if offsets:
            found[place] = Bounds(max(held.start, min(offsets)), min(held.end, max(offsets) + 1))
    return found
