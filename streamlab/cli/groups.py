"""`streamlab groups`: list, describe; `reset-offsets` stands in reset.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import reset
from .options import Json, Url, broker_at, usage_error
from .output import duration, print_columns, print_json

if TYPE_CHECKING:
    from ..metrics.snapshot import GroupSnapshot

app = typer.Typer(help="List consumer groups; describe or reset one.", rich_markup_mode=None)

OFFSET_COLUMNS = (
    *("GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"),
    *("CONSUMER-ID", "HOST", "CLIENT-ID"),
)
"""Kafka's, in Kafka's order: scripts that read them read ours."""


@app.callback(invoke_without_command=True)
def groups(context: typer.Context, url: Url = None, json: Json = False) -> None:
    """List consumer groups; describe or reset one."""
    if context.invoked_subcommand is None:
        list_groups(url, json)


@app.command("list")
def list_groups(url: Url = None, json: Json = False) -> None:
    """Every group with its state, members and lag."""
    found = _take(url)
    if json:
        for group in found:
            print_json(_summary(group))
        return
    print_columns(
        ("GROUP", "STATE", "MEMBERS", "LAG", "TIME-LAG"),
        [(g.group, g.state, len(g.members), g.lag, duration(g.time_lag_ms)) for g in found],
    )


@app.command()
def describe(
    group: Annotated[str, typer.Argument(metavar="GROUP")],
    members: Annotated[bool, typer.Option("--members", help="Its members instead of its offsets.")] = False,
    state: Annotated[bool, typer.Option("--state", help="Its state instead of its offsets.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """How far a group is on each partition, and who reads it."""
    from . import snapshots

    if members and state:
        raise usage_error("Choose one of --members and --state.")
    with broker_at(url) as broker:
        found = snapshots.group_of(snapshots.take(broker), group)
    if json:
        import msgspec

        print_json(msgspec.to_builtins(found))
    elif members:
        print_columns(
            ("GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS", "ASSIGNMENT"),
            [
                (group, m.member_id, m.host, m.client_id, len(m.owned), ",".join(m.owned) or None)
                for m in found.members
            ],
        )
    elif state:
        columns = ("GROUP", "STATE", "ASSIGNMENT-STRATEGY", "EPOCH", "#MEMBERS", "LAG", "TIME-LAG")
        row = (group, found.state, found.assignor, found.epoch, len(found.members), found.lag)
        print_columns(columns, [(*row, duration(found.time_lag_ms))])
    else:
        print_columns(OFFSET_COLUMNS, _offset_rows(found))


app.command("reset-offsets")(reset.reset_offsets)


def _take(url: str | None) -> list[GroupSnapshot]:
    from . import snapshots

    with broker_at(url) as broker:
        return [group for _, group in sorted(snapshots.take(broker).groups.items())]


def _summary(group: GroupSnapshot) -> dict[str, Any]:
    return {
        "group": group.group,
        "state": group.state,
        "members": len(group.members),
        "lag": group.lag,
        "time_lag_ms": group.time_lag_ms,
    }


def _offset_rows(group: GroupSnapshot) -> list[tuple[Any, ...]]:
    members = {member.member_id: member for member in group.members}
    rows = []
    for p in group.partitions:
        owner = members.get(p.owner or "")
        who = (owner.member_id, owner.host, owner.client_id) if owner else (None, None, None)
        rows.append((group.group, p.topic, p.partition, p.committed, p.log_end, p.lag, *who))
    return rows
