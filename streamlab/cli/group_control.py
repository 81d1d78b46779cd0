"""`streamlab groups rebalance | pause | resume | delete`: what an operator does to a group."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import GroupName, Json, Url, broker_at, usage_error
from .output import note, print_columns, print_json
from .undisturbed import Force, require_undisturbed

if TYPE_CHECKING:
    from ..broker import Broker
    from ..groups.control import Preview


def rebalance(
    group: GroupName,
    assignor: Annotated[
        str | None,
        typer.Option("--assignor", metavar="NAME", help="Share out by this one, now and from now on."),
    ] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it (default).")] = False,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Share a group's partitions out anew. Shows what would move, unless told to --execute."""
    if execute and dry_run:
        raise usage_error("Choose one of --dry-run and --execute.")
    with broker_at(url) as broker:
        if execute:
            require_undisturbed(broker, force, f"group {group}")
        admin = broker.admin()
        preview = admin.preview_rebalance(group, assignor)
        epoch = admin.rebalance_group(preview, by=me()) if execute else None
    if json:
        print_json(_as_json(preview, epoch))
    else:
        rows = [(*move.partition, move.before, move.after) for move in preview.moves]
        print_columns(("TOPIC", "PARTITION", "FROM", "TO"), rows)
    _say(preview, epoch)


def pause(
    group: GroupName,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Shown to whoever looks.")] = "",
    for_s: Annotated[
        float | None,
        typer.Option("--for", metavar="SECONDS", min=0.001, help="Resume by itself then; else never."),
    ] = None,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Have a group's members finish, commit, and read nothing until `resume`."""
    with broker_at(url) as broker:
        require_undisturbed(broker, force, f"group {group}")
        broker.admin().pause_group(group, reason, round((for_s or 0) * 1000), by=me())
    if json:
        print_json({"group": group, "paused": True, "for_s": for_s})
    how_long = "until `resume`" if for_s is None else f"for {for_s:g} s"
    note(f"Group {group} is paused {how_long}. Its members give up their partitions at their next poll().")


def resume(group: GroupName, force: Force = False, url: Url = None, json: Json = False) -> None:
    """End a pause: the members go on where they committed."""
    with broker_at(url) as broker:
        require_undisturbed(broker, force, f"group {group}")
        was_paused = broker.admin().resume_group(group, by=me())
    if json:
        print_json({"group": group, "paused": False, "was_paused": was_paused})
    note(f"Group {group} reads on." if was_paused else f"Group {group} was not paused.")


def remove_member(
    group: GroupName,
    member: Annotated[str, typer.Argument(metavar="MEMBER", help="Its CONSUMER-ID or GROUP-INSTANCE-ID.")],
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Take a member out, such as a static one that will not come back. One that lives joins again."""
    with broker_at(url) as broker:
        require_undisturbed(broker, force, f"group {group}")
        removed = broker.admin().remove_group_member(group, member)
    if json:
        print_json({"group": group, "removed": removed})
    note(f"{removed} is out of group {group}.")


def delete(
    group: GroupName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Forget a group without members, everything that it committed, and what waits to be handled again."""
    from . import snapshots

    with broker_at(url) as broker:
        require_undisturbed(broker, force, f"group {group}")
        found = snapshots.group_of(snapshots.take(broker), group)
        committed = sum(p.committed is not None for p in found.partitions)
        retries = _waiting(broker, group)
        what = f"its commits on {committed} partitions"
        if retries:
            what += f" and {retries} records that wait to be handled again"
        if not yes:
            typer.confirm(f"Forget {group} with {what} for ever?", abort=True, err=True)
        broker.admin().delete_groups([group], by=me())
    if json:
        print_json({"group": group, "deleted": True, "commits": committed, "retries": retries})
    note(f"Group {group} has been deleted, with {what}.")


def _waiting(broker: Broker, group: str) -> int:
    """Records in the group's retry queues."""
    from ..delivery.retry_queue import RetryQueue
    from ..model import TopicPartition
    from ..topics import Topics

    topics = Topics(broker.connection).all().items()
    every = [TopicPartition(topic, n) for topic, spec in topics for n in range(spec.partitions)]
    return sum(counts.records for counts in RetryQueue(broker.connection).counts(group, every).values())


def me() -> str:
    """Who works here, for what is written down."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "an operator"


def _as_json(preview: Preview, epoch: int | None) -> dict[str, Any]:
    return {
        "group": preview.group_id,
        "epoch": preview.epoch if epoch is None else epoch,
        "executed": epoch is not None,
        "assignor": preview.target.assignor,
        "assignor_before": preview.assignor_before,
        "moves": [
            {"topic": p.topic, "partition": p.partition, "from": before, "to": after}
            for p, before, after in preview.moves
        ],
        "assignment": {member: list(map(str, share)) for member, share in preview.assignment.items()},
    }


def _say(preview: Preview, epoch: int | None) -> None:
    many = len(preview.moves)
    total = sum(map(len, preview.assignment.values()))
    counted = f"{many} of {total} partitions {{}}, shared out by {preview.target.assignor}"
    if epoch is None:
        note(f"Dry run: {counted.format('would move')}. --execute does it.")
    else:
        note(f"Epoch {epoch}: {counted.format('move')}.")
