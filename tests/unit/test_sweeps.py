"""What a sweep's picture says: who is beaten, where labels stand, and what a tick may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboard.presenters.plot import Axis, Box, place
from streamlab.lab.experiments.frontier import frontier

pairs = st.tuples(st.integers(1, 50), st.integers(1, 50))


@given(st.lists(pairs, min_size=1, max_size=8))
def test_whoever_is_not_on_the_frontier_is_beaten_by_somebody_who_is(points):
    best = frontier(points)
    assert best, "somebody is"
    for n, (latency, throughput) in enumerate(points):
        beaten_by = [i for i in best if points[i][0] <= latency and points[i][1] >= throughput]
        assert beaten_by, "at least as good in both"
        if n in best:
            assert all(points[i] == points[n] for i in beaten_by)


@given(st.floats(0.01, 1e6), st.floats(1.01, 1e4), st.booleans())
def test_ticks_are_few_lie_within_and_rise(low, times, log):
    axis = Axis(low, low * times, 0.0, 100.0, log)
    ticks = axis.ticks()
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 14
    assert all(-0.01 <= axis.at(tick) <= 100.01 for tick in ticks)


@given(st.lists(st.tuples(st.integers(70, 700), st.integers(20, 300)), min_size=2, max_size=8))
def test_labels_stay_within_the_picture(points):
    within = Box(60, 0, 700, 340)
    for x, y in points:
        box = place(x, y, 90, 18, [], within)
        assert box.x >= within.x and box.x + box.width <= within.x + within.width
