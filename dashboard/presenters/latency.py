"""Where a record's time goes on its way through a group: its producer, the log, the handler, the commit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from streamlab.metrics.names import WORKING
from streamlab.metrics.of_consumer import FETCHING, MEMBERSHIP
from streamlab.metrics.of_producer import GROUP as SENDING
from streamlab.metrics.of_producer import TOPIC_GROUP
from streamlab.metrics.telemetry import ClientTelemetry

from .figures import Figure, duration, unknown
from .words import plural

NO_PERCENTILE = "What is left of a mean has no percentile"


@dataclass(frozen=True)
class StepRow:
    name: str
    says: str  # what is measured, and by whom
    mean: Figure  # ms
    p99: Figure  # of the client where it is the largest
    share: float = 0.0  # of the way, 0..1


@dataclass(frozen=True)
class Latency:
    steps: Sequence[StepRow]
    delivery: StepRow  # the first three together, as the members measure it
    who: str  # "1 producer, 2 members"


def latency(
    clients: Iterable[ClientTelemetry], group: str, topics: Collection[str], now_ms: int
) -> Latency | None:
    """Of what runs now; None when no member tells anything."""
    alive = [client for client in clients if not client.away(now_ms)]
    members = [client for client in alive if client.group == group and client.metrics]
    if not members:
        return None
    wanted = {f"{TOPIC_GROUP}.{topic}" for topic in topics}
    producers = [client for client in alive if wanted & client.metrics.keys()]
    queued = _step("In the producer", "waits for its batch to fill", producers, SENDING, "record-queue-time")
    sent = _step(
        "On its way to the log", "a round trip of its producer", producers, SENDING, "request-latency"
    )
    delivery = _step(
        "From its timestamp to poll()", "as the members see it", members, FETCHING, "end-to-end-latency"
    )
    handled = StepRow(
        "In the handler",
        "the median of a worker; plain consumers do not tell",
        duration(_mean(members, WORKING, "handler-latency-p50-ms"), "Only workers measure it"),
        duration(_largest(members, WORKING, "handler-latency-p99-ms"), "Only workers measure it"),
    )
    committed = _step("Its commit", "a round trip of its reader", members, MEMBERSHIP, "commit-latency")
    steps = [queued, sent, _in_the_log(delivery, queued, sent), handled, committed]
    whole = sum(step.mean.value or 0 for step in steps)
    return Latency(
        [replace(step, share=(step.mean.value or 0) / whole if whole else 0.0) for step in steps],
        delivery,
        f"{plural(len(producers), 'producer')}, {plural(len(members), 'member')}",
    )


def _in_the_log(delivery: StepRow, queued: StepRow, sent: StepRow) -> StepRow:
    """What is left of the delivery when the producer's part is taken off."""
    left = (
        None
        if delivery.mean.value is None
        else max(0.0, delivery.mean.value - (queued.mean.value or 0) - (sent.mean.value or 0))
    )
    return StepRow(
        "In the log, until it is polled",
        "what is left of the time from its timestamp to poll()",
        duration(left, "No member has read anything lately"),
        unknown(NO_PERCENTILE),
    )


def _step(name: str, says: str, clients: Sequence[ClientTelemetry], group: str, metric: str) -> StepRow:
    nothing = "Nobody has measured it lately"
    return StepRow(
        name,
        says,
        duration(_mean(clients, group, f"{metric}-avg"), nothing),
        duration(_largest(clients, group, f"{metric}-p99"), nothing),
    )


def _mean(clients: Sequence[ClientTelemetry], group: str, metric: str) -> float | None:
    return _joined(clients, group, metric, lambda known: sum(known) / len(known))


def _largest(clients: Sequence[ClientTelemetry], group: str, metric: str) -> float | None:
    return _joined(clients, group, metric, max)


def _joined(
    clients: Sequence[ClientTelemetry], group: str, metric: str, join: Callable[[list[float]], float]
) -> float | None:
    told = (client.metrics.get(group, {}).get(metric) for client in clients)
    known = [value for value in told if value is not None]
    return join(known) if known else None
