"""How far a partition may be committed while its records are finished out of order: pure.

seen  0 1 2 3 4 5      done  0 1 3 4      position  2: record 2 is not done, so 3 and 4 do not count yet
"""

from __future__ import annotations

from collections import deque


class Watermark:
    """Offsets come in order and are done in any order. Offsets may be missing between them, as compaction leaves it.

    >>> mark = Watermark()
    >>> for offset in (10, 11, 15): mark.seen(offset)
    >>> mark.done(11); mark.position
    10
    >>> mark.done(10); mark.position
    15
    >>> mark.done(15); mark.position
    16
    """

    __slots__ = ("_done", "_open", "_position")

    def __init__(self) -> None:
        self._open: deque[int] = deque()  # in order; done ones are dropped when they are the first
        self._done: set[int] = set()
        self._position: int | None = None

    def seen(self, offset: int) -> None:
        """The next record of the partition is somebody's from now on."""
        self._open.append(offset)

    def done(self, offset: int) -> None:
        """It is settled: handled, in the retry queue, or a dead letter."""
        opened = self._open
        if opened and opened[0] == offset:
            opened.popleft()
            self._position = offset + 1
        else:
            self._done.add(offset)

    def passed(self, offset: int) -> None:
        """The reading stands at `offset`. With nothing open, what lies before it was seen or is not there any more.

        >>> mark = Watermark()
        >>> mark.seen(10); mark.passed(40); mark.position
        10
        >>> mark.done(10); mark.passed(40); mark.position
        40
        """
        if not self.held_back and offset > (self._position or 0):
            self._position = offset

    @property
    def position(self) -> int | None:
        """The next offset that is not done, with everything before it done; None: nothing was seen."""
        opened, done = self._open, self._done
        while opened and opened[0] in done:
            self._position = opened.popleft() + 1
            done.discard(self._position - 1)
        return opened[0] if opened else self._position

    @property
    def held_back(self) -> int:
        """Records from the position on, done or not: what a crash would bring again."""
        self.position  # noqa: B018 - drops what is done in front
        return len(self._open)

    @property
    def outstanding(self) -> int:
        """Records seen and not done."""
        return len(self._open) - len(self._done)
