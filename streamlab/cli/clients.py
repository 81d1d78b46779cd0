"""`streamlab clients`: the producers, consumers and workers that run now, by what they say themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import FAILED
from .options import Json, Url, broker_at
from .output import duration, moment, note, print_columns, print_json, safe

if TYPE_CHECKING:
    from ..metrics.telemetry import ClientTelemetry

app = typer.Typer(
    help="List running producers and consumers; describe their settings and figures.", rich_markup_mode=None
)


@app.callback(invoke_without_command=True)
def clients(context: typer.Context, url: Url = None, json: Json = False) -> None:
    """List running producers and consumers; describe their settings and figures."""
    if context.invoked_subcommand is None:
        list_clients(url, json)


@app.command("list")
def list_clients(url: Url = None, json: Json = False) -> None:
    """Every client that runs, or was heard of in the last minute."""
    from ..metrics.telemetry import read_states

    with broker_at(url) as broker:
        found = read_states(broker.connection)
        now_ms = broker.connection.server_time_ms()
    states = sorted(found.values(), key=lambda state: (state.client_id, state.started_ms, state.instance))
    if json:
        import msgspec

        for state in states:
            print_json(msgspec.to_builtins(state) | {"away": state.away(now_ms)})
        return
    rows = [
        (
            state.client_id,
            state.kind,
            state.group,
            state.host,
            str(state.pid),
            duration(now_ms - state.started_ms),
            str(state.version) if state.version >= 0 else None,
            "away"
            if state.away(now_ms)
            else f"refuses {', '.join(state.refused)}"
            if state.refused
            else "runs",
        )
        for state in states
    ]
    print_columns(("CLIENT-ID", "KIND", "GROUP", "HOST", "PID", "SINCE", "CONFIG", "STATE"), rows)


@app.command()
def describe(
    client: Annotated[str, typer.Argument(metavar="CLIENT-ID")], url: Url = None, json: Json = False
) -> None:
    """Settings in force, whose they are, and the figures of the last half minute."""
    from ..metrics.telemetry import read_all

    with broker_at(url) as broker:
        found = read_all(broker.connection)
    chosen = [c for c in found.values() if client in (c.client_id, c.instance)]
    if not chosen:
        note(f"No client {safe(client)} runs. `streamlab clients` lists those that do.")
        raise typer.Exit(FAILED)
    for telemetry in sorted(chosen, key=lambda c: c.instance):
        if json:
            import msgspec

            print_json(msgspec.to_builtins(telemetry))
        else:
            _show(telemetry)


def _show(client: ClientTelemetry) -> None:
    from ..configs.settings import as_text

    where = f"{client.kind} on {safe(client.host)}, process {client.pid}"
    member = f"; member {safe(client.member_id)} of {safe(client.group)}" if client.member_id else ""
    print(f"{safe(client.instance)}: {where}, since {moment(client.started_ms)}{member}\n")
    settings: list[tuple[Any, ...]] = [
        (name, as_text(value), client.sources.get(name, "the program"), client.refused.get(name, ""))
        for name, value in sorted(client.values.items())
    ]
    print_columns(("SETTING", "VALUE", "FROM", "REFUSED"), settings)
    print()
    figures = [
        (group, name, value)
        for group, named in client.metrics.items()
        for name, value in sorted(named.items())
    ]
    print_columns(("GROUP", "METRIC", "VALUE"), figures)
    print()
