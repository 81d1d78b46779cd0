"""What if: other numbers of partitions and members, another retention, more of everything; by arithmetic."""

from __future__ import annotations

import pytest

from dashboard.presenters import capacity as capacity_words
from dashboard.presenters import what_if as words
from streamlab.key_sample import of_keys
from streamlab.model import TopicPartition
from streamlab.partitioner import partition_for
from streamlab.what_if import capacity, members, partitions, retention
from streamlab.what_if.capacity import Demand
from streamlab.what_if.measured import Each, each_handles
from streamlab.what_if.members import Load
from tests.advisor_worlds import a_consumer, a_worker

KEYS = [b"customer-%d" % n for n in range(400)]


def a_sample(partitions: int, keys=KEYS, times: int = 1):
    """Each key `times` times, where murmur2 puts it."""
    found = {n: [k for k in keys if partition_for(k, partitions) == n] * times for n in range(partitions)}
    return of_keys(found, [len(found[n]) for n in range(partitions)], entries=10)


# -- partitions --------------------------------------------------------------------------------------------------


def test_twice_as_many_partitions_move_about_half_of_the_keys_and_each_goes_where_murmur2_says():
    found = partitions.with_partitions(a_sample(6), 12)
    assert 0.4 < found.moving_share < 0.6
    assert {m.after for m in found.moves} <= set(range(6, 12))
    assert all(partition_for(m.key.key, 12) == m.after for m in found.moves)
    assert sum(found.after.amounts) == pytest.approx(sum(found.before.amounts))


def test_the_number_of_now_moves_nothing():
    found = partitions.with_partitions(a_sample(6), 6)
    assert found.moves == [] and found.before == found.after


def test_fewer_partitions_are_worked_out_and_said_to_be_impossible():
    assert not partitions.with_partitions(a_sample(6), 3).possible


def test_a_key_where_another_partitioner_put_it_is_not_said_to_move():
    stray = next(k for k in KEYS if partition_for(k, 2) == 0 and partition_for(k, 4) == 2)
    assert partitions.with_partitions(of_keys({1: [stray]}, [0, 1]), 4).moves == []


def test_one_heavy_key_is_told_to_be_beyond_any_number():
    heavy = of_keys({0: [b"customer-7"] * 90 + KEYS[:10]}, [100, 0])
    assert "No number evens this out" in words.of_partitions(heavy, 8, str).headline


def test_records_without_keys_have_no_spread():
    assert words.of_partitions(of_keys({0: [None, None]}, [2]), 4, str) is None


# -- members -----------------------------------------------------------------------------------------------------


def loads(*rates: float, lag: int = 600):
    return [Load(TopicPartition("orders", n), rate, lag) for n, rate in enumerate(rates)]


def test_members_keep_up_from_the_number_on_that_their_rate_allows():
    outcomes = members.curve(loads(10, 10, 10, 10, 10, 10), each=25.0, most=7)
    assert [o.keeps_up for o in outcomes] == [False, False, True, True, True, True, True]
    assert members.least(outcomes).members == 3
    assert outcomes[-1].idle == 1


def test_the_time_to_catch_up_is_that_of_the_slowest_member():
    [_, _, three] = members.curve(loads(10, 10, 10, 10, 10, 10), each=25.0, most=3)
    assert three.catch_up_s == pytest.approx(1_200 / 5)


def test_a_hot_partition_is_beyond_any_number_of_members_and_is_named():
    found = members.with_members(loads(10, 90, 10), each=50.0, members=3)
    assert not found.keeps_up
    assert found.held_up_by == TopicPartition("orders", 1)
    view = words.of_members(loads(10, 90, 10), Each(50.0, "so"), 1, 3)
    assert "3 members never catch up" in view.headline
    assert "orders/1" in view.sentences[0]


def test_where_a_member_more_changes_nothing_it_is_said():
    view = words.of_members(loads(20, 5, 5, 5, lag=600), Each(25.0, "so"), 1, 2)
    assert "From 3 members on" in " ".join(view.sentences)


def test_where_nobody_has_to_catch_up_no_empty_picture_is_drawn():
    view = words.of_members(loads(5, 5, lag=0), Each(25.0, "so"), 1, 2)
    assert view.headline == "2 members keep up" and view.columns is None


def test_nothing_is_worked_out_from_an_unknown_rate():
    assert words.of_members(loads(10), Each(None, "It did nothing."), 1, 2).columns is None


