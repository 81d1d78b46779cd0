"""Running producers, consumers and workers, in what they measure of themselves."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from dashboard.broker import broker
from dashboard.pages.moments import Gone
from streamlab.metrics.telemetry import ClientTelemetry, read_all

from .door import reads
from .paging import Page, Paging, page_of

router = Router(tags=["Clients"])


class Client(Schema):
    instance: str = Field(description="Tells it from others with the same client_id.")
    client_id: str
    kind: str = Field(description="producer, consumer or worker")
    group: str | None
    member_id: str | None
    host: str
    pid: int
    started_ms: int
    as_of_ms: int = Field(description="When it was heard of last.")
    away: bool = Field(description="Nothing was heard of it for some seconds.")
    settings_version: int = Field(description="Of the configuration that it has applied; -1: none yet.")


class ClientInFull(Client):
    metrics: dict[str, dict[str, float | None]] = Field(
        description="Under Kafka's names; null: not known yet."
    )
    settings: dict[str, Any]
    sources: dict[str, str] = Field(
        description="Setting -> entity that it is from; others are its program's."
    )
    refused: dict[str, str] = Field(description="Setting -> why the stored value was not taken.")


class ClientQuery(Paging):
    q: str = Field("", max_length=300, description="In client id, group, kind or host.")


def _fields(client: ClientTelemetry, now_ms: int) -> dict[str, Any]:
    shown = {name: getattr(client, name, None) for name in Client.model_fields}
    return {**shown, "away": client.away(now_ms), "settings_version": client.version}


@router.get("/clients", auth=reads, response=Page[Client], operation_id="list_clients")
def clients(request: HttpRequest, query: Query[ClientQuery]) -> object:
    """Every client of the last minute."""
    connection = broker().connection
    now_ms, wanted = connection.server_time_ms(), query.q.lower()
    found = [
        client
        for _, client in sorted(read_all(connection).items())
        if wanted in f"{client.client_id} {client.group} {client.kind} {client.host}".lower()
    ]
    return page_of(found, query, lambda client: _fields(client, now_ms))


@router.get("/clients/{path:instance}", auth=reads, response=ClientInFull, operation_id="get_client")
def client(request: HttpRequest, instance: str) -> object:
    """One client with all its figures and settings."""
    connection = broker().connection
    found = read_all(connection).get(instance)
    if found is None:
        raise Gone(f"There is no client {instance} any more.")
    return {
        **_fields(found, connection.server_time_ms()),
        "metrics": found.metrics,
        "settings": found.values,
        "sources": found.sources,
        "refused": found.refused,
    }
