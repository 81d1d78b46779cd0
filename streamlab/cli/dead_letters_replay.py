"""`streamlab dead-letters replay`, `jobs`, `resume`, `pause`, `cancel`."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import FAILED, INTERRUPTED, complete
from .dead_letters import DryRun, Execute, check_execute, who
from .letter_options import Group, Name, filtered, letters_of, some
from .options import Json, Url, broker_at, usage_error
from .output import note, print_columns, print_json, safe
from .replay_text import counted, job_json, over, show_job, show_plan
from .undisturbed import Force, require_undisturbed

if TYPE_CHECKING:
    from ..delivery.replay import Replays
    from ..delivery.replay_jobs import ReplayJob
    from ..delivery.replay_spec import Edit

JobId = Annotated[
    str,
    typer.Argument(metavar="ID", autocompletion=complete.replays, help="As `jobs` shows it."),
]
_LINE_EVERY_S = 5.0


@filtered
def replay(
    name: Name,
    group: Group = None,
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="group|source|TOPIC", help="The group that failed, its topic, or another topic."
        ),
    ] = "group",
    rate: Annotated[
        float | None, typer.Option("--rate", metavar="N", help="Letters a second; else as fast as it goes.")
    ] = None,
    edit: Annotated[
        Path | None,
        typer.Option("--edit", metavar="FILE", help="The file's bytes are the new value of each."),
    ] = None,
    merge: Annotated[
        str | None,
        typer.Option("--merge", metavar="JSON", help="Merge into each value (RFC 7396); null removes."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="HEADER=TEXT", help="Set a header; may be repeated.")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="HEADER", help="Remove a header; may be repeated.")
    ] = None,
    new_key: Annotated[
        str | None, typer.Option("--set-key", metavar="TEXT", help="The new key of each.")
    ] = None,
    guard: Annotated[
        float,
        typer.Option(
            "--guard", metavar="PERCENT", help="Stop when more of those settled failed again; 100: never."
        ),
    ] = 20.0,
    sample: Annotated[
        int, typer.Option("--guard-sample", metavar="N", help="But not before so many are settled.")
    ] = 20,
    execute: Execute = False,
    dry_run: DryRun = False,
    detach: Annotated[bool, typer.Option("--detach", help="Only store the job; `resume` runs it.")] = False,
    force: Force = False,
    url: Url = None,
    json: Json = False,
    wanted: Any = None,
) -> None:
    """Let dead letters be handled again. Shows exactly what would go where, unless told to --execute.

    Ctrl-C pauses; `resume` goes on, also after a crash. Each letter is replayed once.
    """
    check_execute(execute, dry_run)
    changes = _edit(edit, merge, set_, unset, new_key)
    with broker_at(url) as broker:
        from ..delivery.replay import Replays

        letters = letters_of(broker, name, group)
        filter = wanted.filter(letters.dlq, broker.connection.server_time_ms())
        replays = Replays(broker.connection)
        plan = replays.plan(
            letters, filter, to=to, edit=changes, rate=rate, guard_percent=guard, guard_sample=sample
        )
        if not execute:
            show_plan(plan, json)
            return
        if not plan.letters:
            show_plan(plan, json)
            note("There is nothing to replay.")
            return
        goes_to = plan.spec.goes_to
        require_undisturbed(
            broker, force, f"letters {letters.dlq}", *([f"topic {goes_to}"] if goes_to else [])
        )
        job = replays.draft(plan, who())
        if detach:
            show_job(job, json)
            note(f"Stored. streamlab dead-letters resume {job.id} runs it.")
            return
        _run(replays, job, json)


def jobs(
    name: Annotated[str | None, typer.Argument(metavar="[DEAD-LETTER-TOPIC]")] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Replays of the last 30 days, newest first, and how far they came."""
    from ..delivery.replay_jobs import ReplayJobs

    with broker_at(url) as broker:
        found = ReplayJobs(broker.connection).all(name)
    if json:
        for job in found:
            print_json(job_json(job))
        return
    print_columns(
        (
            "ID",
            "STATE",
            "DEAD-LETTER-TOPIC",
            "TO",
            "SENT",
            "PLANNED",
            "RECOVERED",
            "FAILED-AGAIN",
            "BY",
            "WHY",
        ),
        [
            (
                job.id,
                f"{job.state}{'' if job.runner or str(job.state) != 'running' else ' (nobody runs it)'}",
                job.spec.dlq,
                job.spec.to_in_words,
                job.counts.sent,
                job.planned,
                job.counts.recovered,
                job.counts.failed_again,
                job.by,
                job.reason,
            )
            for job in found
        ],
    )


