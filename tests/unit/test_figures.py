"""Numbers for humans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.presenters import figures
from dashboard.presenters.figures import DASH


@pytest.mark.parametrize(
    "make",
    [
        figures.count,
        figures.rate,
        figures.size,
        figures.byte_rate,
        figures.duration,
        figures.percent,
        figures.ratio,
    ],
)
def test_unknown_is_a_dash_with_a_reason_and_zero_is_zero(make):
    missing, zero = make(None), make(0)
    assert (missing.text, missing.value, missing.known) == (DASH, None, False)
    assert missing.exact
    assert zero.text == "0"
    assert zero.known


def test_the_given_reason_is_the_tooltip_of_what_is_unknown():
    drawn = str(figures.count(None, reason="Never <committed>"))
    assert drawn == '<abbr class="unknown" title="Never &lt;committed&gt;">—</abbr>'


def test_a_figure_carries_the_exact_value_for_machines_and_on_hover():
    drawn = str(figures.count(1_238_771))
    assert 'value="1238771"' in drawn
    assert 'title="1,238,771 records"' in drawn
    assert ">1.24 M<" in drawn


def test_a_unit_stands_apart_from_its_number_but_a_rate_touches_it():
    assert "12.3\N{NARROW NO-BREAK SPACE}<small>kB</small>" in str(figures.size(12_345))
    assert "42<small>/s</small>" in str(figures.rate(42))


@given(st.floats(min_value=0, max_value=1e17))
def test_a_count_is_never_long(value):
    assert len(figures.count(value).text) <= 9


@given(st.floats(min_value=0, max_value=1e13))
def test_a_duration_names_at_most_two_units(ms):
    assert len(figures.spell_duration(ms).split()) in (2, 4)


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=0, max_value=10**12))
def test_a_longer_duration_never_shows_a_smaller_exact_value(a, b):
    first, second = figures.duration(min(a, b)), figures.duration(max(a, b))
    assert (first.value or 0) <= (second.value or 0)


def test_a_moment_in_the_future_is_now():
    assert figures.moment(2_000, now_ms=1_000).text == "now"
