"""All commands under one roof."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from . import (
    OK,
    advise,
    clients,
    close_stdout,
    config,
    consume,
    dead_letters,
    dead_letters_replay,
    doctor,
    events,
    groups,
    lab,
    play,
    processes,
    produce,
    retries,
    schemas,
    shop,
    streams,
    top,
    topics,
    watch,
    worker,
)
from .options import Url

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 interrupted. --debug (anywhere) shows tracebacks."
)


class Root(TyperGroup):
    """The command of all commands. When whoever reads our output has gone, it ends in peace."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:  # --help prints here
        with _reader_may_leave():
            return super().make_context(*arguments, **more)

    def invoke(self, *arguments: Any, **more: Any) -> Any:
        with _reader_may_leave():
            answer = super().invoke(*arguments, **more)
            sys.stdout.flush()
            return answer


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        close_stdout()
        raise typer.Exit(OK) from None


app = typer.Typer(
    name="streamlab",
    cls=Root,
    help="An event broker on Redis Streams with Kafka's semantics.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    url: Url = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of expected errors too.")] = False,
) -> None:
    if url:
        os.environ["STREAMLAB_URL"] = url  # for the command, and for the processes that it starts


app.command()(play.play)
app.command()(watch.watch)
app.command()(produce.produce)
app.command()(consume.consume)
app.add_typer(topics.app, name="topics")
app.add_typer(groups.app, name="groups")
app.add_typer(config.app, name="config")
app.add_typer(clients.app, name="clients")
app.add_typer(streams.app, name="streams")
app.add_typer(retries.app, name="retries")
dead_letters_replay.enter(dead_letters.app)
app.add_typer(dead_letters.app, name="dead-letters")
app.command()(events.events)
app.command()(events.trace)
app.add_typer(schemas.app, name="schemas")
app.command()(worker.worker)
app.add_typer(shop.app, name="shop")
app.add_typer(lab.app, name="lab")
app.command(epilog=top.EXAMPLES)(top.top)
app.command()(doctor.doctor)
app.command()(advise.advise)
app.command()(processes.sampler)
app.command()(processes.server)
app.command()(processes.version)
