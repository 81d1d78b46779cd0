"""`streamlab streams`: plain Redis Streams of other programs, looked at and left alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, Url, broker_at
from .output import as_json, duration, moment, note, print_columns, print_json, safe

if TYPE_CHECKING:
    from ..foreign_streams import Figure, NativeGroup, StreamSummary

app = typer.Typer(help="Find and describe plain Redis Streams of other programs.", rich_markup_mode=None)

Match = Annotated[
    str, typer.Option("--match", metavar="PATTERN", help="Keys to look at, as in SCAN: `shop:*`.")
]
Most = Annotated[int, typer.Option("--max", min=1, help="Stop after this many streams.")]


@app.callback(invoke_without_command=True)
def streams(
    context: typer.Context, match: Match = "*", max: Most = 1_000, url: Url = None, json: Json = False
) -> None:
    """Find and describe plain Redis Streams of other programs."""
    if context.invoked_subcommand is None:
        list_streams(match, max, url, json)


@app.command("list")
def list_streams(match: Match = "*", max: Most = 1_000, url: Url = None, json: Json = False) -> None:
    """Every stream that is not a partition of a topic."""
    from .. import foreign_streams

    with broker_at(url) as broker:
        found = foreign_streams.find(broker.connection, match, max)
        shown = foreign_streams.summaries(broker.connection, found.keys)
    if json:
        for summary in shown:
            print_json(_summary(summary))
    else:
        print_columns(
            ("STREAM", "ENTRIES", "FIRST-ID", "LAST-ID", "ENTRIES/S", "GROUPS"),
            [(safe(s.key), s.length, s.first_id, s.last_id, s.rate.value, s.groups) for s in shown],
        )
    if not found.complete:
        note(
            f"There may be more: the search ended after {len(found.keys)} streams. --match narrows it, --max widens it."
        )


@app.command()
def describe(
    key: Annotated[str, typer.Argument(metavar="KEY")],
    idle: Annotated[
        float, typer.Option("--idle", min=0, help="Seconds after which a consumer counts as idle.")
    ] = 60,
    url: Url = None,
    json: Json = False,
) -> None:
    """One stream with its consumer groups, their pending entries and their consumers."""
    from .. import foreign_streams

    with broker_at(url) as broker:
        found = foreign_streams.describe(broker.connection, os.fsencode(key))
    if json:
        print_json(_summary(found.summary) | {"groups": [_group(group, idle) for group in found.groups]})
        return
    summary = found.summary
    print(
        f"{safe(summary.key)}: {summary.length} entries, {summary.first_id or '-'} to {summary.last_id or '-'}"
    )
    print(f"Last entry: {moment(summary.last_entry_ms)}. Entries/s: {_in_words(summary.rate)}.")
    for group in found.groups:
        _show(group, idle)
    if not found.groups:
        print("No consumer group.")


def _show(group: NativeGroup, idle_s: float) -> None:
    print(f"\nGroup {safe(group.name)} at {group.last_delivered_id}. Lag: {_in_words(group.lag)}.")
    if group.pending:
        times = f"{group.oldest_deliveries} time{'' if group.oldest_deliveries == 1 else 's'}"
        ago = duration(group.oldest_pending_ms)
        print(f"{group.pending} pending; the oldest was delivered {times}, last {ago} ago.")
    if not group.consumers:
        print("No consumer.")
        return
    print_columns(
        ("CONSUMER", "PENDING", "IDLE-FOR", "STATE"),
        [
            (safe(c.name), c.pending, duration(c.idle_ms), "idle" if c.idle_ms >= idle_s * 1000 else "active")
            for c in group.consumers
        ],
    )


def _in_words(figure: Figure) -> str:
    if figure.value is None:
        return f"unknown, because {safe(figure.unknown_because)}"
    return f"{figure.value:.2f}" if isinstance(figure.value, float) else str(figure.value)


def _summary(summary: StreamSummary) -> dict[str, Any]:
    return as_json("stream", summary.key) | {
        "length": summary.length,
        "first_id": str(summary.first_id) if summary.first_id else None,
        "last_id": str(summary.last_id) if summary.last_id else None,
        "last_entry_ms": summary.last_entry_ms,
        "rate": summary.rate.value,
        "rate_unknown_because": summary.rate.unknown_because,
        "groups": summary.groups,
    }


def _group(group: NativeGroup, idle_s: float) -> dict[str, Any]:
    return as_json("group", group.name) | {
        "last_delivered_id": str(group.last_delivered_id),
        "lag": group.lag.value,
        "lag_unknown_because": group.lag.unknown_because,
        "pending": group.pending,
        "oldest_pending_ms": group.oldest_pending_ms,
        "oldest_deliveries": group.oldest_deliveries,
        "consumers": [
            as_json("consumer", c.name)
            | {"pending": c.pending, "idle_ms": c.idle_ms, "idle": c.idle_ms >= idle_s * 1000}
            for c in group.consumers
        ],
    }
