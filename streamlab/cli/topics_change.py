"""`streamlab topics configure | add-partitions | delete-records`: what an operator does to a topic that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from . import complete
from .options import Json, TopicName, Url, broker_at, usage_error
from .output import note, print_columns, print_json, safe
from .reset_arguments import duration_ms, moment_ms
from .undisturbed import Force, require_undisturbed

if TYPE_CHECKING:
    from ..broker import Broker
    from ..metrics.snapshot import Snapshot
    from ..model import PartitionOffsets, TopicPartition

CONFIGURE_EXAMPLES = """\b
Examples:
  streamlab topics configure orders retention.ms=86400000 cleanup.policy=compact,delete
  streamlab topics configure orders --unset retention.ms
"""
GROW_EXAMPLES = """\b
Examples:
  streamlab topics add-partitions orders 12             (shows how many keys would move)
  streamlab topics add-partitions orders 12 --execute
"""
PURGE_EXAMPLES = """\b
Examples:
  streamlab topics delete-records orders --all                            (shows what would go)
  streamlab topics delete-records orders --older-than P7D --execute
  streamlab topics delete-records orders --before 1000 --partition 3 --execute
"""

Execute = Annotated[bool, typer.Option("--execute", help="Do it. Without it nothing is changed.")]


def configure(
    topic: TopicName,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", autocompletion=complete.settings)
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset",
            metavar="NAME",
            autocompletion=complete.names,
            help="Back to the default. As often as needed.",
        ),
    ] = None,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Change a topic's settings, and show what was before. Running clients follow within seconds."""
    wanted = dict(pair(text, "configure") for text in settings or [])
    if not wanted and not unset:
        raise usage_error("Say what to change: NAME=VALUE, or --unset NAME.")
    with broker_at(url) as broker:
        require_undisturbed(broker, force, f"topic {topic}")
        admin = broker.admin()
        before = {c["name"]: c for c in admin.describe_topic_configs(topic)}
        admin.configure_topic(topic, wanted, unset or ())
        after = {c["name"]: c for c in admin.describe_topic_configs(topic)}
    changed = [name for name in after if _in_force(before[name]) != _in_force(after[name])]
    if json:
        for name in changed:
            print_json({"topic": topic, "name": name, "before": before[name], "after": after[name]})
    elif changed:
        rows = [(n, str(before[n]["value"]), str(after[n]["value"]), after[n]["source"]) for n in changed]
        print_columns(("SETTING", "BEFORE", "NOW", "FROM"), rows)
    if not changed:
        note("Nothing was changed: it was so before.")


def _in_force(config: Mapping[str, Any]) -> tuple[Any, str]:
    return config["value"], config["source"]


