"""`streamlab dead-letters`: look at what groups gave up, and decide what becomes of it."""

from __future__ import annotations

import getpass
import json as json_module
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from .letter_options import Group, Name, Wanted, address, filtered, letters_of, some
from .options import Json, Url, broker_at, usage_error
from .output import moment, note, print_columns, print_json, safe

if TYPE_CHECKING:
    from ..delivery.letter_reader import Letter

app = typer.Typer(help="Records that groups gave up: look, replay, discard.", rich_markup_mode=None)

Execute = Annotated[bool, typer.Option("--execute", help="Do it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what it would be (default).")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Go on where the last call ended.")]
Most = Annotated[int, typer.Option("--scan", metavar="N", min=1, help="Look at so many letters at most.")]

COLUMNS = (
    "LETTER",
    "DIED",
    "STATE",
    "CAUSE",
    "ERROR",
    "MESSAGE",
    "KEY",
    "ATTEMPTS",
    "REPLAYS",
    "FINGERPRINT",
    "RECORD",
)


def who() -> str:
    """Whom history names: user and machine."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # no such user id on this machine, as in some containers
        return f"?@{socket.gethostname()}"


def check_execute(execute: bool, dry_run: bool) -> None:
    """Raises typer.BadParameter."""
    if execute and dry_run:
        raise usage_error("Choose one of --dry-run and --execute.")


@app.callback(invoke_without_command=True)
def dead_letters(context: typer.Context, url: Url = None, json: Json = False) -> None:
    """Which topics of dead letters there are, and how many letters they hold by state."""
    if context.invoked_subcommand is not None:
        return
    from ..delivery.dead_letters import DeadLetters, all_dead_letters

    with broker_at(url) as broker:
        counted = {
            name: (source, DeadLetters(broker.connection, source.topic, source.group, name).counts())
            for name, source in all_dead_letters(broker.connection).items()
        }
    rows = []
    for name, (source, counts) in counted.items():
        figures = (counts.dead, counts.replaying, counts.recovered, counts.failed_again, counts.discarded)
        if json:
            names = ("dead", "replaying", "recovered", "failed_again", "discarded")
            told = {"dead_letter_topic": name, "topic": source.topic, "group": source.group}
            print_json(told | dict(zip(names, figures, strict=True)))
        rows.append((name, source.topic, source.group, *figures))
    if not json:
        states = ("DEAD", "REPLAYING", "RECOVERED", "FAILED-AGAIN", "DISCARDED")
        print_columns(("DEAD-LETTER-TOPIC", "TOPIC", "GROUP", *states), rows)


@app.command("list")
@filtered
def list_letters(
    name: Name,
    group: Group = None,
    most: Annotated[int, typer.Option("--max", "-n", metavar="N", min=1, help="Show so many.")] = 20,
    cursor: Cursor = None,
    scan: Most = 5_000,
    url: Url = None,
    json: Json = False,
    wanted: Any = None,
) -> None:
    """The newest letters, a page at a time. Says how many it had to look at."""
    with broker_at(url) as broker:
        letters = letters_of(broker, name, group)
        filter = wanted.filter(letters.dlq, broker.connection.server_time_ms())
        page = letters.list(filter, most, cursor, scan)
    if json:
        from ..delivery.letter_json import letter_json

        for letter in page.letters:
            print_json(letter_json(letter, with_record=False))
    else:
        print_columns(COLUMNS, [_row(letter) for letter in page.letters])
    _say_how_far(page, len(page.letters), "letter")


def _row(letter: Letter) -> tuple[Any, ...]:
    dead = letter.letter
    return (
        f"{letter.address.partition}@{letter.address.offset}",
        moment(dead.died_ms),
        letter.status.state,
        dead.cause,
        dead.error_class.rpartition(".")[2] or None,
        _short(dead.error_message, 60),
        None if dead.key is None else _short(dead.key.decode("utf-8", "backslashreplace"), 24),
        len(dead.attempts),
        max(dead.replays, letter.status.replays),
        dead.fingerprint,
        _short(dead.record_id, 40),
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _say_how_far(page: Any, found: int, what: str) -> None:
    note(f"{some(found, what)}; scanned {page.scanned:,} of {page.total:,}.")
    if page.cursor is not None:
        note(f"More: --cursor {shlex.quote(page.cursor)}")


@app.command()
def show(
    name: Name,
    letter: Annotated[str, typer.Argument(metavar="PARTITION@OFFSET")],
    group: Group = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Everything about one letter: the record, every attempt, the traceback, what became of it."""
    from ..errors import StreamlabError

    with broker_at(url) as broker:
        letters = letters_of(broker, name, group)
        found = letters.get(address(letters.dlq, letter))
    if found is None:
        raise StreamlabError(f"There is no letter {letter} in {letters.dlq} (any more).")
    from ..delivery.letter_json import letter_json

    if json:
        print_json(letter_json(found))
    else:
        from .letter_text import letter_text

        sys.stdout.write("\n".join(letter_text(found)) + "\n")


@app.command()
@filtered
def groups(
    name: Name,
    group: Group = None,
    cursor: Cursor = None,
    scan: Most = 20_000,
    url: Url = None,
    json: Json = False,
    wanted: Any = None,
) -> None:
    """What the newest letters have in common: one line a fingerprint, with counts, first and last."""
    import msgspec

    with broker_at(url) as broker:
        letters = letters_of(broker, name, group)
        filter = wanted.filter(letters.dlq, broker.connection.server_time_ms())
        found = letters.groups(filter, cursor, scan)
    if json:
        for failure in found.groups:
            versions = [{"version": v, "letters": n} for v, n in failure.schema_versions.items()]
            told: dict[str, Any] = msgspec.to_builtins(
                msgspec.structs.replace(failure, schema_versions={}), str_keys=True
            )
            print_json(told | {"newest": str(failure.newest), "schema_versions": versions})
    else:
        print_columns(
            ("FINGERPRINT", "LETTERS", "DEAD", "FIRST", "LAST", "ERROR", "CALL-SITE", "MESSAGE"),
            [
                (
                    f.fingerprint,
                    f.count,
                    sum(count for state, count in f.states.items() if state == "dead"),
                    moment(f.first_ms),
                    moment(f.last_ms),
                    f.error_class or None,
                    f.call_site or None,
                    _short(f.message, 80),
                )
                for f in found.groups
            ],
        )
    _say_how_far(found, len(found.groups), "fingerprint")


@app.command()
@filtered
def export(
    name: Name,
    group: Group = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Instead of stdout.")
    ] = None,
    url: Url = None,
    wanted: Any = None,
) -> None:
    """JSON Lines, one letter a line, oldest first in each partition. Bytes that are no text are base64."""
    with broker_at(url) as broker:
        letters = letters_of(broker, name, group)
        filter = wanted.filter(letters.dlq, broker.connection.server_time_ms())
        if output is None:
            count = _export(letters.all(filter), sys.stdout)
        else:
            with output.open("w", encoding="ascii") as file:
                count = _export(letters.all(filter), file)
    note(f"{some(count, 'letter')} exported.")


