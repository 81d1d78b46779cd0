"""`streamlab groups`: list, describe; resetting stands in reset.py, what else an operator does in group_control.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import group_control, reset
from .options import GroupName, Json, Url, broker_at, usage_error
from .output import duration, moment, print_columns, print_json

if TYPE_CHECKING:
    from ..broker import Broker
    from ..groups.rebalances import Rebalance
    from ..metrics.snapshot import GroupSnapshot

app = typer.Typer(
    help="List consumer groups; describe, rebalance, pause, reset or delete one.", rich_markup_mode=None
)

OFFSET_COLUMNS = (
    *("GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"),
    *("CONSUMER-ID", "HOST", "CLIENT-ID"),
)
"""Kafka's, in Kafka's order: scripts that read them read ours."""
MEMBER_COLUMNS = (
    "GROUP",
    "CONSUMER-ID",
    "GROUP-INSTANCE-ID",
    "HOST",
    "CLIENT-ID",
    "#PARTITIONS",
    "ASSIGNMENT",
)
"""As Kafka's, the third one only where a member is static."""
STATE_COLUMNS = (
    *("GROUP", "COORDINATOR", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"),
    *("EPOCH", "LAG", "TIME-LAG", "PAUSED"),
)
"""Kafka's five, then what else there is to know. The coordinator is the server that keeps the group."""
REBALANCE_COLUMNS = (
    *("EPOCH", "AT", "CAUSE", "OUTCOME", "TOOK"),
    *("MEMBERS", "MOVED", "LONGEST-STANDSTILL", "WHY"),
)


@app.callback(invoke_without_command=True)
def groups(context: typer.Context, url: Url = None, json: Json = False) -> None:
    """List consumer groups; describe, rebalance, pause, reset or delete one."""
    if context.invoked_subcommand is None:
        list_groups(None, url, json)


@app.command("list")
def list_groups(
    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="Only those in this state; may be repeated."),
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Every group with its state, members and lag."""
    wanted = _states(state or [])
    found = [group for group in _take(url) if not wanted or group.state.lower() in wanted]
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
    group: GroupName,
    members: Annotated[bool, typer.Option("--members", help="Its members instead of its offsets.")] = False,
    state: Annotated[bool, typer.Option("--state", help="Its state instead of its offsets.")] = False,
    rebalances: Annotated[
        bool, typer.Option("--rebalances", help="Its last rebalances instead of its offsets.")
    ] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """How far a group is on each partition, and who reads it."""
    from . import snapshots

    if members + state + rebalances > 1:
        raise usage_error("Choose one of --members, --state and --rebalances.")
    with broker_at(url) as broker:
        found = snapshots.group_of(snapshots.take(broker), group)
        if rebalances:
            _print_rebalances(broker.admin().list_rebalances(group), json)
        elif json:
            from ..metrics.snapshot import plain

            print_json(plain(found) | {"paused": _paused(broker, group)})
        elif members:
            _print_members(found)
        elif state:
            print_columns(STATE_COLUMNS, [_state_row(broker, found)])
        else:
            print_columns(OFFSET_COLUMNS, _offset_rows(found))


app.command("reset-offsets")(reset.reset_offsets)
app.command("rebalance")(group_control.rebalance)
app.command("pause")(group_control.pause)
app.command("resume")(group_control.resume)
app.command("remove-member")(group_control.remove_member)
app.command("delete")(group_control.delete)


def _take(url: str | None) -> list[GroupSnapshot]:
    from . import snapshots

    with broker_at(url) as broker:
        return [group for _, group in sorted(snapshots.take(broker).groups.items())]


def _states(asked: list[str]) -> set[str]:
    """Raises typer.BadParameter."""
    from ..groups.words import GroupState

    known = {str(state).lower() for state in GroupState}
    wanted = {part.strip().lower() for text in asked for part in text.split(",")}
    if wanted - known:
        raise usage_error(f"--state takes {', '.join(GroupState)}, not {', '.join(sorted(wanted - known))}.")
    return wanted


def _summary(group: GroupSnapshot) -> dict[str, Any]:
    return {
        "group": group.group,
        "state": group.state,
        "members": len(group.members),
        "lag": group.lag,
        "time_lag_ms": group.time_lag_ms,
    }


def _print_members(group: GroupSnapshot) -> None:
    shown = [
        c for c in MEMBER_COLUMNS if c != "GROUP-INSTANCE-ID" or any(m.instance_id for m in group.members)
    ]
    rows = []
    for m in group.members:
        who = (group.group, m.member_id, m.instance_id, m.host, m.client_id)
        cells = dict(zip(MEMBER_COLUMNS, (*who, len(m.owned), ",".join(m.owned) or None), strict=True))
        rows.append([cells[column] for column in shown])
    print_columns(shown, rows)


def _state_row(broker: Broker, group: GroupSnapshot) -> tuple[Any, ...]:
    paused = _paused(broker, group.group)
    who = f"by {paused['by']}{': ' if paused['reason'] else ''}{paused['reason']}" if paused else "no"
    return (
        *(group.group, _server_of(broker, group.group), group.assignor or None, group.state),
        *(len(group.members), group.epoch, group.lag, duration(group.time_lag_ms), who),
    )


def _server_of(broker: Broker, group: str) -> str:
    """Where the group's keys are; a user and password of the URL are not repeated."""
    from urllib.parse import urlsplit

    from .. import keys

    node = broker.connection.node_of(keys.group_meta(group))
    if node is not None:
        return f"{node.host}:{node.port}"
    parts = urlsplit(broker.connection.url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


def _paused(broker: Broker, group: str) -> dict[str, Any] | None:
    import msgspec

    from ..groups import describe

    paused = describe.describe(broker.connection, group).paused
    found: dict[str, Any] | None = msgspec.to_builtins(paused)
    if found is not None:
        del found["token"]  # whoever has it may end the pause
    return found


def _print_rebalances(found: list[Rebalance], json: bool) -> None:
    if json:
        import msgspec

        for rebalance in found:
            print_json(msgspec.to_builtins(rebalance))
        return
    rows = [
        (
            *(r.epoch, moment(r.at_ms), r.cause, r.outcome, duration(r.took_ms)),
            f"{len(r.members_before)} → {len(r.members_after)}",
            *(len(r.moved), duration(r.longest_standstill_ms), r.words),
        )
        for r in found
    ]
    print_columns(REBALANCE_COLUMNS, rows)


def _offset_rows(group: GroupSnapshot) -> list[tuple[Any, ...]]:
    members = {member.member_id: member for member in group.members}
    rows = []
    for p in group.partitions:
        owner = members.get(p.owner or "")
        who = (owner.member_id, owner.host, owner.client_id) if owner else (None, None, None)
        rows.append((group.group, p.topic, p.partition, p.committed, p.log_end, p.lag, *who))
    return rows
