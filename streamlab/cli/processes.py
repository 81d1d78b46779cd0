"""`streamlab server`, `sampler`, `version`: processes that run until they are told to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Url
from .output import note, print_json


def server(
    directory: Annotated[
        Path | None, typer.Option("--directory", "-d", help="Where its data lives. Default: ./var/redis.")
    ] = None,
) -> None:
    """Run the server inside until Ctrl-C. Its data is found again at the next start."""
    from ..embedded import EmbeddedServer, default_directory
    from ..errors import StreamlabError

    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    with EmbeddedServer(directory or default_directory()) as running:
        print(running.url, flush=True)
        note(f"The server runs on {running.directory}; Ctrl-C stops it.")
        while not stop.wait(0.5):
            if running.poll() is not None:
                raise StreamlabError(f"The server has ended by itself; see {running.log}.")
    note("The server has stopped; its data is safe.")


def sampler(url: Url = None) -> None:
    """Take a snapshot of everything each second, for the dashboard and for rates, until Ctrl-C."""
    from ..metrics import sampler

    sampler.main(url)


def version(json: Json = False) -> None:
    """Say which version this is."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        number = installed("streamlab")
    except PackageNotFoundError:
        from .. import __version__ as number
    if json:
        print_json({"version": number})
    else:
        print(number)