def _export(letters: Any, file: TextIO) -> int:
    from ..delivery.letter_json import letter_json

    count = 0
    for letter in letters:
        file.write(json_module.dumps(letter_json(letter)) + "\n")
        count += 1
    return count


@app.command()
@filtered
def discard(
    name: Name,
    group: Group = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the letters.")] = "",
    execute: Execute = False,
    dry_run: DryRun = False,
    url: Url = None,
    json: Json = False,
    wanted: Any = None,
) -> None:
    """Give dead letters up for good. Nothing is deleted; `restore` takes it back."""
    check_execute(execute, dry_run)
    if not reason.strip():
        raise usage_error("--reason says why.")
    _decide(name, group, execute, url, json, wanted, "discarded", reason=reason)


@app.command()
@filtered
def restore(
    name: Name,
    group: Group = None,
    lost: Annotated[
        bool, typer.Option("--also-replaying", help="Those too whose replay is known to be lost.")
    ] = False,
    execute: Execute = False,
    dry_run: DryRun = False,
    url: Url = None,
    json: Json = False,
    wanted: Any = None,
) -> None:
    """Call discarded letters dead again, so that they can be replayed."""
    check_execute(execute, dry_run)
    _decide(name, group, execute, url, json, wanted, "restored", lost=lost)


def _decide(
    name: str,
    group: str | None,
    execute: bool,
    url: str | None,
    json: bool,
    wanted: Wanted,
    done: str,
    reason: str | None = None,
    lost: bool = False,
) -> None:
    with broker_at(url) as broker:
        letters = letters_of(broker, name, group)
        filter = wanted.filter(letters.dlq, broker.connection.server_time_ms())
        if reason is not None:
            count = letters.discard(filter, reason, who(), execute)
        else:
            count = letters.restore(filter, who(), execute, lost)
    if json:
        print_json({done: count, "executed": execute, "filter": filter.in_words()})
        return
    would = ("was" if count == 1 else "were") if execute else "would be"
    print(f"{some(count, 'letter')} {would} {done} ({safe(filter.in_words())}).")
    if not execute and count:
        note("This was a dry run; --execute does it.")