def resume(id: JobId, url: Url = None, json: Json = False) -> None:
    """Run a stored, paused, stopped or crashed replay to its end."""
    with broker_at(url) as broker:
        from ..delivery.replay import Replays

        replays = Replays(broker.connection)
        job = replays.jobs.get(id)
        if not job.resumable:
            note(over(job))
            raise typer.Exit(FAILED)
        _run(replays, job, json)


def pause(id: JobId, url: Url = None, json: Json = False) -> None:
    """Let whoever runs a replay stop after the chunk that it is at."""
    with broker_at(url) as broker:
        from ..delivery.replay import Replays

        show_job(Replays(broker.connection).pause(id), json)


def cancel(id: JobId, url: Url = None, json: Json = False) -> None:
    """End a replay for good. What was replayed stays replayed."""
    with broker_at(url) as broker:
        from ..delivery.replay import Replays

        show_job(Replays(broker.connection).cancel(id, who()), json)


def enter(app: typer.Typer) -> None:
    """Give `streamlab dead-letters` these commands."""
    for command in (replay, jobs, resume, pause, cancel):
        app.command()(command)


# -- what was asked -----------------------------------------------------------------------------------------------


def _edit(
    file: Path | None, merge: str | None, headers: list[str] | None, unset: list[str] | None, key: str | None
) -> Edit | None:
    """Raises typer.BadParameter."""
    if file is None and merge is None and not headers and not unset and key is None:
        return None
    from msgspec import UNSET

    from ..delivery.replay_spec import Edit
    from ..errors import IllegalArgumentError

    named: dict[str, bytes | None] = {}
    for text in headers or []:
        header, equals, value = text.partition("=")
        if not header or not equals:
            raise usage_error(f"--set takes HEADER=TEXT, not {text!r}.")
        named[header.removeprefix("header.")] = value.encode()
    try:
        return Edit(
            value=UNSET if file is None else file.read_bytes(),
            merge=None if merge is None else _object(merge),
            key=UNSET if key is None else key.encode(),
            set_headers=named,
            remove_headers=[header.removeprefix("header.") for header in unset or []],
        )
    except OSError as error:
        raise usage_error(f"--edit: {file} cannot be read: {error.strerror}.") from None
    except IllegalArgumentError as error:
        raise usage_error(str(error)) from error


def _object(text: str) -> dict[str, Any]:
    import msgspec

    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise usage_error(f"--merge takes a JSON object: {error}") from error


# -- running ------------------------------------------------------------------------------------------------------


def _run(replays: Replays, job: ReplayJob, json: bool) -> None:
    """Exits with FAILED unless the replay is done."""
    stop = threading.Event()
    with _signals(stop), _display(job) as show:
        ended = replays.run(job.id, show, stop)
    show_job(ended, json)
    state = str(ended.state)
    if state != "done":
        if ended.resumable:
            note(f"streamlab dead-letters resume {ended.id} goes on.")
        raise typer.Exit(INTERRUPTED if stop.is_set() else FAILED)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM pause."""
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _display(job: ReplayJob) -> Iterator[Any]:
    """A bar on a terminal, a line every few seconds anywhere else; both on stderr."""
    note(f"Replay {job.id}: {some(job.planned, 'letter')} to {safe(job.spec.to_in_words)}.")
    if not sys.stderr.isatty():
        yield _Lines().show
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[more]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=job.planned, more="")

        def show(seen: ReplayJob) -> None:
            counts = seen.counts
            more = f"recovered {counts.recovered:,}, failed again {counts.failed_again:,}"
            bar.update(task, completed=counts.sent, more=more)

        yield show


class _Lines:
    def __init__(self) -> None:
        self._next = time.monotonic() + _LINE_EVERY_S

    def show(self, seen: ReplayJob) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY_S
            note(counted(seen))
