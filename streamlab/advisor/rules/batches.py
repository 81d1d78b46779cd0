"""Tiny batches: as many requests, entries and headers as there are records."""

from __future__ import annotations

from collections.abc import Iterator

from .. import flows, words
from ..finding import Experiment, Finding, Lever, Number, Urgency
from ..limits import Limit
from ..world import Standing, World, mean, sent

NAME = "tiny-batches"
MANY = Limit(
    "batches", 500, 350, "batches/s", "of one client id: half as many cost the server a hundredth of a core"
)
FEW = Limit("records in a batch", 4, 8, "records", "mean of one client id")
LIMITS = (MANY, FEW)
LINGER_MS = 50
A_BATCH_US, A_RECORD_US = 26, 0.7
"""What the server spends on a batch in a pipeline, and on a record in a full one (docs/scaling.md)."""


def find(world: World, standing: Standing) -> Iterator[Finding]:
    by_id: dict[str, list[tuple[float, float]]] = {}  # batches/s, records/s of each instance
    for client in world.clients.values():
        size, byte_rate = sent(client, "batch-size-avg"), sent(client, "byte-rate")
        records = sent(client, "record-send-rate")
        if size and byte_rate and records:
            batches = min(byte_rate / size, records)  # their half minutes are not quite the same
            by_id.setdefault(client.client_id, []).append((batches, records))
    for client_id, each in by_id.items():
        batches, records = sum(b for b, _ in each), sum(r for _, r in each)
        stands = standing(NAME, f"client:{client_id}")
        if MANY.beyond(batches, stands) and FEW.beyond(records / batches, stands):
            yield _finding(world, client_id, batches, records)


def topic_of(world: World, records: float) -> str:
    """The topic that a producer of so many records a second fills, when there is just one such; else ""."""
    rates = {
        name: found[0] / found[1]
        for name, topic in world.snapshot.topics.items()
        if not topic.internal and (found := flows.appended(world.past[-3:], world.snapshot, name)) is not None
    }
    close = [name for name, rate in rates.items() if 0.85 * records <= rate <= 1.15 * records]
    return close[0] if len(close) == 1 else ""


def _finding(world: World, client_id: str, batches: float, records: float) -> Finding:
    clients = [c for c in world.clients.values() if c.client_id == client_id]
    linger = clients[0].values.get("linger_ms", 5)
    batch_size = clients[0].values.get("batch_size", 16_384)
    record_bytes = mean([sent(c, "record-size-avg") for c in clients]) or 0.0
    each, topic = records / batches, topic_of(world, records)
    partitions = len(world.snapshot.topics[topic].partitions) if topic else None
    small = batch_size < 4 * record_bytes
    group = next(iter(sorted(world.snapshot.topics[topic].groups)), "") if topic else ""
    return Finding(
        rule=NAME,
        subject=f"client:{client_id}",
        topic=topic,
        urgency=Urgency.HINT,
        weight=batches,
        title=f"{client_id} sends tiny batches",
        symptom=f"{words.rate(records)} go in {words.rate(batches, 'batches')}: {words.number(each)} in each.",
        cause=_cause(small, batch_size, linger, record_bytes),
        judged=f"{MANY.enter:g} batches a second or more with {FEW.enter:g} records or fewer in each; gone at "
        f"{MANY.leave:g} or fewer batches, or {FEW.leave:g} or more records.",
        numbers=(
            Number("batches", batches, "batches/s", MANY.enter),
            Number("records in a batch", each, "records", FEW.enter),
            Number("a record has", record_bytes, "bytes"),
            Number("linger_ms", linger, "ms"),
            Number("batch_size", batch_size, "bytes"),
            Number("fill of a batch", min(1.0, each * record_bytes / batch_size) if batch_size else None, "share"),
            Number("server's time for them", batches * A_BATCH_US / 1e6, "share"),
        ),
        not_causes=("Not the number of records: as many in full batches cost the server "
                    f"{words.percent(records * A_RECORD_US / 1e6)} of a core.",),
        levers=_levers(client_id, topic, group, small, linger, batch_size, records, partitions),
    )  # fmt: skip


def _cause(small: bool, batch_size: int, linger: float, record_bytes: float) -> str:
    if small:
        return (
            f"batch_size is {words.size(batch_size)} and a record has {words.size(record_bytes)}: no batch has room "
            "for more."
        )
    return f"A batch waits {linger:g} ms for more records, and few come for the same partition in that time."


def _levers(
    client_id: str,
    topic: str,
    group: str,
    small: bool,
    linger: float,
    batch_size: int,
    records: float,
    partitions: int | None,
) -> tuple[Lever, ...]:
    entity = f"client:{client_id}"
    wanted = max(LINGER_MS, 4 * linger)
    company = 1 + records / partitions * wanted / 1000 if partitions else None
    wait = Lever(
        f"Wait {wanted:g} ms for company",
        (f"About {words.number(company)} records in a batch" if company else "More records in a batch")
        + f" and as much fewer requests; a record waits up to {wanted:g} ms longer.",
        Experiment(entity, "linger_ms", (f"{linger:g}", f"{wanted:g}"), topic, group),
    )
    if not small:
        compress = Lever(
            "And compress",
            "Fewer bytes again, once batches hold several records.",
            Experiment(entity, "compression_type", ("none", "lz4"), topic, group),
        )
        return wait, compress
    larger = Lever(
        "Larger batches",
        "Records that are there at the same moment share a batch; none waits longer for it.",
        Experiment(entity, "batch_size", (f"{batch_size}", "16384"), topic, group),
    )
    return larger, wait
