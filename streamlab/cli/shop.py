"""`streamlab shop`: the demo load, and how many consumers it has."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from . import FAILED
from .options import Json, Url, broker_at, usage_error
from .output import note, print_columns, print_json
from .undisturbed import Force, require_undisturbed

app = typer.Typer(help="Run a simulated shop as a demo load.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def shop(
    context: typer.Context,
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, max=5000, help="Events a second, the day's mean.")
    ] = 80.0,
    day: Annotated[
        float, typer.Option("--day", min=0.1, metavar="MINUTES", help="How long a day takes.")
    ] = 24.0,
    url: Url = None,
) -> None:
    """Run a simulated shop as a demo load: orders, payments, shipments, and three groups that read them."""
    if context.invoked_subcommand is None:
        _run(rate, day, url)


@app.command(context_settings={"ignore_unknown_options": True})  # -1 is a number, though a wrong one
def scale(
    department: Annotated[
        str, typer.Argument(metavar="GROUP", help="revenue, inventory, notifications or invoicing")
    ],
    consumers: Annotated[int, typer.Argument(metavar="N", min=0)],
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Say how many consumers a group of the shop should have; 0 stops it."""
    from ..lab.shop.manager import set_desired, status

    with broker_at(url) as broker:
        require_undisturbed(broker, force, f"group {department}")
        set_desired(broker.connection, department, consumers)
        runs = status(broker.connection) is not None
    if json:
        print_json({"group": department, "consumers": consumers, "shop_runs": runs})
    note(
        f"{department} shall have {consumers}."
        + ("" if runs else " No shop runs; it holds from its next start on.")
    )


@app.command("status")
def show_status(url: Url = None, json: Json = False) -> None:
    """Which processes of the shop run."""
    from ..lab.shop.manager import status

    with broker_at(url) as broker:
        found = status(broker.connection)
    if found is None:
        note("No shop runs; `streamlab shop` opens one.")
        raise typer.Exit(FAILED)
    if json:
        print_json(found)
        return
    print(f"It is {found['hour']} in the simulated shop, {found['events_per_s']:g} events/s on average.\n")
    rows = [(child["name"], child["pid"], child["restarts"]) for child in found["processes"]]
    print_columns(("PROCESS", "PID", "RESTARTS"), rows)


def _run(rate: float, day_minutes: float, url: str | None) -> None:
    import logging

    from ..lab.shop import manager

    if not 0 < day_minutes < float("inf"):
        raise usage_error("--day is a number of minutes above 0.")
    logging.basicConfig(level=logging.WARNING, format="shop: %(message)s")
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    with broker_at(url, may_start=True) as broker:
        note(
            f"The simulated shop is open: {rate:g} events/s on average, {day_minutes:g} min a day. Ctrl-C ends it."
        )
        manager.run(broker, rate, day_minutes * 60, stop)
    note("The simulated shop is closed.")