def add_partitions(
    topic: TopicName,
    total: Annotated[int, typer.Argument(metavar="TOTAL", min=1, help="Partitions it shall have then.")],
    execute: Execute = False,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Grow a topic to TOTAL partitions. Shows which share of the recent keys would move, unless told to --execute."""
    with broker_at(url) as broker:
        admin = broker.admin()
        growth = admin.preview_partitions(topic, total)
        if execute:
            require_undisturbed(broker, force, f"topic {topic}")
            admin.create_partitions({topic: total})
    if json:
        print_json(growth._asdict() | {"warning": growth.warning, "executed": execute})
    else:
        print_columns(
            ("TOPIC", "PARTITIONS", "NEW", "KEYS-SEEN", "KEYS-MOVING", "RECORDS-SEEN", "OF-MOVING-KEYS"),
            [
                (
                    topic,
                    growth.before,
                    growth.after,
                    growth.keys,
                    growth.moving_keys,
                    growth.records,
                    growth.moving_records,
                )
            ],
        )
    note(growth.warning)
    note(f"{topic} has {total} partitions now." if execute else "Nothing was changed; --execute does it.")


class _Cut(NamedTuple):
    """What deleting would do to one partition."""

    partition: TopicPartition
    edges: PartitionOffsets
    start: int  # log start after it

    @property
    def deleted(self) -> int:
        return self.start - self.edges.log_start


def delete_records(
    topic: TopicName,
    all: Annotated[bool, typer.Option("--all", help="Everything that is there now.")] = False,
    before: Annotated[
        int | None, typer.Option("--before", metavar="OFFSET", min=0, help="What lies before this offset.")
    ] = None,
    before_time: Annotated[
        str | None,
        typer.Option("--before-time", metavar="TIME", help="What was appended before then (ISO 8601, UTC)."),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="DURATION", help="What is older, like P7D or PT90M."),
    ] = None,
    partition: Annotated[
        list[int] | None,
        typer.Option("--partition", min=0, help="Only there. As often as needed. Default: all."),
    ] = None,
    execute: Execute = False,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Delete the oldest records of a topic for ever. Shows how many, and whose, unless told to --execute."""
    from . import snapshots

    if sum((all, before is not None, before_time is not None, older_than is not None)) != 1:
        raise usage_error("Say what to delete: one of --all, --before, --before-time and --older-than.")
    since_ms = moment_ms(before_time, "--before-time") if before_time is not None else None
    age_ms = duration_ms(older_than, "--older-than") if older_than is not None else None
    with broker_at(url) as broker:
        if age_ms is not None:
            since_ms = broker.connection.server_time_ms() - age_ms
        cuts = _cuts(broker, topic, partition, before, since_ms)
        unread = _unread(snapshots.take(broker), cuts)
        if execute:
            require_undisturbed(broker, force, f"topic {topic}")
            starts = broker.admin().delete_records({cut.partition: cut.start for cut in cuts if cut.deleted})
            cuts = [cut._replace(start=starts.get(cut.partition, cut.start)) for cut in cuts]
    _show(cuts, execute, json)
    for group, records in sorted(unread.items()):
        note(f"Group {safe(group)} {'had' if execute else 'has'} not read {records} of them.")
    gone = sum(cut.deleted for cut in cuts)
    note(f"{gone} records were deleted." if execute else f"{gone} records would go; --execute deletes them.")


def _cuts(
    broker: Broker, topic: str, numbers: list[int] | None, before: int | None, since_ms: int | None
) -> list[_Cut]:
    from ..model import TopicPartition

    edges = broker.admin().list_partition_offsets(topic)
    if numbers:
        edges = broker.admin().partition_offsets([TopicPartition(topic, n) for n in sorted(set(numbers))])
    if since_ms is not None:
        found = broker.admin().offsets_for_times(dict.fromkeys(edges, since_ms))
        wanted = {p: at.offset if at else edges[p].log_end for p, at in found.items()}
    else:
        wanted = {p: e.log_end if before is None else before for p, e in edges.items()}
    return [_Cut(p, e, min(max(wanted[p], e.log_start), e.log_end)) for p, e in edges.items()]


def _unread(now: Snapshot, cuts: list[_Cut]) -> dict[str, int]:
    """Group → records that would go before it read them; where it never committed, it has read nothing."""
    starts = {cut.partition: cut for cut in cuts}
    found: dict[str, int] = {}
    for name, group in now.groups.items():
        for p in group.partitions:
            cut = starts.get((p.topic, p.partition))  # type: ignore[call-overload]
            if cut is not None:
                lost = cut.start - max(p.committed or 0, cut.edges.log_start)
                if lost > 0:
                    found[name] = found.get(name, 0) + lost
    return found


def _show(cuts: list[_Cut], executed: bool, json: bool) -> None:
    if json:
        for cut in cuts:
            print_json(
                {
                    "topic": cut.partition.topic,
                    "partition": cut.partition.partition,
                    "log_start": cut.edges.log_start,
                    "new_log_start": cut.start,
                    "log_end": cut.edges.log_end,
                    "records": cut.deleted,
                    "executed": executed,
                }
            )
        return
    print_columns(
        ("TOPIC", "PARTITION", "LOG-START-OFFSET", "NEW-LOG-START", "LOG-END-OFFSET", "RECORDS"),
        [(*cut.partition, cut.edges.log_start, cut.start, cut.edges.log_end, cut.deleted) for cut in cuts],
    )


def pair(text: str, where: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise usage_error(f"{where} takes NAME=VALUE, not {text!r}.")
    return name, value
