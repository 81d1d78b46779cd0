"""What a running load does, in figures: from a snapshot, and the queues of its retries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ... import keys
from ...advisor.rules.fetches import empty_rate
from ...connection import Connection
from ...delivery.dead_letter_topics import dlq_topic
from ...delivery.letter_states import LetterState, LetterStates
from ...delivery.retry_queue import RetryQueue
from ...errors import translated
from ...metrics.history import History
from ...metrics.of_consumer import POLLING
from ...metrics.of_producer import GROUP as SENDING
from ...metrics.rings import FINEST
from ...metrics.snapshot import Snapshot, TopicSnapshot
from ...metrics.telemetry import read_figures
from ...model import TopicPartition
from .load import Load

MOST_CLIENTS = 500
"""That are asked, those heard of last."""


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """None: not known (yet)."""

    rate: float | None = None  # records/s into the topic
    consumed_rate: float | None = None  # records/s, by commits
    lag: int | None = None
    time_lag_ms: int | None = None
    members: int | None = None
    partitions: int | None = None
    max_over_mean: float | None = None  # skew of the topic
    retrying: int | None = None  # records that wait to be tried again
    parked: int | None = None  # records behind one of their key
    dead: int | None = None  # dead letters kept, whatever became of them
    recovered: int | None = None  # of these: a replay was handled
    lost: int | None = None  # records that retention removed before they were read


class ClientFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the load's own clients tell of the last half minute; None: not known."""

    request_ms: float | None = None  # round trips of its producers, the 95th percentile
    poll_ms: float | None = None  # between two polls of its readers, the longest
    vain: float | None = None  # fetches a second of its readers that bring nothing, at most
    batch_records: float | None = None  # records in a batch of its producers, the mean


class RecentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the last `RECENT_S` before the snapshot; None: not known."""

    dying: float | None = None  # dead letters a minute
    rebalances: int | None = None  # of its group


RECENT_S = 20


def recent_figures_of(connection: Connection, load: Load, snapshot: Snapshot) -> RecentFigures:
    """Raises StreamlabError."""
    if load.topic_name not in snapshot.topics:
        return RecentFigures()
    since_ms = snapshot.as_of_ms - RECENT_S * 1000
    with translated():
        entries: Any = connection.client.xrevrange(keys.group_events(load.group_id), "+", f"{since_ms}")
    return RecentFigures(
        dying=_dying(connection, load, snapshot, since_ms),
        rebalances=sum(fields[b"type"] == b"group.rebalanced" for _, fields in entries),
    )


def _dying(connection: Connection, load: Load, snapshot: Snapshot, since_ms: int) -> float | None:
    """Seconds of which nothing is known count as such without a death, unless that is all of them."""
    letters = dlq_topic(load.topic_name, load.group_id)
    if letters not in snapshot.topics:
        return 0.0
    history = History(connection)
    rates = history.series("topic", letters, ["rate"], FINEST.name, since_ms, snapshot.as_of_ms)["rate"]
    known = [rate for rate in rates if rate is not None]
    return sum(known) * 60 / RECENT_S if known else None


def client_figures_of(connection: Connection, load: Load) -> ClientFigures:
    """The worst of each, and the mean batch. Raises StreamlabError."""
    clients = read_figures(connection, MOST_CLIENTS).values()
    own = [client for client in clients if _is_own(client.client_id, load)]
    return ClientFigures(
        request_ms=_largest(c.metrics.get(SENDING, {}).get("request-latency-p95") for c in own),
        poll_ms=_largest(c.metrics.get(POLLING, {}).get("time-between-poll-max") for c in own),
        vain=sum(empty_rate(client) for client in own) if own else None,
        batch_records=_batch_records([client.metrics.get(SENDING, {}) for client in own]),
    )


def _is_own(client_id: str, load: Load) -> bool:
    """Not of another load whose name begins as this one's does.

    >>> _is_own("lab-a-reader-12", Load(name="a")), _is_own("lab-a-b-reader-1", Load(name="a"))
    (True, False)
    """
    head, _, number = client_id.rpartition("-")
    return number.isdigit() and head in (f"{load.topic_name}-producer", f"{load.topic_name}-reader")


def _batch_records(sending: Iterable[Mapping[str, float | None]]) -> float | None:
    """
    >>> _batch_records([{"record-send-rate": 60.0, "byte-rate": 9_000.0, "batch-size-avg": 300.0}, {}])
    2.0
    """
    records = batches = 0.0
    for figures in sending:
        sent, byte_rate, size = map(figures.get, ("record-send-rate", "byte-rate", "batch-size-avg"))
        if sent and byte_rate and size:
            records, batches = records + sent, batches + min(byte_rate / size, sent)
    return records / batches if batches else None


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def figures_of(connection: Connection, load: Load, snapshot: Snapshot) -> LoadFigures:
    """Raises StreamlabError."""
    topic = snapshot.topics.get(load.topic_name)
    group = snapshot.groups.get(load.group_id)
    if topic is None:
        return LoadFigures()
    letters = snapshot.topics.get(dlq_topic(load.topic_name, load.group_id))
    partitions = [TopicPartition(load.topic_name, p.partition) for p in topic.partitions]
    queues = RetryQueue(connection).counts(load.group_id, partitions).values()
    return LoadFigures(
        rate=topic.rate,
        consumed_rate=group.consumed_rate if group else None,
        lag=group.lag if group else None,
        time_lag_ms=group.time_lag_ms if group else None,
        members=len(group.members) if group else None,
        partitions=len(topic.partitions),
        max_over_mean=topic.skew.max_over_mean if topic.skew else None,
        retrying=sum(counts.retrying for counts in queues),
        parked=sum(counts.parked for counts in queues),
        dead=letters.records if letters else 0,
        recovered=_recovered(connection, letters) if letters and letters.records else 0,
        lost=group.partitions.on_topic(load.topic_name).lost if group else None,
    )


def _recovered(connection: Connection, letters: TopicSnapshot) -> int:
    places = [TopicPartition(letters.topic, p.partition) for p in letters.partitions]
    tallies = LetterStates(connection).tallies(places).values()
    return sum(tally[LetterState.RECOVERED] for tally in tallies)
