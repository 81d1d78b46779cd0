"""Options that mean the same everywhere, and the broker that they lead to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

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


@contextmanager
def broker_at(url: str | None) -> Iterator[Broker]:
    """A broker whose server is known to answer. Raises StreamlabError."""
    import streamlab

    with streamlab.connect(url or os.environ.get("STREAMLAB_URL")) as broker:
        broker.connection.server_time_ms()
        yield broker


def usage_error(sentence: str) -> typer.BadParameter:
    """To be raised: the command was asked wrongly."""
    return typer.BadParameter(sentence)
