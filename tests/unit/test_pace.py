"""Paces say how long to wait; nobody waits here, because the time is handed in."""

import pytest

from streamlab.lab.pace import BURST_S, FlatOut, Rhythm, Steady
from streamlab.lab.rows import Place, Row


def a_row(time_s=None):
    return Row(1, Place(0, 1), b"", None, b"{}", time_s, b"")


def send_times(pace, rows, stall_at=None, stall_s=0.0):
    """When each row is sent by somebody who waits exactly as long as told."""
    now, sent = 100.0, []
    for n, row in enumerate(rows):
        if n == stall_at:
            now += stall_s
        now += max(0.0, pace.delay_s(row, now))
        pace.sent(row)
        sent.append(now - 100.0)
    return sent


def test_flat_out_never_waits():
    assert send_times(FlatOut(), [a_row()] * 3) == [0, 0, 0]


@pytest.mark.parametrize("rate", [3, 50, 5_000, 200_000])
def test_a_steady_pace_keeps_its_rate_to_within_a_burst(rate):
    times = send_times(Steady(rate), [a_row()] * (3 * rate + 1))
    assert times[-1] == pytest.approx(3.0, abs=BURST_S + 1e-6)


def test_a_steady_pace_makes_up_for_a_short_stall_and_not_for_a_long_one():
    assert send_times(Steady(10), [a_row()] * 31, stall_at=5, stall_s=0.5)[-1] == pytest.approx(3.0, abs=0.01)
    assert send_times(Steady(10), [a_row()] * 31, stall_at=5, stall_s=60)[-1] == pytest.approx(63.0, abs=0.6)


def test_a_rhythm_is_the_data_s_own_only_faster():
    rows = [a_row(t) for t in (1000, 1060, 1060, 4600)]
    assert send_times(Rhythm(3600), rows) == pytest.approx([0, 1 / 60, 1 / 60, 1.0])


def test_a_row_that_is_late_follows_at_once_and_delays_nobody():
    rows = [a_row(t) for t in (0, 3600, 600, 7200)]
    assert send_times(Rhythm(3600), rows) == pytest.approx([0, 1, 1, 2])


def test_a_rhythm_catches_up_after_a_stall():
    rows = [a_row(t * 60) for t in range(121)]
    assert send_times(Rhythm(60), rows, stall_at=10, stall_s=30)[-1] == pytest.approx(120, abs=0.01)
