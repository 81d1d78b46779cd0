"""How a lag stands, by Burrow's rules: each row of the table is one situation."""

from __future__ import annotations

import pytest

from streamlab.metrics.burrow import LagStatus, Rule, standing, worst
from streamlab.metrics.commit_windows import SeenCommit, Window
from tests.snapshots import a_position

T0 = 1_700_000_000_000


def commits(offsets: list[int], lags: list[int], every_ms: int = 1_000) -> Window:
    pairs = zip(offsets, lags, strict=True)
    return Window(
        SeenCommit(T0 + i * every_ms, offset, offset + lag) for i, (offset, lag) in enumerate(pairs)
    )


def ten(first: int = 100, step: int = 10, lag: int = 5, lag_step: int = 0) -> Window:
    return commits([first + step * i for i in range(10)], [lag + lag_step * i for i in range(10)])


NINE_S = 9_000
TABLE = [
    ("nothing waits, whatever the window says", ten(step=0), 0, NINE_S, LagStatus.OK, Rule.CAUGHT_UP),
    ("nothing waits, and nothing is known", Window(), 0, 0, LagStatus.OK, Rule.CAUGHT_UP),
    ("no commit was seen yet", Window(), 7, 0, LagStatus.UNKNOWN, Rule.TOO_FEW),
    (
        "four commits are less than half a window",
        Window(ten()[:4]),
        7,
        10**9,
        LagStatus.UNKNOWN,
        Rule.TOO_FEW,
    ),
    ("five are enough", Window(ten()[:5]), 7, 10**9, LagStatus.STOP, Rule.SILENT),
    ("silent for longer than the window", ten(), 5, 2 * NINE_S + 1, LagStatus.STOP, Rule.SILENT),
    ("silent for exactly as long as the window", ten(), 5, 2 * NINE_S, LagStatus.WARN, Rule.NEVER_FALLS),
    (
        "silent, but what waits came a moment ago",
        commits([100, 110, 120, 130, 140], [40, 5, 5, 5, 0]),
        3,
        300_000,
        LagStatus.OK,
        Rule.WAS_CAUGHT_UP,
        10_000,
    ),
    (
        "an offset went back and has not returned",
        commits([100, 110, 120, 50, 60, 70], [5] * 6),
        5,
        5_000,
        LagStatus.REWIND,
        Rule.WENT_BACK,
    ),
    (
        "an offset went back and returned",
        commits([100, 110, 50, 90, 110, 120], [5, 5, 65, 25, 5, 5]),
        5,
        5_000,
        LagStatus.OK,
        Rule.FALLS,
    ),
    (
        "it had caught up in between",
        commits([100, 110, 120, 130, 140], [9, 0, 9, 9, 9]),
        9,
        4_000,
        LagStatus.OK,
        Rule.WAS_CAUGHT_UP,
    ),
    ("commits that do not move", ten(step=0, lag_step=10), 95, NINE_S, LagStatus.STALL, Rule.STANDS_STILL),
    ("moves, and falls behind", ten(lag_step=10), 95, NINE_S, LagStatus.WARN, Rule.NEVER_FALLS),
    ("moves, and stays as far behind", ten(lag_step=0), 5, NINE_S, LagStatus.WARN, Rule.NEVER_FALLS),
    ("moves, and catches up", ten(lag=100, lag_step=-10), 10, NINE_S, LagStatus.OK, Rule.FALLS),
    ("the lag is not known now", ten(lag_step=10), None, NINE_S, LagStatus.WARN, Rule.NEVER_FALLS),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_the_table(row):
    says, window, lag, after_ms, status, rule, time_lag_ms = (*row, 60_000)[:7]
    found = standing(window, lag, time_lag_ms, T0 + after_ms)
    assert (found.status, found.rule) == (status, rule), says


def test_the_numbers_are_those_that_the_rule_looked_at():
    found = standing(ten(lag_step=10), 95, 60_000, T0 + NINE_S + 500)
    assert (found.commits, found.first_lag, found.last_lag) == (10, 5, 95)
    assert (found.span_ms, found.silent_ms) == (NINE_S, 500)


def test_an_allowed_lag_counts_as_none():
    assert standing(ten(lag=5), 5, 60_000, T0 + NINE_S, allowed=5).status is LagStatus.OK


def test_a_group_stands_as_its_worst_partition_does():
    assert worst([LagStatus.OK, LagStatus.WARN, LagStatus.STOP, LagStatus.STALL]) is LagStatus.STOP
    assert worst([LagStatus.OK, LagStatus.UNKNOWN]) is LagStatus.UNKNOWN


def test_the_newest_commit_joins_the_window_unless_it_is_too_close():
    window = ten()
    last = window[-1]
    later = a_position(committed=200, log_end=210, commit_ms=last.at_ms + 1_000)
    assert window.with_newest(later)[-1] == SeenCommit(last.at_ms + 1_000, 200, 210)
    assert len(window.with_newest(later)) == 10
    assert window.with_newest(a_position(committed=200, commit_ms=last.at_ms + 999)) == window
    assert Window().with_newest(a_position(lag=None)) == Window()
