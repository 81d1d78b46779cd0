"""How a play looks: a bar on a terminal, a line every few seconds anywhere else, counts at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from .player import Progress

LINE_EVERY_S = 5.0


class Display(Protocol):
    def show(self, progress: Progress) -> None: ...

    def __enter__(self) -> Display: ...

    def __exit__(self, *exc: object) -> None: ...


def display_for(name: str) -> Display:
    """On stderr, so that it never mixes with output."""
    return Bar(name) if sys.stderr.isatty() else Lines()


class Bar:
    """A progress bar by bytes of the file, with rows, rate and the time that is left."""

    def __init__(self, name: str):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn(name, markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]} rows  {task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("{task.fields[waits]}", markup=False),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("", total=None, rows="0", rate="", waits="")

    def show(self, progress: Progress) -> None:
        self._bar.update(
            self._task,
            total=progress.bytes_total or None,
            completed=progress.bytes_read,
            rows=f"{progress.settled.rows:,}",
            rate=rate(progress),
            waits=f"next row in {progress.next_in_s:.0f} s" if progress.next_in_s >= 2 else "",
        )

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()


class Lines:
    """For logs and pipes."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LINE_EVERY_S

    def show(self, progress: Progress) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LINE_EVERY_S
        share = progress.bytes_read / progress.bytes_total if progress.bytes_total else 1.0
        print(f"{share:4.0%}  {progress.settled.rows:,} rows  {rate(progress)}", file=sys.stderr, flush=True)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def rate(progress: Progress) -> str:
    return f"{progress.sent / progress.seconds:,.0f} rows/s" if progress.seconds else ""


def summary(progress: Progress, rejects: Path, key: str | None) -> Iterator[str]:
    """The exact counts, in a few lines."""
    counts = progress.settled
    yield (
        f"{counts.rows:,} rows: {counts.acknowledged:,} acknowledged, {counts.rejected:,} rejected, "
        f"{counts.without_key:,} without key."
    )
    this_run = f"This run: {progress.sent:,} sent in {progress.seconds:,.1f} s ({rate(progress)})"
    yield this_run + (f", {progress.found:,} were in the topic already." if progress.found else ".")
    if counts.blank:
        yield f"{counts.blank:,} blank lines were passed over."
    if counts.rejected:
        yield f"What was rejected is in {rejects}, with line numbers and reasons."
        yield from _first_rejects(rejects)
    if key is not None and counts.acknowledged and counts.without_key == counts.acknowledged:
        yield f"No row had a key: is {key!r} the right field?"


def _first_rejects(path: Path, at_most: int = 5) -> Iterator[str]:
    import json

    with path.open(encoding="utf-8") as file:
        for line, _ in zip(file, range(at_most), strict=False):
            entry: dict[str, Any] = json.loads(line)
            yield f"  line {entry['line']}: {entry['reason']}"
