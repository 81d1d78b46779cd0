"""`streamlab groups reset-offsets`: show, and with --execute do, what moving a group would mean."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import typer

from . import FAILED
from .group_control import me
from .options import GroupName, Json, Url, broker_at, usage_error
from .output import duration, moment, note, print_columns, print_json
from .reset_arguments import Scope, duration_ms, format_offsets, moment_ms, parse_offsets, scope
from .undisturbed import Force, require_undisturbed

if TYPE_CHECKING:
    from ..broker import Broker
    from ..errors import StreamlabError
    from ..groups.describe import GroupDescription
    from ..groups.reset import PartitionPlan, Plan, Target
    from ..model import TopicPartition
    from ..topics import Topics

    Outcome = Mapping[TopicPartition, StreamlabError | None]

COLUMNS = (
    *("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET", "CURRENT-OFFSET", "AGAIN", "SKIPPED"),
    *("CURRENT-APPENDED", "NEW-APPENDED", "SPAN"),
)
"""Kafka's first four, then what the step means in records and time."""


def reset_offsets(
    context: typer.Context,
    group: GroupName,
    to_earliest: Annotated[bool, typer.Option("--to-earliest", help="To the log start.")] = False,
    to_latest: Annotated[bool, typer.Option("--to-latest", help="To the log end.")] = False,
    to_current: Annotated[
        bool, typer.Option("--to-current", help="To where it is; with --export a backup.")
    ] = False,
    to_offset: Annotated[int | None, typer.Option("--to-offset", metavar="N")] = None,
    to_datetime: Annotated[
        str | None,
        typer.Option("--to-datetime", metavar="TIME", help="The first record appended then or later."),
    ] = None,
    by_duration: Annotated[
        str | None, typer.Option("--by-duration", metavar="DURATION", help="So long ago, like PT1H30M.")
    ] = None,
    shift_by: Annotated[
        int | None, typer.Option("--shift-by", metavar="N", help="So many records on; -N: back.")
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from-file", metavar="CSV", help="topic,partition,offset lines; - is stdin."),
    ] = None,
    all_topics: Annotated[
        bool, typer.Option("--all-topics", help="Every partition that the group has committed.")
    ] = False,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", metavar="TOPIC[:0,1]", help="May be repeated.")
    ] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it (default).")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Of a running group: pause it, let it commit, reset, resume.")
    ] = False,
    export: Annotated[bool, typer.Option("--export", help="Print the new offsets as CSV.")] = False,
    undo_file: Annotated[
        Path | None,
        typer.Option("--undo-file", metavar="CSV", help="Where --execute keeps the offsets from before."),
    ] = None,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Move what a group has committed. Shows what would happen, unless told to --execute.

    AGAIN and SKIPPED count records; SPAN is the time between the first and the last of them.
    """
    if execute and dry_run:
        raise usage_error("Choose one of --dry-run and --execute.")
    if export and json:
        raise usage_error("Choose one of --export and --json.")
    if not group:
        raise usage_error("GROUP needs a name.")
    goal = Goal(
        to_earliest, to_latest, to_current, to_offset, to_datetime, by_duration, shift_by, from_file
    ).checked()
    scopes = [scope(text) for text in topic or []]
    if from_file is not None and (scopes or all_topics):
        raise usage_error("--from-file names the partitions itself: leave out --topic and --all-topics.")
    if from_file is None and bool(scopes) == all_topics:
        raise usage_error("Say which partitions: --topic TOPIC[:0,1], as often as needed, or --all-topics.")
    url = url or context.find_root().params.get("url")
    with broker_at(url) as broker:
        from ..groups import reset
        from ..groups.control import live_reset
        from ..groups.words import GroupState
        from ..log import PartitionLog
        from ..topics import Topics

        if execute:
            require_undisturbed(broker, force, f"group {group}")
        topics = Topics(broker.connection)
        log = PartitionLog(broker.connection, topics)

        def targets() -> Mapping[TopicPartition, Target]:
            return _targets(broker, topics, group, goal, scopes)

        outcome: Outcome | None = None
        if live and execute:
            note(f"Group {group} is being paused. Its members give up their partitions at their next poll().")
            keep = partial(_undo, path=undo_file, url=url)
            plan, outcome = live_reset(
                broker.connection, log, group, targets, by=me(), before=keep, strategy=goal.words
            )
            _warn(plan)
        else:
            state = GroupState.EMPTY if live else _stopped(broker, group).state
            plan = reset.plan(broker.connection, log, group, targets())
            if state is GroupState.DEAD and not plan.before:
                note(f"Nothing is known of a group {group!r} yet. --execute makes it.")
            _warn(plan)
            if execute:
                with _undo(plan, undo_file, url):
                    outcome = reset.execute(broker.connection, log, plan, by=me(), strategy=goal.words)
    _print(plan, outcome, export, json)
    _say(plan, outcome)


def _stopped(broker: Broker, group: str) -> GroupDescription:
    """Raises NonEmptyGroupError, which names the way that there is."""
    from ..errors import NonEmptyGroupError
    from ..groups import reset

    try:
        return reset.require_stopped(broker.connection, group)
    except NonEmptyGroupError as error:
        raise NonEmptyGroupError(f"{error} Or --live: they pause for it and read on from there.") from error


class Goal(NamedTuple):
    """The options of which exactly one says where to."""

    to_earliest: bool
    to_latest: bool
    to_current: bool
    to_offset: int | None
    to_datetime: str | None
    by_duration: str | None
    shift_by: int | None
    from_file: str | None

    def checked(self) -> Goal:
        """Raises typer.BadParameter."""
        if sum(value is not None and value is not False for value in self) != 1:
            names = ", ".join("--" + name.replace("_", "-") for name in self._fields)
            raise usage_error(f"Say where to, with one of {names}.")
        self.span_ms()
        return self

    @property
    def words(self) -> str:
        """
        >>> Goal(False, False, False, None, None, None, -100, None).words
        'shift-by -100'
        """
        name, value = next(
            (n, v) for n, v in zip(self._fields, self, strict=True) if v is not None and v is not False
        )
        return name.replace("_", "-") + ("" if value is True else f" {value}")

    def span_ms(self) -> tuple[int | None, int | None]:
        """The time asked for, and the duration. Raises typer.BadParameter."""
        time = moment_ms(self.to_datetime) if self.to_datetime is not None else None
        return time, duration_ms(self.by_duration) if self.by_duration is not None else None

    def target(self, now_ms: int) -> Target:
        """`now_ms` is the server's, as the append times are."""
        from ..groups.reset import ShiftBy, Stay
        from ..model import OffsetSpec, OffsetTimestamp

        time, ago = self.span_ms()
        if time is not None:
            return OffsetTimestamp(max(0, time))
        if ago is not None:
            return OffsetTimestamp(max(0, now_ms - ago))
        if self.shift_by is not None:
            return ShiftBy(self.shift_by)
        if self.to_offset is not None:
            return self.to_offset
        if self.to_current:
            return Stay.CURRENT
        return OffsetSpec.EARLIEST if self.to_earliest else OffsetSpec.LATEST


