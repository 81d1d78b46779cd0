"""What a group's page says of Burrow's verdict: the rule, its numbers, the next step, and the picture of rebalances."""

from __future__ import annotations

import msgspec
import pytest

from dashboard.presenters import epochs, standing
from dashboard.presenters.figures import count, duration, moment
from dashboard.presenters.rebalances import RebalanceRow
from dashboard.presenters.trend import Direction
from streamlab.metrics.commit_windows import SeenCommit, Window
from streamlab.metrics.positions import Positions
from tests.snapshots import NOW_MS, a_group, a_position


def commits(lags: list[int], step: int = 10) -> Window:
    start_ms = NOW_MS - len(lags) * 1_000
    return Window(
        SeenCommit(start_ms + i * 1_000, 100 + i * step, 100 + i * step + lag) for i, lag in enumerate(lags)
    )


def group(lag: int = 50, members=None, **changes):
    position = a_position(lag=lag, time_lag_ms=60_000, commit_ms=NOW_MS - 1_000)
    members = {} if members is None else {"members": members}
    return a_group("g", partitions=[position], **members, **changes)


def judged(lags: list[int], now_ms: int = NOW_MS, step: int = 10, **changes) -> standing.GroupStanding:
    return standing.of_group(group(**changes), {"orders/0": commits(lags, step)}, now_ms)


def test_a_group_that_falls_behind_is_told_the_numbers_and_what_to_do():
    found = judged([5, 10, 20, 30, 50])
    assert found.status.word == "WARN" and found.partition == "orders/0"
    assert "the lag went from 5 to 50 and never fell" in found.numbers
    assert "faster" in found.next_step
    assert found.rule.startswith("at its commits of the last")


def test_a_group_whose_lag_falls_by_now_gets_no_advice_against_it():
    windows = {"orders/0": commits([5, 10, 20, 30, 50])}
    found = standing.of_group(group(), windows, NOW_MS, Direction.FALLING)
    assert found.status.word == "WARN", "the rule looks at the commits of the window"
    assert found.next_step == standing.CATCHING_UP
    rising = standing.of_group(group(), windows, NOW_MS, Direction.RISING)
    assert "faster" in rising.next_step


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"members": []}, "start its consumers"),
        ({}, "still call poll()"),
        ({"paused": True}, "It is paused"),
    ],
)
def test_a_silent_group_is_told_what_fits_it(changes, says):
    found = judged([5, 5, 5, 5, 5], now_ms=NOW_MS + 3_600_000, **changes)
    assert found.status.word == "STOP"
    assert says in found.next_step


def test_commits_that_stand_still_point_at_the_handler():
    found = judged([5, 6, 7, 8, 9], step=0)
    assert found.status.word == "STALL" and "handler" in found.next_step


def test_the_worst_partition_speaks_for_the_group():
    partitions = [a_position(partition=0, lag=0), a_position(partition=1, lag=9, time_lag_ms=60_000)]
    windows = {"orders/1": commits([5, 10, 20, 30, 50])}
    found = standing.of_group(a_group("g", partitions=partitions), windows, NOW_MS)
    assert found.partition == "orders/1"
    assert [(status.word, n) for status, n in found.counts] == [("WARN", 1), ("OK", 1)]
    assert found.of("orders/0").word == "OK"


def test_a_group_that_reads_nothing_is_unknown():
    nothing = msgspec.structs.replace(a_group("g"), partitions=Positions.of([]))
    found = standing.of_group(nothing, {}, NOW_MS)
    assert found.status.word == "unknown" and found.numbers == ""


def a_rebalance(
    epoch: int, ago_ms: int, took_ms: int | None = 200, standstill_ms: int | None = 40
) -> RebalanceRow:
    return RebalanceRow(
        epoch=epoch,
        at=moment(NOW_MS - ago_ms, NOW_MS),
        cause="consumer-2 joined",
        members="1 → 2",
        moved=count(2, "partitions changed hands"),
        moves="orders/0, orders/1",
        standstill=duration(standstill_ms),
        took=duration(took_ms),
    )


def test_epochs_follow_each_other_on_the_axis_from_left_to_right():
    found = epochs.timeline([a_rebalance(3, 1_000), a_rebalance(2, 30_000), a_rebalance(1, 60_000)], NOW_MS)
    assert [epoch.number for epoch in found.epochs] == [1, 2, 3]
    places = [float(epoch.x) for epoch in found.epochs]
    assert places == sorted(places) and places[0] >= 0 and places[-1] <= found.width


def test_the_longer_partitions_stood_still_the_higher_the_dot():
    rows = [a_rebalance(2, 1_000, standstill_ms=5_000), a_rebalance(1, 60_000, standstill_ms=5)]
    short, long = epochs.timeline(rows, NOW_MS).epochs
    assert float(long.stem_y) < float(short.stem_y)
    assert "standstill 5 s" in long.title


def test_what_nobody_measured_is_drawn_without_a_height():
    [epoch] = epochs.timeline([a_rebalance(1, 1_000, took_ms=None, standstill_ms=None)], NOW_MS).epochs
    assert not epoch.stood and "standstill" not in epoch.title
    assert epochs.timeline([], NOW_MS) is None
