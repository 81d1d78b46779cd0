"""What an experiment measures is changed on purpose only: with --force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .output import note

if TYPE_CHECKING:
    from ..broker import Broker

Force = Annotated[bool, typer.Option("--force", help="Even what a running experiment measures.")]


def require_undisturbed(broker: Broker, force: bool, *subjects: str) -> None:
    """Subjects are "topic orders", "group:revenue", … Raises IllegalStateError, unless forced."""
    from ..errors import IllegalStateError
    from ..lab.experiments import guard

    try:
        warning = guard.require_undisturbed(broker.connection, *subjects)
    except IllegalStateError as error:
        if not force:
            raise IllegalStateError(
                f"{error} `streamlab lab experiment stop` stops it; --force does this all the same."
            ) from None
        warning = "A running experiment measures this: what it says from now on means nothing."
    if warning:
        note(warning)
