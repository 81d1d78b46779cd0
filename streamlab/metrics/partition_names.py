"""Names of partitions ("orders/3"), many of them, unpacked when somebody looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import msgspec

_decoder = msgspec.msgpack.Decoder(list[str])


class PartitionNames(Sequence[str]):
    """What a member has or should have: a group of ten members may read ten thousand partitions.

    >>> names = PartitionNames.of(["orders/0", "orders/1"])
    >>> len(names), names[1], list(PartitionNames(*names.packed)) == list(names)
    (2, 'orders/1', True)
    """

    __slots__ = ("_unpacked", "packed")

    def __init__(self, count: int, packed: bytes):
        self.packed = count, packed
        self._unpacked: list[str] | None = None

    @classmethod
    def of(cls, names: Iterable[str]) -> PartitionNames:
        unpacked = list(names)
        return cls(len(unpacked), msgspec.msgpack.encode(unpacked))

    def __len__(self) -> int:
        return self.packed[0]

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if self._unpacked is None:
            self._unpacked = _decoder.decode(self.packed[1])
        return self._unpacked[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionNames) and self.packed == other.packed

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PartitionNames.of({list(self)!r})"
