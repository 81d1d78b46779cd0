"""`streamlab watch`: files that land in a folder become records of a topic."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import complete
from .options import Json, Url, broker_at, usage_error
from .output import note, print_json

if TYPE_CHECKING:
    from ..lab.folder import Played
    from ..lab.player import Player
    from ..lab.rejects import RejectsFile
    from ..lab.sources import Source


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where files land.")],
    topic: Annotated[
        str,
        typer.Option(
            "--topic", "-t", autocompletion=complete.topics, help="Made with --partitions when missing."
        ),
    ],
    key: Annotated[
        str | None, typer.Option("--key", "-k", metavar="FIELD", help="An empty value is no key.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="FIELD", help="When it happened: ce_time.")
    ] = None,
    number: Annotated[
        list[str] | None,
        typer.Option("--number", metavar="COLUMN", help="A CSV column to write as a number."),
    ] = None,
    time_format: Annotated[str | None, typer.Option("--time-format", metavar="%d/%m/%Y")] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="csv|jsonl", help="Default: by looking at each file.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="Of CSV files, for example latin-1.")] = "utf-8",
    separator: Annotated[
        str | None, typer.Option("--separator", help="Of CSV fields. Default: by looking.")
    ] = None,
    type: Annotated[str | None, typer.Option("--type", help="ce_type. Default: streamlab.file.row")] = None,
    partitions: Annotated[int, typer.Option("--partitions", min=1, help="Of a topic that is made.")] = 6,
    url: Url = None,
    json: Json = False,
) -> None:
    """Play each CSV or JSON Lines file that lands in FOLDER into a topic, once, then move it to FOLDER/done.

    A file counts as complete when it has not changed for two seconds; files that are moved in are best. What cannot be
    read goes to FOLDER/failed with the reason beside it. Stopped or killed, it goes on where it was. Ctrl-C ends it.
    """
    from ..lab.folder import Folder
    from ..lab.player import EVENT_TYPE, Player
    from ..lab.rows import Fields
    from ..lab.sources import open_source
    from ..lab.times import time_parser

    if form not in (None, "csv", "jsonl"):
        raise usage_error(f"--format is csv or jsonl, not {form!r}.")
    separator = separator.replace("\\t", "\t") if separator else None
    if separator is not None and len(separator) != 1:
        raise usage_error("--separator is one character.")
    fields = Fields(key, time, tuple(number or ()), time_parser(time_format) if time else None)

    def open_file(path: Path) -> Source:
        opened = open_source(path, form, encoding, separator)
        opened.check(fields)
        return opened

    with broker_at(url, may_start=True) as broker:
        if topic not in broker.admin().list_topics():
            broker.admin().create_topics({topic: {"num_partitions": partitions}})

        def player(source: Source, uri: str, rejects: RejectsFile) -> Player:
            return Player(
                broker, source, topic, fields, rejects=rejects, uri=uri, event_type=type or EVENT_TYPE
            )

        watched = Folder(folder, open_file, player)
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: watched.end())
        note(f"Watching {folder}; what lands there goes into topic {topic}. Ctrl-C ends it.")
        for played in watched.watch():
            _tell(played, json)


def _tell(played: Played, json: bool) -> None:
    counts = played.progress.settled if played.progress else None
    if json:
        print_json(
            {
                "file": str(played.path),
                "rows": counts.rows if counts else 0,
                "acknowledged": counts.acknowledged if counts else 0,
                "rejected": counts.rejected if counts else 0,
                "problem": played.problem or None,
            }
        )
    elif played.problem:
        note(f"{played.path}: {played.problem}")
    elif counts:
        kept = f", {counts.rejected:,} rejected" if counts.rejected else ""
        print(f"{played.path.name}: {counts.acknowledged:,} records{kept}", flush=True)
