"""`streamlab top`: topics and groups, live in the terminal."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from . import INTERRUPTED, OK, reader_has_gone
from .options import Json, Url, broker_at, usage_error
from .output import print_json

if TYPE_CHECKING:
    from ..broker import Broker
    from ..metrics.snapshot import Snapshot
    from .top_view import Shown

EXAMPLES = """\b
Examples:
  streamlab top
  streamlab top --once --json | jq '.groups[] | select(.lag > 1000)'
  streamlab top --json --every 10 >> figures.jsonl
"""

_LOOK_EVERY_S = 0.2  # at the keyboard and at the size of the window
_WIDE = 160  # where no terminal says how wide it is


def top(
    every: Annotated[
        float, typer.Option("--every", min=0.2, max=3600, metavar="SECONDS", help="How often it looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print it once and end.")] = False,
    sort: Annotated[
        str, typer.Option("--sort", metavar="lag|rate|name", help="Groups by lag and topics by rate, or ...")
    ] = "lag",
    all: Annotated[bool, typer.Option("--all", help="Internal topics (__...) too.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Topics and groups, live: rates, lag, time lag, state. q or Ctrl-C ends it.

    Shows what the sampler measures; where none runs it looks itself. With --json it prints one object each time.
    """
    from .top_view import Order, Shown

    if sort not in list(Order):
        raise usage_error(f"--sort is lag, rate or name, not {sort!r}.")
    if not (once or json or sys.stdout.isatty()):
        raise usage_error("There is no terminal to draw on: use --once or --json.")
    shown = Shown(Order(sort), all)
    with broker_at(url) as broker, _Looking(broker) as looking:
        try:
            if once:
                _print_once(looking.with_rates(), shown._replace(source=looking.source), json)
            elif json:
                _print_each(looking, shown, every)
            else:
                _Screen(looking, shown, every).run()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED if once else OK) from None  # it runs until then


class _Looking:
    """Snapshots: the sampler's while it is at work, else our own."""

    def __init__(self, broker: Broker):
        from ..metrics.collect import Collector

        self.source = "sampler"
        self._broker = broker
        self._collector = Collector(broker.connection)
        self._seq = 0

    def next(self) -> Snapshot:
        """Raises StreamlabError."""
        from . import snapshots

        found = snapshots.sampled(self._broker)
        self.source = "own" if found is None else "sampler"
        if found is not None:
            return found
        self._seq += 1
        return self._collector.collect(self._seq)

    def with_rates(self) -> Snapshot:
        """Rates of our own need a second look, a second later."""
        found = self.next()
        if self.source == "own":
            time.sleep(1.0)
            found = self.next()
        return found

    def __enter__(self) -> _Looking:
        return self

    def __exit__(self, *exc: object) -> None:
        self._collector.close()


def _print_once(snapshot: Snapshot, shown: Shown, json: bool) -> None:
    from .top_view import as_json, screen

    if json:
        print_json(as_json(snapshot, shown))
        return
    width = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else _WIDE
    lines = len(snapshot.groups) + len(snapshot.topics) + 12
    for line in screen(snapshot, width, lines, shown, keys_work=False)[:-1]:
        print(line.plain)


def _print_each(looking: _Looking, shown: Shown, every_s: float) -> None:
    from .top_view import as_json

    while True:
        started = time.monotonic()
        snapshot = looking.next()
        print_json(as_json(snapshot, shown._replace(source=looking.source)))
        sys.stdout.flush()
        while (left := every_s - (time.monotonic() - started)) > 0:
            if reader_has_gone():
                return
            time.sleep(min(left, _LOOK_EVERY_S))


class _Screen:
    """Draws until somebody presses q. While the server is away the last figures stay, and the last line says so."""

    def __init__(self, looking: _Looking, shown: Shown, every_s: float):
        self._looking = looking
        self._shown = shown
        self._every_s = every_s
        self._ended = False

    def run(self) -> None:
        from rich.console import Console, Group
        from rich.live import Live

        from .top_view import screen

        console = Console()
        snapshot = self._looking.next()
        due, drawn = time.monotonic() + self._every_s, None
        with _keys() as keys_work, Live(console=console, screen=True, auto_refresh=False) as live:
            while not self._ended:
                size = console.size
                drawing = (snapshot.as_of_ms, size, self._shown, self._looking.source)
                if drawing != drawn:
                    shown = self._shown._replace(source=self._looking.source)
                    live.update(
                        Group(*screen(snapshot, size.width, size.height, shown, keys_work)), refresh=True
                    )
                    drawn = drawing
                self._press(_key(keys_work, min(_LOOK_EVERY_S, max(0.0, due - time.monotonic()))))
                if time.monotonic() >= due:
                    due = time.monotonic() + self._every_s
                    snapshot = self._look(snapshot)

    def _look(self, last: Snapshot) -> Snapshot:
        from ..errors import StreamlabError

        try:
            found = self._looking.next()
        except StreamlabError as error:
            since = time.strftime("%H:%M:%S", time.gmtime(last.as_of_ms / 1000))
            self._shown = self._shown._replace(trouble=f"As of {since} UTC. {error}")
            return last
        self._shown = self._shown._replace(trouble="")
        return found

    def _press(self, key: str) -> None:
        if key in ("q", "Q", "\x04"):
            self._ended = True
        elif key == "s":
            self._shown = self._shown._replace(order=self._shown.order.next)
        elif key == "i":
            self._shown = self._shown._replace(internal=not self._shown.internal)


@contextmanager
def _keys() -> Iterator[bool]:
    """Keys come as they are pressed and are not shown; False where there is no keyboard."""
    try:
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (ImportError, OSError, ValueError, termios.error):
        yield False
        return
    try:
        tty.setcbreak(descriptor)
        yield True
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _key(keys_work: bool, timeout_s: float) -> str:
    """The next key, or '' when none came in time."""
    if not keys_work:
        time.sleep(timeout_s)
        return ""
    ready, _, _ = select.select([sys.stdin], [], [], timeout_s)
    if not ready:
        return ""
    pressed = os.read(sys.stdin.fileno(), 1)
    return pressed.decode(errors="replace") if pressed else "q"  # the terminal has gone
