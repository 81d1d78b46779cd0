"""The file that keeps what could not be played: one JSON object a line, in the order of the source.

    {"line": 17, "reason": "1 fields where the header has 8", "size": 9, "raw": "536365,x\\n"}

`raw` is what stood there; bytes that are not UTF-8 are in `raw_base64` instead. Of a very long line the
beginning is kept, and `size` says how long it was.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, TextIO

from .rows import Reject, SourceError


class RejectsFile:
    """Is made at the first reject. Call `start` before anything else."""

    def __init__(self, path: Path):
        self.path = path
        self._file: TextIO | None = None

    def start(self, from_line: int) -> None:
        """Forget what an earlier play kept from this line of the source on, because it will be met again.

        Raises SourceError when the path holds something else, or cannot be written.
        """
        if not self.path.exists():
            return
        try:
            kept = [line for line in self._lines() if json.loads(line)["line"] < from_line]
        except (ValueError, KeyError, TypeError):
            raise SourceError(f"{self.path} exists and is not a file of rejects; name another one.") from None
        if not kept:
            self.path.unlink()
            return
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.write_text("".join(kept), encoding="utf-8")
        fresh.replace(self.path)

    def add(self, reject: Reject) -> None:
        """Raises SourceError when it cannot be written: a reject must not be lost."""
        try:
            if self._file is None:
                self._file = self.path.open("a", encoding="utf-8")
            self._file.write(json.dumps(_entry(reject)) + "\n")
        except OSError as error:
            raise SourceError(
                f"Rejects cannot be kept in {self.path}: {error.strerror}. Name another file."
            ) from error

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _lines(self) -> list[str]:
        """Whole lines only: a play that was killed may have left half of one."""
        with self.path.open(encoding="utf-8") as file:
            return [line for line in file if line.endswith("\n")]


def _entry(reject: Reject) -> dict[str, Any]:
    entry: dict[str, Any] = {"line": reject.line, "reason": reject.reason, "size": reject.size}
    try:
        entry["raw"] = reject.raw.decode()
    except UnicodeDecodeError:
        entry["raw_base64"] = base64.b64encode(reject.raw).decode()
    return entry
