"""Percentiles are right when summed; rates and means are of the last half minute."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.metrics.distribution import Distribution, added, bucket, percentile
from streamlab.metrics.of_consumer import Ages, Pace
from streamlab.metrics.windows import Window
from streamlab.model import ConsumerRecord


class AClock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return 0

    def wall_ms(self) -> int:
        return 0


def sketch(values: list[float]) -> dict[int, int]:
    return added({bucket(value): 1} for value in values)


numbers = st.lists(st.floats(min_value=0.01, max_value=1e7), min_size=1, max_size=200)


@given(numbers, numbers, st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_a_percentile_of_a_sum_is_within_one_percent_of_the_true_one(one, other, percent):
    everything = sorted(one + other)
    rank = max(0, -(-len(everything) * percent // 100) - 1)
    found = percentile(added([sketch(one), sketch(other)]), percent)
    assert found == pytest.approx(everything[rank], rel=0.0101)


def test_nothing_has_no_percentile_and_no_mean():
    read = Distribution().read()
    assert isnan(percentile({}, 50))
    assert isnan(read.mean)
    assert isnan(read.largest)


def test_what_is_older_than_half_a_minute_is_forgotten():
    clock = AClock()
    durations = Distribution(clock)
    durations.add(800.0)
    durations.add(2.0)
    assert (durations.read().count, durations.read().largest, durations.read().mean) == (2, 800.0, 401.0)
    clock.now += 29
    durations.add(4.0)
    assert durations.read().named("wait", 100)["wait-max"] == 800.0
    clock.now += 2
    assert (durations.read().count, durations.read().largest) == (1, 4.0)
    clock.now += 30
    assert durations.read().count == 0


def test_with_nobody_reading_memory_stays_bounded():
    durations = Distribution(AClock())
    for value in range(150_000):
        durations.add(float(value))
    assert durations.read().count == 100_000


def test_rates_are_of_the_last_half_minute_or_since_the_start():
    clock = AClock()
    window = Window(("records",), clock)
    clock.now += 10
    assert window.look({"records": 100}).rate("records") == 10.0
    for second in range(1, 61):
        clock.now += 1
        lately = window.look({"records": 100 + second})
    assert lately.rate("records") == pytest.approx(1.0)
    assert lately.elapsed_s == pytest.approx(30.0)


def test_the_first_moment_makes_no_huge_rate():
    clock = AClock()
    window = Window(("records", "requests"), clock)
    clock.now += 0.001
    lately = window.look({"records": 50, "requests": 0})
    assert lately.rate("records") == 50.0
    assert isnan(lately.each("records", "requests"))


def test_time_in_poll_counts_while_it_lasts():
    clock = AClock()
    pace = Pace(clock)
    pace.enter()
    clock.now += 3
    assert pace.inside_until(clock.now) == 3
    pace.leave()
    clock.now += 1
    pace.enter()
    pace.leave()
    assert pace.inside_until(clock.now) == 3
    assert pace.between_ms.read().largest == 4_000
    assert pace.polls == 2


def test_polls_in_quick_succession_are_told_by_the_next_one_and_none_is_forgotten():
    ages = Ages()
    polled = {0: [ConsumerRecord("t", 0, n, 1_000, None, b"") for n in range(10)]}
    for began in (5.0, 5.0005, 5.001, 5.0015, 5.003):
        if not ages.passes(polled, began):
            ages.note(polled[0], 1_000.0 + began, None)
    assert ages.ms.read().count == 50
