"""`streamlab play`: a file becomes records of a topic."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import FAILED, complete
from .options import Json, Url, broker_at, usage_error
from .output import note, print_json

if TYPE_CHECKING:
    from ..lab.pace import Pace
    from ..lab.player import Player, Progress
    from ..lab.positions import Position
    from ..lab.sources import Source

_FORMS = ("csv", "jsonl")


def play(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or JSON Lines, plain or gzip.")],
    topic: Annotated[
        str,
        typer.Option(
            "--topic",
            "-t",
            autocompletion=complete.topics,
            help="Made with --partitions when it is missing.",
        ),
    ],
    key: Annotated[
        str | None, typer.Option("--key", "-k", metavar="FIELD", help="An empty value is no key.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="FIELD", help="When it happened: ce_time.")
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option("--speed", metavar="3600x", help="The rhythm of --time, so many times faster."),
    ] = None,
    rate: Annotated[float | None, typer.Option("--rate", metavar="N", help="N rows a second.")] = None,
    max: Annotated[
        bool, typer.Option("--max", help="As quick as the broker takes them (the default).")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the last play of FILE stopped.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", help="What cannot be played. Default: ./FILE.TOPIC.rejects")
    ] = None,
    number: Annotated[
        list[str] | None,
        typer.Option("--number", metavar="COLUMN", help="A CSV column to write as a JSON number."),
    ] = None,
    time_format: Annotated[
        str | None, typer.Option("--time-format", metavar="%d/%m/%Y", help="Default: ISO 8601 or epoch; UTC.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="csv|jsonl", help="Default: by looking.")
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", help="Of a CSV file, for example latin-1.")
    ] = "utf-8",
    separator: Annotated[
        str | None, typer.Option("--separator", help="Of CSV fields. Default: by looking.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="ce_source. Default: from FILE's name.")
    ] = None,
    type: Annotated[str | None, typer.Option("--type", help="ce_type. Default: streamlab.file.row")] = None,
    partitions: Annotated[int, typer.Option("--partitions", min=1, help="Of a topic that is made.")] = 6,
    url: Url = None,
    json: Json = False,
) -> None:
    """Play FILE into a topic: each row becomes one CloudEvent (binary mode), its value the row as JSON.

    CSV values stay strings as they are written; JSON Lines are sent as they are. A row has the same ce_id
    each time it is played. Without --resume FILE is played from its first row; with it, nothing that is in the
    topic is sent again. A row that cannot be played is counted, named and kept in the rejects file.
    """
    from ..lab.player import EVENT_TYPE, Player
    from ..lab.rejects import RejectsFile
    from ..lab.rows import Fields
    from ..lab.sources import open_source
    from ..lab.times import time_parser

    pace = _pace(speed, rate, max, time)
    if form not in (None, *_FORMS):
        raise usage_error(f"--format is csv or jsonl, not {form!r}.")
    fields = Fields(key, time, tuple(number or ()), time_parser(time_format) if time else None)
    separator = separator.replace("\\t", "\t") if separator else None
    if separator is not None and len(separator) != 1:
        raise usage_error("--separator is one character.")
    with open_source(file, form, encoding, separator) as opened, broker_at(url, may_start=True) as broker:
        opened.check(fields)
        _ensure_topic(broker, topic, partitions)
        kept = RejectsFile(rejects or Path(f"{file.name}.{topic}.rejects"))
        with _display(opened) as display:
            player = Player(
                broker, opened, topic, fields,
                pace=pace, rejects=kept, uri=source, event_type=type or EVENT_TYPE, watch=display.show,
            )  # fmt: skip
            previous = _previous(player, resume)
            if previous and previous.finished and previous.fingerprint.size == opened.size:
                note(f"{file} has been played to its end already; without --resume it is played again.")
                return
            _stop_by_signal(player)
            progress = player.play(previous)
    if json:
        print_json(_as_json(progress))
    _conclude(progress, kept, key, time)


def _as_json(progress: Progress) -> dict[str, Any]:
    counts = progress.settled
    return {
        "rows": counts.rows,
        "acknowledged": counts.acknowledged,
        "rejected": counts.rejected,
        "without_key": counts.without_key,
        "sent": progress.sent,
        "seconds": round(progress.seconds, 3),
        "finished": progress.finished,
        "next_line": None if progress.finished else progress.place.line,
    }


def _conclude(progress: Progress, rejects: Any, key: str | None, time: str | None) -> None:
    from ..lab.display import summary

    for line in summary(progress, rejects.path, key):
        note(line)
    if time is not None and 0 < progress.settled.rows == progress.settled.rejected:
        note(f"No row could be played: does {time!r} hold times? --time-format says how they are written.")
    if progress.damage:
        note(f"streamlab: {progress.damage}")
        raise typer.Exit(FAILED)
    if not progress.finished:
        note(f"Stopped before line {progress.place.line}. The same command with --resume goes on there.")
        raise typer.Exit(FAILED)


def _display(source: Source) -> Any:
    from ..lab.display import display_for

    return display_for(source.path.name)


def _previous(player: Player, resume: bool) -> Position | None:
    previous = player.previous()
    if resume:
        if previous is None:
            note("This file has not been played into this topic yet; it starts with the first row.")
        return previous
    if previous is not None and not previous.finished:
        note(f"The last play stopped before line {previous.place.line}; --resume would go on there.")
    return None


def _pace(speed: str | None, rate: float | None, flat_out: bool, time: str | None) -> Pace:
    from ..lab.pace import FlatOut, Rhythm, Steady

    if sum((speed is not None, rate is not None, flat_out)) > 1:
        raise usage_error("Choose one of --speed, --rate and --max.")
    if rate is not None:
        if not 0 < rate < float("inf"):
            raise usage_error("--rate is a number of rows a second above 0.")
        return Steady(rate)
    if speed is None:
        return FlatOut()
    if time is None:
        raise usage_error("--speed needs --time, the field that says when a row happened.")
    try:
        factor = float(speed.lower().removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise usage_error(f"--speed is how many times faster than it happened, like 3600x, not {speed!r}.")
    return Rhythm(factor)


def _ensure_topic(broker: Any, topic: str, partitions: int) -> None:
    from ..topics import Topics

    topics = Topics(broker.connection)
    if topics.get(topic) is None:
        topics.create(topic, partitions)
        note(f"Topic {topic} has been made with {partitions} partitions.")


def _stop_by_signal(player: Player) -> None:
    """The first signal ends the play in good order, the second one at once."""

    def stop(signum: int, frame: Any) -> None:
        player.stop()
        note("Stopping in good order; a second time stops at once.")
        signal.signal(signum, signal.SIG_DFL)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
