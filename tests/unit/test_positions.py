"""A snapshot's positions are stored by topic, and those of earlier versions are read too."""

from __future__ import annotations

import msgspec

from streamlab.metrics.positions import GroupPartition, Positions
from streamlab.metrics.snapshot import Snapshot, decode, encode, plain
from tests.snapshots import a_group, a_position, a_snapshot, a_topic

PARTITIONS = [
    a_position("orders", partition=0, lag=5, time_lag_ms=900, lost=2, consumed_rate=1.5),
    a_position("orders", partition=1, lag=None, time_lag_ms=None, consumed_rate=None),
    a_position("paid", partition=0, lag=7, time_lag_ms=100, consumed_rate=2.0),
]


def read_back() -> Snapshot:
    return decode(encode(a_snapshot(a_topic(), a_group("revenue", partitions=PARTITIONS))))


def test_a_snapshot_comes_back_as_it_was():
    found = read_back().groups["revenue"].partitions
    assert list(found) == PARTITIONS and len(found) == 3
    assert found[1] == PARTITIONS[1] and found[-1:] == PARTITIONS[2:]
    assert found == Positions.of(PARTITIONS)
    assert found != Positions.of(PARTITIONS[:2])


def test_one_topic_is_looked_at_without_the_others():
    found = read_back().groups["revenue"].partitions
    assert found.topics == ["orders", "paid"]
    assert found.on("paid") == PARTITIONS[2:] and found.on("nowhere") == []
    orders = found.on_topic("orders")
    assert (orders.partitions, orders.lag, orders.time_lag_ms) == (2, 5, 900)
    assert (orders.consumed_rate, orders.lost) == (1.5, 2)
    assert found.on_topic("nowhere").lag is None
    assert found._unpacked is None, "the totals are enough for that"


def test_the_totals_are_those_of_all_topics():
    found = read_back().groups["revenue"].partitions
    assert (found.lag, found.time_lag_ms, found.consumed_rate, found.lost) == (12, 900, 3.5, 2)
    nothing = Positions.of([])
    assert (nothing.lag, nothing.time_lag_ms, nothing.consumed_rate, nothing.lost) == (None, None, None, 0)


def test_a_snapshot_that_holds_a_list_is_read_as_well():
    stored = msgspec.msgpack.decode(encode(a_snapshot(a_topic(), a_group("revenue", partitions=PARTITIONS))))
    revenue = stored["groups"]["revenue"]
    revenue["partitions"] = [msgspec.structs.asdict(p) for p in PARTITIONS]
    revenue["members"][0] |= {"owned": ["orders/0"], "assigned": []}
    found = decode(msgspec.msgpack.encode(stored)).groups["revenue"]
    assert list(found.partitions) == PARTITIONS and isinstance(found.partitions[0], GroupPartition)
    [member] = found.members
    assert (list(member.owned), list(member.assigned)) == (["orders/0"], [])


def test_a_group_can_be_said_in_json():
    found = plain(read_back().groups["revenue"])
    assert found["partitions"][0]["lag"] == 5 and len(found["partitions"]) == 3
    assert found["members"][0]["owned"] == ["orders/0"]
