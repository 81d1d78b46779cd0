"""Skew: how unevenly amounts spread, by rules that hold for any amounts."""

from __future__ import annotations

from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.metrics.skew import gini, hot, skew

amounts = st.lists(st.integers(0, 10**15), min_size=2, max_size=50).filter(any)


@pytest.mark.parametrize(
    ("why", "given", "found"),
    [
        ("one of three takes nearly all", [10, 11, 98], [2]),
        ("two cannot tell which is the odd one", [1, 1_000_000], []),
        ("all equal", [7, 7, 7, 7], []),
        ("a hair above equals is not hot", [100, 100, 100, 101], []),
        ("half as much again is not yet, for it must be above", [100, 100, 100, 150], []),
        ("twice as much as equals is", [100, 100, 100, 200], [3]),
        ("everything on one", [0, 0, 90, 0], [2]),
        ("nine records tell nothing", [0, 0, 9, 0], []),
        ("forty are what chance may do", [8, 8, 8, 16], []),
        ("fifty-odd may be chance still", [10, 10, 10, 22], []),
        ("and are none any more when far off", [10, 10, 10, 23], [3]),
        ("a wide spread hides nobody but the extreme", [10, 60, 110, 400], [3]),
        ("a wide spread alone is no hot spot", [10, 60, 110, 130], []),
        ("two hot ones hide each other, as with any rule by deviation", [1, 1, 50, 50], []),
        ("nothing anywhere", [0, 0, 0], []),
    ],
)
def test_hot(why: str, given: list[int], found: list[int]) -> None:
    assert hot(given) == found, why


def test_nothing_to_compare_is_no_skew() -> None:
    assert skew([]) is None
    assert skew([5]) is None
    assert skew([0, 0, 0]) is None


@given(amounts)
def test_every_measure_stays_in_its_range(given: list[int]) -> None:
    measured = skew(given)
    assert measured is not None
    assert 1 <= measured.max_over_mean <= len(given)
    assert measured.variation >= 0
    assert -1e-9 <= measured.gini <= 1 + 1e-9


@given(amounts)
def test_variation_is_the_deviation_by_the_mean(given: list[int]) -> None:
    measured = skew(given)
    assert measured is not None
    assert measured.variation == pytest.approx(pstdev(given) / fmean(given), rel=1e-6, abs=1e-6)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=30).filter(any))
def test_gini_is_half_the_mean_difference_stretched(given: list[int]) -> None:
    n = len(given)
    differences = sum(abs(a - b) for a in given for b in given)
    assert gini(given) == pytest.approx(differences / (2 * n * sum(given)) * n / (n - 1))


@given(st.integers(1, 10**9), st.integers(2, 50))
def test_equal_amounts_are_perfectly_even(amount: int, n: int) -> None:
    measured = skew([amount] * n)
    assert measured is not None
    assert (measured.max_over_mean, measured.variation, measured.gini) == (1.0, 0.0, 0.0)
    assert measured.hot == []


@given(amounts, st.integers(2, 1000))
def test_neither_scale_nor_order_matters(given: list[int], factor: int) -> None:
    measured, larger = skew(given), skew([amount * factor for amount in given])
    backwards = skew(given[::-1])
    assert measured is not None and larger is not None and backwards is not None
    assert larger.gini == pytest.approx(measured.gini)
    assert larger.variation == pytest.approx(measured.variation)
    assert backwards.gini == pytest.approx(measured.gini)
    assert backwards.hot == sorted(len(given) - 1 - number for number in measured.hot)


@given(amounts)
def test_a_hot_partition_is_above_the_mean_and_its_two_deviations_of_the_others(given: list[int]) -> None:
    for number in hot(given):
        others = given[:number] + given[number + 1 :]
        assert given[number] >= fmean(others) + 2 * pstdev(others) - 1e-6 * max(given)
        assert given[number] > fmean(given)
