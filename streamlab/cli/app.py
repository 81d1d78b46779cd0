"""All commands under one roof."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from . import consume, doctor, groups, play, processes, produce, retries, shop, streams, topics, worker
from .options import Url

app = typer.Typer(
    name="streamlab",
    help="An event broker on Redis Streams with Kafka's semantics.",
    epilog="Exit codes: 0 done, 1 failed, 2 asked wrongly. --debug (anywhere) shows tracebacks.",
    no_args_is_help=True,
    add_completion=False,
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
app.command()(produce.produce)
app.command()(consume.consume)
app.add_typer(topics.app, name="topics")
app.add_typer(groups.app, name="groups")
app.add_typer(streams.app, name="streams")
app.add_typer(retries.app, name="retries")
app.command()(worker.worker)
app.add_typer(shop.app, name="shop")
app.command()(doctor.doctor)
app.command()(processes.sampler)
app.command()(processes.server)
app.command()(processes.version)
