"""Long polls: a member is close to being put out of its group, because it takes too long between two polls."""

from __future__ import annotations

from collections.abc import Iterator

from ...metrics.telemetry import ClientTelemetry
from .. import words
from ..finding import Experiment, Finding, Lever, Number, Urgency
from ..limits import Limit
from ..world import Standing, World, fetched, largest, polled

NAME = "long-polls"
SHARE = Limit("poll interval", 0.5, 0.3, "share", "of max_poll_interval_ms that passed between two polls")
LIMITS = (SHARE,)


def find(world: World, standing: Standing) -> Iterator[Finding]:
    for name in world.snapshot.groups:
        worst: tuple[float, ClientTelemetry] | None = None
        for client in world.members(name).values():
            share = used(client)
            if share is not None and (worst is None or share > worst[0]):
                worst = share, client
        if worst is not None and SHARE.beyond(worst[0], standing(NAME, f"group:{name}")):
            yield _finding(world, name, *worst)


def longest_ms(client: ClientTelemetry) -> float | None:
    """Between two polls of the last half minute, or since the last one."""
    since_s = polled(client, "last-poll-seconds-ago")
    return largest([polled(client, "time-between-poll-max"), None if since_s is None else since_s * 1000])


def used(client: ClientTelemetry) -> float | None:
    longest, most = longest_ms(client), client.values.get("max_poll_interval_ms")
    return longest / most if longest is not None and most else None


def _finding(world: World, name: str, share: float, client: ClientTelemetry) -> Finding:
    limit_ms, records = client.values["max_poll_interval_ms"], client.values.get("max_poll_records", 500)
    longest, rate = longest_ms(client) or 0.0, fetched(client, "records-consumed-rate")
    topics = world.snapshot.groups[name].partitions.topics
    topic = topics[0] if len(topics) == 1 else ""
    fewer = max(1, int(records * 0.25 / share)) if share > 0.25 else records
    return Finding(
        rule=NAME,
        subject=f"group:{name}",
        group=name,
        topic=topic,
        urgency=Urgency.NOW if share >= 0.8 else Urgency.SOON,
        weight=share,
        title=f"{client.client_id} polls too seldom",
        symptom=f"Up to {words.time(longest)} pass between two polls; after {words.time(limit_ms)} it is "
        "put out of the group, "
        "and others do its records again.",
        cause=f"It works through up to {records:g} records before it polls again, and that takes long.",
        judged=f"{words.percent(SHARE.enter)} of max_poll_interval_ms or more passed between two polls of "
        "the last half minute; "
        f"gone at {words.percent(SHARE.leave)}.",
        numbers=(
            Number("longest between two polls", longest, "ms", SHARE.enter * limit_ms),
            Number("max_poll_interval_ms", limit_ms, "ms"),
            Number("used of it", share, "share", SHARE.enter),
            Number("max_poll_records", records, "records"),
            Number("it reads", rate, "records/s"),
        ),
        not_causes=("Not the session timeout: heartbeats go on while it works.",),
        levers=(
            Lever(
                "Smaller polls",
                f"With {fewer} records a poll it comes back in about "
                f"{words.time(longest * fewer / max(1, records))}, if polls "
                "are full.",
                Experiment(f"group:{name}", "max_poll_records", (f"{records:g}", f"{fewer:g}"), topic, name),
            ),
            Lever("A longer interval", "It stays in the group; a member that truly hangs is noticed later."),
        ),
    )
