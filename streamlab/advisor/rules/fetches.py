"""Fetches that bring nothing, or next to nothing: questions that keep the server busy for no records."""

from __future__ import annotations

from collections.abc import Iterator

from ...metrics.telemetry import ClientTelemetry
from .. import words
from ..finding import Experiment, Finding, Lever, Number, Urgency
from ..limits import Limit
from ..world import Standing, World, fetched, mean

NAME = "idle-fetches"
WAIT = Limit("fetch wait", 20, 50, "ms", "fetch_max_wait_ms of a group whose fetches mostly bring nothing")
SMALL = Limit("small fetches", 250, 150, "fetches/s", "of a group, of 1 kB and less each")
SMALL_BYTES = 1_000
EMPTY = 20.0
"""Fetches a second of one member that bring nothing: with fewer nothing is said."""
LIMITS = (WAIT, SMALL)


def find(world: World, standing: Standing) -> Iterator[Finding]:
    for name in world.snapshot.groups:
        members = [c for c in world.members(name).values() if fetched(c, "fetch-rate") is not None]
        if not members:
            continue
        stands = standing(NAME, f"group:{name}")
        empty = sum(empty_rate(client) for client in members)
        if empty >= EMPTY * len(members) and WAIT.beyond(_wait_ms(members), stands):
            yield _empty(world, name, members, empty)
        elif _small(members, stands):
            yield _little(world, name, members)


def _wait_ms(members: list[ClientTelemetry]) -> float | None:
    return mean([client.values.get("fetch_max_wait_ms") for client in members])


def empty_rate(client: ClientTelemetry) -> float:
    """Fetches a second that bring nothing: those that fit between the others, each as long as the server holds it."""
    wait_ms = client.values.get("fetch_max_wait_ms")
    if wait_ms is None or not client.member_id:
        return 0.0
    with_records = (
        (fetched(client, "fetch-rate") or 0.0) * (fetched(client, "fetch-latency-avg") or 0.0) / 1000
    )
    return max(0.0, 1 - with_records) * 1000 / max(float(wait_ms), 1.0)


def _small(members: list[ClientTelemetry], stands: bool) -> bool:
    rate = sum(fetched(client, "fetch-rate") or 0.0 for client in members)
    size = mean([fetched(client, "fetch-size-avg") for client in members])
    return size is not None and size <= SMALL_BYTES and SMALL.beyond(rate, stands)


def _topic(world: World, group: str) -> str:
    topics = world.snapshot.groups[group].partitions.topics
    return topics[0] if len(topics) == 1 else ""


def _empty(world: World, name: str, members: list[ClientTelemetry], empty: float) -> Finding:
    wait_ms = _wait_ms(members) or 0.0
    topic = _topic(world, name)
    return Finding(
        rule=NAME,
        subject=f"group:{name}",
        group=name,
        topic=topic,
        urgency=Urgency.HINT,
        weight=empty,
        title=f"{name} asks for records that are not there",
        symptom=f"Up to {words.rate(empty, 'fetches')} bring nothing, beside "
        f"{words.rate(sum(fetched(c, 'fetch-rate') or 0 for c in members), 'fetches')} that do.",
        cause=f"fetch_max_wait_ms is {wait_ms:g}: the server answers after that, though there is nothing to answer.",
        judged=f"fetch_max_wait_ms is {WAIT.enter:g} or less, and {EMPTY:g} fetches a second of a member or more bring "
        f"nothing; gone at {WAIT.leave:g}.",
        numbers=(
            Number("fetch_max_wait_ms", wait_ms, "ms", WAIT.enter),
            Number("bring nothing, at most", empty, "fetches/s", EMPTY * len(members)),
            Number("members", len(members), "members"),
            Number("reads of the whole server", world.server.reads_rate, "reads/s"),
        ),
        not_causes=(
            "Records do not come later when the server waits longer: it answers as soon as one is there.",
        ),
        levers=(
            Lever(
                "Let the server wait",
                "At 500 ms two questions a second of each member instead of "
                f"{words.number(1000 / max(wait_ms, 1))}; records "
                "come as soon as before.",
                Experiment(f"group:{name}", "fetch_max_wait_ms", (f"{wait_ms:g}", "500"), topic, name),
            ),
        ),
    )


def _little(world: World, name: str, members: list[ClientTelemetry]) -> Finding:
    rate = sum(fetched(client, "fetch-rate") or 0.0 for client in members)
    size = mean([fetched(client, "fetch-size-avg") for client in members]) or 0.0
    least = mean([client.values.get("fetch_min_bytes") for client in members])
    topic = _topic(world, name)
    return Finding(
        rule=NAME,
        subject=f"group:{name}",
        group=name,
        topic=topic,
        urgency=Urgency.HINT,
        weight=rate,
        title=f"{name} fetches crumbs",
        symptom=f"{words.rate(rate, 'fetches')} of {words.size(size)} each.",
        cause=f"fetch_min_bytes is {least:g}: every record is answered at once, and by itself."
        if least is not None
        else "Every record is answered at once, and by itself.",
        judged=f"{SMALL.enter:g} fetches a second or more of {words.size(SMALL_BYTES)} or less; gone below "
        f"{SMALL.leave:g}.",
        numbers=(
            Number("fetches", rate, "fetches/s", SMALL.enter),
            Number("a fetch brings", size, "bytes", SMALL_BYTES),
            Number("fetch_min_bytes", least, "bytes"),
        ),
        not_causes=("Not the handler: it has time left.",),
        levers=(
            Lever(
                "Fetch more at a time",
                "Fewer questions for as many records; a record waits up to fetch_max_wait_ms for company.",
                Experiment(f"group:{name}", "fetch_min_bytes", (f"{least or 1:g}", "16384"), topic, name),
            ),
        ),
    )
