"""What a member of a group handles, from what the group did and what its members say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..metrics.names import WORKING
from ..metrics.of_consumer import FETCHING, POLLING
from ..metrics.telemetry import ClientTelemetry

BUSY_SHARE = 0.7


class Each(NamedTuple):
    """Records a second that one member handles when it has as many as it wants."""

    rate: float | None  # None: it cannot be told
    because: str  # a sentence


def each_handles(out_rate: float, members: int, clients: Iterable[ClientTelemetry], grows: bool) -> Each:
    """`out_rate` is the group's; `grows`: its lag does, so that its members have as much as they want."""
    known = list(clients)
    if members and grows and out_rate > 0:
        return Each(
            out_rate / members, "What a member handled in the last half minute, while records waited."
        )
    found = [rate for client in known if (rate := _could(client)) is not None]
    if found:
        mean = sum(found) / len(found)
        workers = any(client.kind == "worker" for client in known)
        of = (
            "the middle time of its handler"
            if workers
            else "the share of its time that it does not wait for records"
        )
        return Each(mean, f"Worked out from {of}: it has time left, so what it could handle was not seen.")
    if members and out_rate > 0:
        return Each(
            out_rate / members,
            "What a member handled in the last half minute; it may be able to handle more.",
        )
    return Each(None, "The group handled nothing in the last half minute.")


def _could(client: ClientTelemetry) -> float | None:
    if client.kind == "worker":
        figures = client.metrics.get(WORKING, {})
        ms = figures.get("handler-latency-p50-ms")
        at_once = max(1.0, figures.get("records-in-flight") or 1.0)
        return at_once * 1000 / ms if ms else None
    idle = client.metrics.get(POLLING, {}).get("poll-idle-ratio-avg")
    rate = client.metrics.get(FETCHING, {}).get("records-consumed-rate")
    return rate / (1 - idle) if rate and idle is not None and idle < 0.999 else None