def _targets(
    broker: Broker, topics: Topics, group: str, goal: Goal, scopes: list[Scope]
) -> Mapping[TopicPartition, Target]:
    """Raises IllegalArgumentError, IllegalStateError, UnknownTopicOrPartitionError."""
    from ..errors import IllegalStateError
    from ..groups.reset import committed_partitions
    from ..model import TopicPartition

    if goal.from_file is not None:
        return _read(goal.from_file)
    if scopes:
        numbers = [
            (s.topic, s.partitions if s.partitions is not None else range(topics.require(s.topic).partitions))
            for s in scopes
        ]
        found = [TopicPartition(topic, number) for topic, listed in numbers for number in listed]
    else:
        every = [TopicPartition(t, n) for t, spec in topics.all().items() for n in range(spec.partitions)]
        found = committed_partitions(broker.connection, group, every)
    if not found:
        raise IllegalStateError(f"Group {group!r} has committed nothing. Name topics with --topic.")
    return dict.fromkeys(found, goal.target(broker.connection.server_time_ms()))


def _read(name: str) -> dict[TopicPartition, int]:
    """Raises IllegalArgumentError."""
    from ..errors import IllegalArgumentError

    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise IllegalArgumentError(f"The offsets cannot be read: {error}.") from error
    return parse_offsets(text.splitlines(), "stdin" if name == "-" else name)


