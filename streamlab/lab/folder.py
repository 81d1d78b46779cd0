"""A folder as a source: each file that lands in it is played once, then put aside.

    lands → stands still for a moment → is played → done/
                                          └ cannot be read → failed/, beside it a .reason

A file is known by its name, size and time of change. A watcher that is killed goes on where it was in the file; one
that is killed between the last row and done/ finds that all rows are there, and only puts the file aside. What is still
being written is waited for; names that begin with a dot or end in .part, .tmp or .crdownload are never touched.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from ..clock import SYSTEM_CLOCK, Clock
from .player import Player, PlayError, Progress
from .rejects import RejectsFile
from .rows import SourceError
from .sources import Source

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
QUIET_S = 2.0
"""So long a file must not have changed before it counts as complete."""
DONE, FAILED = "done", "failed"
_UNFINISHED = (".part", ".tmp", ".crdownload", ".swp", "~")


class Landed(NamedTuple):
    """A file as it was seen."""

    path: Path
    size: int
    changed_ns: int

    @property
    def uri(self) -> str:
        """What its events name as their source: this file, not a later one of the same name."""
        name = f"{quote(self.path.parent.name)}/{quote(self.path.name)}"
        return f"/streamlab/folders/{name}@{self.changed_ns}-{self.size}"


class Played(NamedTuple):
    """What became of a file."""

    path: Path  # where it is now
    progress: Progress | None  # None: it could not be read at all
    problem: str = ""  # "" when all of it was played


MakePlayer = Callable[[Source, str, RejectsFile], Player]
"""(open file, uri of its events, where rejects go) -> what plays it."""
Open = Callable[[Path], Source]
"""Opens a file to play. Raises SourceError."""


class Folder:
    """Watches one folder. Not safe to share between threads."""

    def __init__(self, path: Path, open_file: Open, player: MakePlayer, clock: Clock = SYSTEM_CLOCK):
        """Raises SourceError when there is no such folder."""
        if not path.is_dir():
            raise SourceError(f"{path} is not a folder.")
        self.path = path
        self.stop = threading.Event()
        self._open, self._player, self._clock = open_file, player, clock
        self._seen: dict[Landed, float] = {}  # as it is, and since when: monotonic seconds
        self._playing: Player | None = None

    def end(self) -> None:
        """Stop soon, with everything settled. May be called from a signal handler."""
        self.stop.set()
        if self._playing is not None:
            self._playing.stop()

    def watch(self) -> Iterator[Played]:
        """Every file that was dealt with, until end() is called."""
        while not self.stop.is_set():
            for landed in self.complete():
                played = self._deal_with(landed)
                if played is not None:
                    yield played
                if self.stop.is_set():
                    return
            self.stop.wait(LOOK_EVERY_S)

    def complete(self) -> list[Landed]:
        """Files that have stood still long enough, the oldest first."""
        now = self._clock.monotonic()
        there = {landed: self._seen.get(landed, now) for landed in self._landed()}
        self._seen = there
        ripe = [landed for landed, since in there.items() if now - since >= QUIET_S]
        return sorted(ripe, key=lambda landed: (landed.changed_ns, landed.path.name))

    def _landed(self) -> Iterator[Landed]:
        for path in self.path.iterdir():
            if path.name.startswith(".") or path.name.endswith(_UNFINISHED) or not path.is_file():
                continue
            try:
                found = path.stat()
            except FileNotFoundError:
                continue  # moved away at this moment
            yield Landed(path, found.st_size, found.st_mtime_ns)

    def _deal_with(self, landed: Landed) -> Played | None:
        """None when it was interrupted: the file stays, and is gone on with later. Raises StreamlabErrors."""
        rejects = RejectsFile(self.path / DONE / f"{landed.path.name}.rejects")
        try:
            with self._open(landed.path) as source:
                rejects.path.parent.mkdir(exist_ok=True)
                player = self._playing = self._player(source, landed.uri, rejects)
                previous = player.previous()
                progress = player.play(previous) if not (previous and previous.finished) else Progress(
                    previous.counts, previous.place, finished=True
                )  # fmt: skip
        except (SourceError, PlayError) as error:
            return Played(self._put_aside(landed.path, FAILED, str(error)), None, str(error))
        finally:
            self._playing = None
        if progress.damage:
            return Played(self._put_aside(landed.path, FAILED, progress.damage), progress, progress.damage)
        if not progress.finished:
            return None
        return Played(self._put_aside(landed.path, DONE), progress)

    def _put_aside(self, path: Path, where: str, reason: str = "") -> Path:
        """Under a name that nothing else there has."""
        folder = self.path / where
        folder.mkdir(exist_ok=True)
        aim, number = folder / path.name, 1
        while aim.exists():
            number += 1
            aim = folder / f"{path.stem}-{number}{path.suffix}"
        if reason:
            aim.with_name(aim.name + ".reason").write_text(reason + "\n")
        path.rename(aim)
        return aim
