"""Clients: every producer, consumer and worker that runs, measured by itself."""

from __future__ import annotations

from typing import Any

from dashboard.broker import broker
from dashboard.presenters import clients
from dashboard.presenters.words import SEVERITY, plural
from streamlab.errors import StreamlabError
from streamlab.metrics.telemetry import read_all

from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import Column, link, listing

COLUMNS = (
    Column("name", "Client", lambda r: r.client_id, numeric=False),
    Column("kind", "Kind", lambda r: r.kind, numeric=False),
    Column("group", "Group", lambda r: r.group or None, numeric=False),
    Column("status", "Status", lambda r: SEVERITY[r.status.tone], numeric=False),
    Column("rate", "Records", lambda r: r.rate.value, title="Sent or read, a second"),
    Column("bytes", "Bytes", lambda r: r.bytes.value, title="As they are stored, a second", secondary=True),
    Column("batch", "Batch or fetch", lambda r: r.batch.value, title="Mean size", secondary=True),
    Column("latency", "Latency p99", lambda r: r.latency.value, title="Of a request, or of a fetch"),
    Column("waits", "Queue or idle", lambda r: None, title="A producer's mean time in its queue; the share of its "
    "time that a consumer waits for records", secondary=True),
)  # fmt: skip


def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        found = read_all(broker().connection)
    except StreamlabError as error:
        return {"failed": str(error), "summary": "", "rows": []}
    rows = [clients.row(client, moment.read_at_ms) for client in found.values()]
    listed = listing(
        rows,
        address,
        COLUMNS,
        text=lambda r: f"{r.client_id} {r.group} {r.kind} {r.host}",
        default_sort="name",
    )
    return {
        "list": listed,
        "rows": listed.rows,
        "summary": plural(listed.total, "client"),
        "clear_href": link(address, q=None, page=None),
    }


PAGE = Page(
    name="clients",
    pattern="clients/",
    title=lambda address: "Clients",
    parts=("summary", "list"),
    context=context,
    measured=False,
    menu=MenuEntry("Clients", "", "c", "clients"),
)
