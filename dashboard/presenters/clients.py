"""Running producers, consumers and workers, in the figures that tell most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streamlab.metrics.names import Metric
from streamlab.metrics.of_producer import TOPIC_GROUP
from streamlab.metrics.telemetry import ClientTelemetry

from .figures import Figure, byte_rate, count, duration, moment, percent, rate, ratio, size, unknown
from .payload import visible
from .words import Status, Tone

_NOT_YET = "Nothing was measured yet"


@dataclass(frozen=True)
class ClientRow:
    """One client in a list."""

    instance: str
    client_id: str
    kind: str
    group: str
    host: str
    status: Status
    rate: Figure  # records sent or read a second
    bytes: Figure
    batch: Figure  # bytes of a batch, or of a fetch
    latency: Figure  # p99 of a request or of a fetch
    waits: Figure  # of a producer the time in its queue, of a consumer the share of time spent waiting for records
    settings: int  # given from outside


def row(client: ClientTelemetry, now_ms: int) -> ClientRow:
    sends = client.kind == "producer"
    return ClientRow(
        instance=client.instance,
        client_id=visible(client.client_id),
        kind=client.kind,
        group=client.group or "",
        host=visible(f"{client.host}, process {client.pid}"),
        status=status(client, now_ms),
        rate=rate(_metric(client, "record-send-rate" if sends else "records-consumed-rate"), reason=_NOT_YET),
        bytes=byte_rate(_metric(client, "byte-rate" if sends else "bytes-consumed-rate"), _NOT_YET),
        batch=size(_metric(client, "batch-size-avg" if sends else "fetch-size-avg"), _NOT_YET),
        latency=duration(_metric(client, "request-latency-p99" if sends else "fetch-latency-p99"), _NOT_YET),
        waits=duration(_metric(client, "record-queue-time-avg"), _NOT_YET)
        if sends
        else percent(_metric(client, "poll-idle-ratio-avg"), _NOT_YET),
        settings=len(client.sources),
    )


def sent(clients: Iterable[ClientTelemetry], now_ms: int) -> dict[str, dict[str, float | None]]:
    """Client id of each producer that runs -> topic -> records a second, without the broker's own topics."""
    found: dict[str, dict[str, float | None]] = {}
    for client in clients:
        if client.kind != "producer" or client.away(now_ms):
            continue
        for group, figures in client.metrics.items():
            name, _, topic = group.partition(".")
            if name != TOPIC_GROUP or not topic or topic.startswith("__"):
                continue
            to = found.setdefault(visible(client.client_id), {})
            per_s = figures.get("record-send-rate")
            known = [rate for rate in (to.get(topic), per_s) if rate is not None]
            to[topic] = sum(known) if known else None
    return found


def status(client: ClientTelemetry, now_ms: int) -> Status:
    if client.away(now_ms):
        return Status("away", Tone.WARN, "Nothing was heard of it for some seconds")
    if client.refused:
        names = ", ".join(f"{name}: {why}" for name, why in client.refused.items())
        return Status("refuses a setting", Tone.WARN, names)
    return Status("running", Tone.OK)


def _metric(client: ClientTelemetry, name: str) -> float | None:
    for figures in client.metrics.values():
        if name in figures:
            return figures[name]
    return None


@dataclass(frozen=True)
class Measure:
    name: str
    value: Figure
    says: str


def measures(
    client: ClientTelemetry, names: Mapping[str, Mapping[str, Metric]]
) -> list[tuple[str, list[Measure]]]:
    """Every figure of a client by its group, in the order of the table of names."""
    return [
        (
            group,
            [
                Measure(name, figure(figures[name], m.unit), m.meaning.replace("`", ""))
                for name, m in known.items()
                if name in figures
            ],
        )
        for group, known in names.items()
        if (figures := client.metrics.get(group))
    ]


def figure(value: float | None, unit: str) -> Figure:
    """
    >>> figure(1536, "bytes").plain, figure(0.25, "-").plain, figure(12.5, "ms").plain
    ('1.54 kB', '0.25 ×', '12 ms')
    """
    if value is None:
        return unknown(_NOT_YET)
    match unit:
        case "bytes":
            return size(value)
        case "bytes/s":
            return byte_rate(value)
        case "ms":
            return duration(value)
        case "s":
            return duration(value * 1000)
        case "-":
            return ratio(value)
    if unit.endswith("/s"):
        return rate(value, unit[:-2])
    return count(value, unit or "")


@dataclass(frozen=True)
class SettingRow:
    name: str
    value: str
    source: str  # entity that it is from; "" its program
    own: str  # what its program gave, where something else holds
    refused: str
    try_href: str  # the form of an experiment with it; "" where there is nothing worth a try


def settings(client: ClientTelemetry, tries: Mapping[str, str]) -> list[SettingRow]:
    """What it runs with; those given from outside first."""
    rows = [
        SettingRow(
            name,
            _text(value),
            client.sources.get(name, ""),
            _text(client.own[name]) if name in client.own else "",
            client.refused.get(name, ""),
            tries.get(name, ""),
        )
        for name, value in client.values.items()
    ]
    return sorted(rows, key=lambda row: (not row.source, row.name))


def _text(value: Any) -> str:
    return "none" if value is None else visible(str(value))


def since(client: ClientTelemetry, now_ms: int) -> Figure:
    return moment(client.started_ms, now_ms)