def _warn(plan: Plan) -> None:
    for row in plan.partitions:
        if row.warning or row.error:
            note(f"{'warning' if row.warning else 'error'}: {row.partition}: {row.warning or row.error}.")


@contextmanager
def _undo(plan: Plan, path: Path | None, url: str | None) -> Iterator[None]:
    """Keeps the offsets from before in a file for as long as they may be needed, and says how to go back.

    Raises IllegalArgumentError when it cannot be written.
    """
    from ..errors import IllegalArgumentError, StreamlabError

    if not plan.before:
        yield
        return
    name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', plan.group_id)}.{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.undo.csv"
    path = (path or Path(name.lstrip("."))).absolute()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(format_offsets(plan.before))
    except OSError as error:
        raise IllegalArgumentError(
            f"Nothing was reset, because the offsets from before cannot be kept: {error}. Choose another --undo-file."
        ) from error
    try:
        yield
    except StreamlabError:  # nothing was changed
        path.unlink()
        raise
    note(f"Undo: {_undo_command(plan.group_id, path, url)}")
    fresh = [str(p.partition) for p in plan.partitions if p.current is None]
    if fresh:
        note(f"It does not bring back that nothing was committed on {', '.join(fresh)}.")


def _undo_command(group: str, path: Path, url: str | None) -> str:
    program = sys.argv[0]
    words = [sys.executable, "-m", "streamlab"] if Path(program).name == "__main__.py" else [program]
    words += ["groups", "reset-offsets", "--from-file", str(path), "--execute"]
    if url and urlsplit(url).password is None:  # a password is not repeated; $STREAMLAB_URL may hold it
        words += ["--url", url]
    return shlex.join([*words, *(["--"] if group.startswith("-") else []), group])


def _print(plan: Plan, outcome: Outcome | None, export: bool, json: bool) -> None:
    if export:
        sys.stdout.write(format_offsets(plan.new))
    elif json:
        for row in plan.partitions:
            print_json(_as_json(plan.group_id, row, outcome))
    else:
        print_columns(COLUMNS, [_cells(plan.group_id, row) for row in plan.partitions])


def _cells(group: str, row: PartitionPlan) -> tuple[Any, ...]:
    current = row.current.offset if row.current else None
    appended = (moment(row.current_append_ms), moment(row.new_append_ms))
    span = duration(row.span_ms)
    return (group, *row.partition, row.new, current, row.again, row.skipped, *appended, span)


def _as_json(group: str, row: PartitionPlan, outcome: Outcome | None) -> dict[str, Any]:
    failure = outcome[row.partition] if outcome else None
    return {
        "group": group,
        "topic": row.partition.topic,
        "partition": row.partition.partition,
        "current_offset": row.current.offset if row.current else None,
        "new_offset": row.new,
        "log_start": row.log_start,
        "log_end": row.log_end,
        "again": row.again,
        "skipped": row.skipped,
        "current_append_ms": row.current_append_ms,
        "new_append_ms": row.new_append_ms,
        "span_ms": row.span_ms,
        "warning": row.warning,
        "error": str(failure) if failure else row.error,
        "committed": outcome is not None and failure is None,
    }


def _say(plan: Plan, outcome: Outcome | None) -> None:
    """The sum in a sentence. Raises typer.Exit when not every partition was, or could be, reset."""
    again = sum(row.again or 0 for row in plan.partitions)
    skipped = sum(row.skipped or 0 for row in plan.partitions)
    unknown = sum(row.again is None for row in plan.partitions)
    counts = f"{again} records {{}} processed again, {skipped} {{}} skipped"
    if unknown:
        counts += f", not known for {unknown} partition{'s' if unknown != 1 else ''} without a commit"
    if outcome is None:
        note(f"Dry run: {counts.format('would be', 'would be')}. --execute does it.")
        if len(plan.new) < len(plan.partitions):
            raise typer.Exit(FAILED)
        return
    failed = {p: error for p, error in outcome.items() if error is not None}
    if failed:
        which = "; ".join(f"{p}: {error}" for p, error in failed.items())
        note(
            f"streamlab: {len(outcome) - len(failed)} of {len(outcome)} partitions were reset. Not reset: {which}"
        )
        raise typer.Exit(FAILED)
    note(f"Group {plan.group_id} was reset: {counts.format('will be', 'will be')}.")
