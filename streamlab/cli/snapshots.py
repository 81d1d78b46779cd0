"""The figures that the listings show: one snapshot, taken now, the same as the dashboard's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import GroupIdNotFoundError, UnknownTopicOrPartitionError

if TYPE_CHECKING:
    from ..broker import Broker
    from ..metrics.snapshot import GroupSnapshot, Snapshot, TopicSnapshot

_FRESH_MS = 10_000


def take(broker: Broker) -> Snapshot:
    """Rates in it are None: they need two. Raises StreamlabError."""
    from ..metrics.collect import Collector

    collector = Collector(broker.connection)
    try:
        return collector.collect(0)
    finally:
        collector.close()


def sampled(broker: Broker) -> Snapshot | None:
    """The newest snapshot of the sampler, which knows the rates; None when no sampler runs."""
    import msgspec

    from .. import keys
    from ..errors import translated
    from ..metrics import snapshot

    with translated():
        stored: Any = broker.connection.client.get(keys.SNAPSHOT)
    try:
        found = snapshot.decode(stored) if stored else None
    except msgspec.DecodeError:
        return None
    if found is None or broker.connection.server_time_ms() - found.as_of_ms > _FRESH_MS:
        return None
    return found


def topic_of(snapshot: Snapshot, topic: str) -> TopicSnapshot:
    """Raises UnknownTopicOrPartitionError."""
    if topic not in snapshot.topics:
        raise UnknownTopicOrPartitionError(f"There is no topic {topic!r}. {_known(snapshot.topics)}")
    return snapshot.topics[topic]


def group_of(snapshot: Snapshot, group: str) -> GroupSnapshot:
    """Raises GroupIdNotFoundError."""
    if group not in snapshot.groups:
        raise GroupIdNotFoundError(f"There is no group {group!r}. {_known(snapshot.groups)}")
    return snapshot.groups[group]


def _known(names: Iterable[str]) -> str:
    first, more = sorted(names)[:8], len(list(names)) > 8
    return (
        f"There are: {', '.join(first)}{', ...' if more else ''}." if first else "There is none at all yet."
    )
