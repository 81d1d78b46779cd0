"""Physical lines of a file: numbered, placed, of bounded length, and they can be put back."""

from __future__ import annotations

from collections import deque
from typing import BinaryIO

from .rows import MAX_LINE_BYTES, Place


class Lines:
    """Reads lines as bytes. `place` is where the next one begins."""

    def __init__(self, file: BinaryIO, place: Place):
        """`file` stands at `place` already."""
        self._file = file
        self._returned: deque[bytes] = deque()
        self.offset, self.line = place
        self.skipped = 0  # bytes of the line read last that are not in what was given back

    @property
    def place(self) -> Place:
        return Place(self.offset, self.line)

    def next(self) -> bytes:
        """The next line with its end, b"" at the end of the file.

        Of a line longer than MAX_LINE_BYTES the beginning is given back, and `skipped` counts the rest.
        """
        raw = self._returned.popleft() if self._returned else self._file.readline(MAX_LINE_BYTES)
        self.offset += len(raw)
        self.skipped = 0
        if raw:
            self.line += 1
        if len(raw) >= MAX_LINE_BYTES and raw[-1] != 10:
            self._skip_rest()
        return raw

    def put_back(self, lines: list[bytes]) -> None:
        """Lines read last, to be read again. None of them may have been cut off."""
        self._returned.extendleft(reversed(lines))
        self.offset -= sum(map(len, lines))
        self.line -= len(lines)

    def _skip_rest(self) -> None:
        while piece := self._file.readline(MAX_LINE_BYTES):
            self.skipped += len(piece)
            if piece[-1] == 10:
                break
        self.offset += self.skipped