@pytest.mark.parametrize(
    ("about", "clients", "grows", "expected"),
    [
        ("what was seen under load", [a_worker(0)], True, 40.0),
        ("a worker's handler", [a_worker(0, p50=10)], False, 100.0),
        ("a consumer's idle share", [a_consumer(0, 0.75, **{"records-consumed-rate": 40.0})], False, 160.0),
        ("what it does, when it tells nothing", [], False, 40.0),
    ],
)
def test_what_a_member_handles_is_taken_from(about, clients, grows, expected):
    assert each_handles(80.0, 2, clients, grows).rate == pytest.approx(expected)


# -- retention ---------------------------------------------------------------------------------------------------


def test_twice_as_long_takes_twice_the_memory():
    hour, two = (retention.with_retention(10_000.0, 100.0, ms, 6) for ms in (3_600_000, 7_200_000))
    assert two.memory_bytes == pytest.approx(2 * hour.memory_bytes)
    assert hour.records == 360_000


def test_a_server_that_would_be_full_says_when():
    kept = retention.with_retention(1_000_000.0, 100.0, 86_400_000, 6)
    found = retention.room(kept, 0, 1_000_000.0, 1 << 30, 2 << 30)
    assert found.full_in_s == pytest.approx((1 << 30) / (1_000_000 * retention.MEMORY_A_BYTE))
    flow = words.Flow(
        100, 1_000_000.0, 0, 6, 3_600_000, -1, 1 << 30, 2 << 30, memory_a_byte=retention.MEMORY_A_BYTE
    )
    assert words.of_retention(flow, 86_400_000).tone == "bad"


def test_where_bytes_decide_it_is_not_said_that_the_time_is_kept():
    flow = words.Flow(100, 10_000.0, 0, 6, 3_600_000, 1_000_000, 0, 0, memory_a_byte=1.0)
    assert words.of_retention(flow, 86_400_000).headline == (
        "retention.bytes keeps 10 min at most, which take 6 MB of memory"
    )
    assert words.of_retention(flow, 60_000).headline.startswith("1 min of records take")


@pytest.mark.parametrize(
    ("retention_ms", "retention_bytes", "now"),
    [
        (3_600_000, -1, "60 min now"),
        (3_600_000, 1_000_000, "10 min now"),
        (-1, 1_000_000, "10 min now"),
        (60_000, 1_000_000, "60 s now"),
        (-1, -1, None),
    ],
)
def test_now_stands_at_what_removes_records_first(retention_ms, retention_bytes, now):
    flow = words.Flow(100, 10_000.0, 0, 6, retention_ms, retention_bytes, 0, 0, memory_a_byte=1.0)
    view = words.of_retention(flow, 7_200_000)
    assert [one.label for one in view.columns.columns if "now" in one.kind] == ([now] if now else [])
    by_bytes = now == "10 min now"
    assert any(said.startswith("Now retention.bytes decides") for said in view.sentences) is by_bytes


# -- more of everything ------------------------------------------------------------------------------------------


def test_the_arithmetic_is_that_of_the_page_about_scaling():
    found = capacity.estimate(Demand(1e6, 107, 136, 3, 3_600, replicas=1))
    assert found.append_cores == pytest.approx(0.8, abs=0.02)
    assert found.masters in (3, 4)
    assert found.memory_bytes / 1e9 == pytest.approx(420, abs=5)
    assert found.network_out / 1e6 == pytest.approx(113 * 3 + 115, abs=2)


def test_a_small_stream_needs_one_server_and_ten_times_as_much_more_of_everything():
    one, ten = (capacity.estimate(Demand(rate, 200, 2, 1, 60)) for rate in (1_000, 10_000))
    assert one.masters == 1
    assert ten.memory_bytes == pytest.approx(10 * one.memory_bytes)
    assert ten.batches == pytest.approx(10 * one.batches)


def test_handlers_ask_for_as_many_partitions():
    assert capacity.estimate(Demand(1_000, 200, 10, 1, 60, handler_ms=25)).partitions == 25


def test_the_table_says_where_each_line_comes_from():
    view = capacity_words.of_capacity(Demand(600, 200, 2, 3, 60, handler_ms=10), 10)
    rows = {row.name: (row.arithmetic, row.makes) for row in view.rows}
    assert rows["Batches"] == ("600/s / 2 records", "300/s")
    assert rows["Handlers at once, a group"] == ("600/s × 10 ms", "6")
    assert "one server is enough" in view.headline
