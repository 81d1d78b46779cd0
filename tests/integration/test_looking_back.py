"""What the sampler keeps for looking back: whole snapshots at three steps, and each partition's last commits."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from streamlab import keys
from streamlab.broker import Broker
from streamlab.metrics import commit_windows
from streamlab.metrics.commit_windows import COMMITS, CommitWindows
from streamlab.metrics.past import SHELVES, Keeper, Past
from streamlab.metrics.positions import Positions
from streamlab.metrics.snapshot import Snapshot, encode
from tests.snapshots import a_group, a_position, a_server, a_snapshot, a_topic

T0 = 1_700_000_000_000 // 600_000 * 600_000  # the beginning of a step of every shelf


@pytest.fixture
def keeper(broker: Broker) -> Keeper:
    return Keeper(broker.connection)


def keep(keeper: Keeper, at_ms: int, lag: int = 0) -> Snapshot:
    snapshot = a_snapshot(a_topic(), a_group("g", lag), as_of_ms=at_ms)
    keeper.keep(snapshot, encode(snapshot))
    return snapshot


def test_the_newest_snapshot_of_a_moment_or_before_comes_back_whole(broker: Broker, keeper: Keeper):
    kept = [keep(keeper, T0 + second * 1_000, lag=second) for second in range(31)]
    past = Past(broker.connection)
    assert past.at(T0 + 25_000) == kept[20]
    assert past.at(T0 + 20_000) == kept[20]
    assert past.at(T0 - 1) is None
    assert past.after(T0 + 11_000) == kept[20]
    assert past.oldest_ms() == T0


def test_where_the_fine_shelf_ends_a_coarser_one_goes_on(broker: Broker, keeper: Keeper):
    for minute in range(90):
        keep(keeper, T0 + minute * 60_000, lag=minute)
    broker.connection.client.delete(keys.past("10s"))
    found = Past(broker.connection).at(T0 + 42 * 60_000 + 59_000)
    assert found is not None and found.groups["g"].lag == 42


def test_a_shelf_never_holds_more_than_its_room(broker: Broker, keeper: Keeper):
    for step in range(500):
        keep(keeper, T0 + step * 10_000)
    client = broker.connection.client
    assert client.xlen(keys.past("10s")) == 360
    assert client.xlen(keys.past("60s")) == 84
    assert client.pttl(keys.past("10s")) > 3_600_000


def test_a_small_server_is_not_filled_with_the_past(broker: Broker, keeper: Keeper):
    server = a_server(max_memory_bytes=100_000)
    for step in range(100):
        snapshot = a_snapshot(a_topic(partitions=50), as_of_ms=T0 + step * 10_000, server=server)
        keeper.keep(snapshot, encode(snapshot))
    for shelf in SHELVES:
        held = broker.connection.client.xrange(keys.past(shelf.name))
        assert sum(len(fields[b"z"]) for _, fields in held) <= 5_000


def test_a_clock_that_was_set_back_stops_nothing(broker: Broker, keeper: Keeper):
    keep(keeper, T0 + 100_000, lag=1)
    keep(keeper, T0 + 50_000, lag=2)
    newest = keep(keeper, T0 + 110_000, lag=3)
    assert Past(broker.connection).at(T0 + 999_000) == newest


def ticks(windows: CommitWindows, n: int, every_ms: int = 1_000, first: int = 0) -> None:
    for i in range(first, first + n):
        at_ms = T0 + i * every_ms
        position = a_position(committed=10 * i, log_end=10 * i + 5, lag=5, commit_ms=at_ms)
        windows.take_in(a_snapshot(a_group("g", partitions=[position]), as_of_ms=at_ms))


def test_the_last_ten_commits_of_a_partition_are_kept_over_a_restart(broker: Broker):
    ticks(CommitWindows(broker.connection), 25)
    stored = commit_windows.read(broker.connection, "g")["orders/0"]
    assert 5 <= len(stored) <= COMMITS
    ticks(CommitWindows(broker.connection), 30, first=25)  # another sampler takes over
    [*older, last] = commit_windows.read(broker.connection, "g")["orders/0"]
    assert len(older) == COMMITS - 1
    assert last.lag == 5 and last.offset == 10 * ((last.at_ms - T0) // 1_000)
    assert [b.at_ms - a.at_ms for a, b in pairwise(older)] == [1_000] * 8


def test_commits_that_follow_each_other_too_closely_are_passed_over(broker: Broker):
    windows = CommitWindows(broker.connection)
    ticks(windows, 60, every_ms=400)
    found = commit_windows.read(broker.connection, "g")["orders/0"]
    assert all(b.at_ms - a.at_ms >= 1_000 for a, b in pairwise(found))


def test_a_tick_looks_at_so_many_partitions_and_no_more(broker: Broker, monkeypatch):
    monkeypatch.setattr(commit_windows, "PARTITIONS_A_TICK", 4)
    windows = CommitWindows(broker.connection)
    positions = [a_position(partition=n, commit_ms=T0) for n in range(3)]
    groups = [a_group(f"g{n}", partitions=positions) for n in range(5)]
    for tick in range(12):
        moved = [
            msgspec.structs.replace(
                g,
                partitions=Positions.of(
                    msgspec.structs.replace(p, commit_ms=T0 + tick * 2_000) for p in g.partitions
                ),
            )
            for g in groups
        ]
        windows.take_in(a_snapshot(*moved, as_of_ms=T0 + tick * 20_000))
    for tick in range(12, 24):
        windows.take_in(a_snapshot(*groups, as_of_ms=T0 + tick * 20_000))
    for group in groups:
        assert len(commit_windows.read(broker.connection, group.group)["orders/2"]) >= 1


def test_what_another_version_has_written_is_read_as_nothing(broker: Broker):
    broker.connection.client.set(keys.commit_window("g"), b"something else")
    assert commit_windows.read(broker.connection, "g") == {}
