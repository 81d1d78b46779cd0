"""Options that mean the same everywhere, and the broker that they lead to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from . import complete

if TYPE_CHECKING:
    from ..broker import Broker

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="redis://host:port/0 or unix:///path. Else $STREAMLAB_URL, else the server inside.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of columns.")]
TopicName = Annotated[str, typer.Argument(metavar="TOPIC", autocompletion=complete.topics)]
GroupName = Annotated[str, typer.Argument(metavar="GROUP", autocompletion=complete.groups)]


@contextmanager
def broker_at(url: str | None, *, may_start: bool = False) -> Iterator[Broker]:
    """A broker whose server is known to answer. Raises StreamlabError.

    Where no server ever ran, only `may_start` starts one: who just looks leaves no directory behind.
    """
    import streamlab

    from .. import embedded
    from ..errors import StreamlabError

    url = url or os.environ.get("STREAMLAB_URL")
    if not url and not may_start and not embedded.is_kept_here():
        raise StreamlabError("No server runs here: start `make demo`, or set STREAMLAB_URL.")
    with streamlab.connect(url) as broker:
        broker.connection.server_time_ms()
        yield broker


def usage_error(sentence: str) -> typer.BadParameter:
    """To be raised: the command was asked wrongly."""
    return typer.BadParameter(sentence)
