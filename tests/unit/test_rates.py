"""Rates: what a difference of counters says, and what it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.metrics import rates

counters = st.integers(min_value=0, max_value=2**53)
times_ms = st.integers(min_value=1, max_value=10**9)


@pytest.mark.parametrize(
    ("why", "before", "after", "elapsed_ms", "rate"),
    [
        ("a plain difference", 100, 350, 1_000, 250.0),
        ("half a second counts double", 100, 350, 500, 500.0),
        ("nothing happened, which is known", 100, 100, 1_000, 0.0),
        ("the first snapshot has nothing to measure from", None, 350, 1_000, None),
        ("the counter began anew", 350, 100, 1_000, None),
        ("no time has passed", 100, 350, 0, None),
        ("the clock was set back", 100, 350, -1_000, None),
    ],
)
def test_per_second(why: str, before: int | None, after: int, elapsed_ms: int, rate: float | None) -> None:
    assert rates.per_second(before, after, elapsed_ms) == rate, why


@pytest.mark.parametrize(
    ("why", "then", "newest", "now_ms", "rate"),
    [
        ("two commits, measured by their own times", (0, 10_000), (5_000, 15_000), 16_000, 1_000.0),
        ("just before the next commit the rate is the same", (0, 10_000), (5_000, 15_000), 20_000, 1_000.0),
        ("the commit that should have come has not", (0, 10_000), (5_000, 15_000), 25_500, 500.0),
        ("a commit of the same offset: it stands still", (70, 10_000), (70, 15_000), 15_100, 0.0),
        ("no commit in the whole window", (70, 10_000), (70, 10_000), 20_000, 0.0),
        ("no commit yet, and too early to tell", (70, 10_000), (70, 10_000), 14_000, None),
        ("the group was reset backwards", (5_000, 10_000), (0, 12_000), 12_100, None),
        ("it has never committed before", (-1, 0), (500, 12_000), 12_100, None),
        ("two commits in one breath", (0, 10_000), (500, 10_010), 10_020, None),
    ],
)
def test_commit_rate(
    why: str, then: tuple[int, int], newest: tuple[int, int], now_ms: int, rate: float | None
) -> None:
    assert rates.commit_rate(*then, *newest, now_ms) == rate, why


@given(counters, counters, times_ms)
def test_a_rate_is_never_negative(before: int, after: int, elapsed_ms: int) -> None:
    rate = rates.per_second(before, after, elapsed_ms)
    assert rate is None if after < before else rate is not None and rate >= 0


@given(st.integers(1, 60_000), st.integers(0, 10**6), st.integers(500, 10_000))
def test_a_steady_group_has_its_true_rate_whatever_its_commit_interval_is(
    start_ms: int, per_commit: int, interval_ms: int
) -> None:
    rate = rates.commit_rate(0, start_ms, per_commit, start_ms + interval_ms, start_ms + interval_ms + 1)
    assert rate == pytest.approx(per_commit * 1000 / interval_ms)


@given(counters, counters, times_ms, times_ms, st.integers(0, 60_000))
def test_a_silent_group_never_seems_to_speed_up(
    offset: int, more: int, then_ms: int, between_ms: int, silence_ms: int
) -> None:
    commit_ms = then_ms + between_ms
    fresh = rates.commit_rate(offset, then_ms, offset + more, commit_ms, commit_ms)
    later = rates.commit_rate(offset, then_ms, offset + more, commit_ms, commit_ms + silence_ms)
    if fresh is not None:
        assert later is not None
        assert later <= fresh


@given(st.lists(st.none() | st.floats(0, 1e12)))
def test_a_total_is_unknown_only_when_all_of_it_is(parts: list[float | None]) -> None:
    known = [part for part in parts if part is not None]
    assert rates.total(parts) == (sum(known) if known else None)
