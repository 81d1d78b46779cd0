"""How much work each partition is for a group: what the assignor `lag-aware` shares out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import keys
from ..connection import Call, Connection
from ..errors import translate
from ..model import EntryId, TopicPartition
from . import offsets

HORIZON_S = 60.0
"""A backlog counts as if it were to be worked off in this time."""
RECENT_ENTRIES = 50
"""The rate of a partition is that of so many of its newest batches."""


def work(lag: int, rate: float) -> float:
    """Records a second that a member has to manage to keep up and to work the backlog off within the horizon.

    >>> work(lag=6_000, rate=50.0)
    150.0
    """
    return rate + lag / HORIZON_S


def append_rate(ids: Sequence[EntryId], now_ms: int) -> float:
    """Records a second, from the ids of the newest batches, newest first: what was appended after the oldest of them,
    over the time since then.

    >>> append_rate([EntryId(9_000, 99), EntryId(5_000, 59)], now_ms=9_000)
    10.0
    """
    if len(ids) < 2:
        return 0.0
    appended = ids[0].last_offset - ids[-1].last_offset
    return appended * 1000 / max(now_ms - ids[-1].append_ms, 1)


def measure(
    connection: Connection, group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, float]:
    """Each partition's work(). Where the group never committed only the rate counts: nobody knows where it begins.

    Raises StreamlabErrors.
    """
    wanted = list(partitions)
    commits = offsets.fetch(connection, group_id, wanted)  # before the ends, which only rise
    ends = connection.execute_many([("HGET", keys.meta(*p), "end") for p in wanted])
    entries = connection.run_many([Call("recent_ids", [keys.log(*p)], [RECENT_ENTRIES]) for p in wanted])
    now_ms = connection.server_time_ms()
    loads = {}
    for partition, end, ids in zip(wanted, ends, entries, strict=True):
        if isinstance(ids, Exception):
            raise translate(ids) from ids
        rate = append_rate([EntryId.parse(entry) for entry in ids], now_ms)
        lag = int(end or 0) - commits[partition].offset if partition in commits else 0
        loads[partition] = work(max(lag, 0), rate)
    return loads
