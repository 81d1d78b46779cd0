"""One client: all that it measures, and the settings that it runs with."""

from __future__ import annotations

from typing import Any

from dashboard.broker import broker
from dashboard.presenters import clients, tries
from streamlab.errors import StreamlabError
from streamlab.metrics.names import NAMES
from streamlab.metrics.telemetry import ClientTelemetry, read_all

from .moments import Gone, Moment
from .page import Address, Page


def _client(address: Address) -> ClientTelemetry:
    found = read_all(broker().connection).get(address.args["instance"])
    if found is None:
        raise Gone(f"There is no client {address.args['instance']} any more.")
    return found


def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        client = _client(address)
    except StreamlabError as error:
        return {"failed": str(error)}
    return {
        "client": client,
        "row": clients.row(client, moment.read_at_ms),
        "since": clients.since(client, moment.read_at_ms),
        "measures": clients.measures(client, NAMES),
        "settings": clients.settings(client, tries.of_client(client)),
    }


PAGE = Page(
    name="client",
    pattern="clients/<path:instance>/",
    title=lambda address: address.args["instance"].rpartition("~")[0] or address.args["instance"],
    parts=("figures", "measures", "settings"),
    context=context,
    measured=False,
    under="clients",
)
