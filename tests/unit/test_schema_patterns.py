"""Patterns of JSON Schemas are searched for in bounded time, whoever wrote them and whatever they are held against."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.schemas.errors import InvalidSchemaError
from streamlab.schemas.json_schema import parse
from streamlab.schemas.patterns import TextTooLong, pattern

ENDLESS = [
    "^(a+)+$",
    "(a|a)*$",
    "^(a?){40}a{40}$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "a*" * 20 + "b",
    "a?" * 40 + "a" * 40,
]
"""`re` would take years for a text of 100 letters."""


@pytest.mark.parametrize("endless", ENDLESS)
def test_a_pattern_that_tries_every_way_is_searched_by_an_automaton(endless):
    schema = parse(
        json.dumps({"patternProperties": {endless: False}, "additionalProperties": {"pattern": endless}})
    )
    assert pattern(endless).longest < 40  # else `re` would be asked, and would not answer
    assert pattern("^(a+)+$").is_in("a" * 5_000)
    assert not schema.accepts({"x" * 50 + "!": "a" * 39 + "!"})


def test_a_long_text_is_not_searched_letter_by_letter_from_each_of_its_letters():
    assert pattern("[a-z]+[0-9]+$").longest < 1_000
    assert not pattern("[a-z]+[0-9]+$").is_in("a" * 1_000_000)


@pytest.mark.parametrize("hopeless", [r"^(a+)+\1$", r"(?=(a+)+$)b", r"(a|b|ab)*(?<!c)$"])
def test_a_pattern_that_no_automaton_can_run_is_refused_when_it_could_take_for_ever(hopeless):
    with pytest.raises(InvalidSchemaError, match="could take for ever"):
        parse(json.dumps({"properties": {"name": {"pattern": hopeless}}}))


def test_one_that_looks_ahead_is_taken_for_texts_that_are_not_too_long():
    password = r"^(?=.*[0-9])(?=.*[a-z]).{8,}$"
    schema = parse(json.dumps({"pattern": password}))
    assert schema.accepts("abcdefg1") and not schema.accepts("abcdefgh")
    with pytest.raises(TextTooLong):
        pattern(password).is_in("a" * 2_000_000)
    assert schema.error("a" * 2_000_000)[1].startswith("2000000 characters are too many")


def test_beside_unevaluated_properties_only_quick_patterns_are_taken():
    with pytest.raises(InvalidSchemaError, match="unevaluatedProperties"):
        parse(
            json.dumps(
                {
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "patternProperties": {"^(a+)+$": True},
                    "unevaluatedProperties": False,
                }
            )
        )


USUAL = [
    r"^\d{4}-\d{2}-\d{2}$", r"^[A-Z]{2}[0-9]+$", r"^(\d{1,3}\.){3}\d{1,3}$", r"^[^@\s]+@[^@\s]+\.[a-z]+$",
    r"^(GET|POST)$", r"^([a-z]+-)*[a-z]+$", r"colou?r", r"^\S*$",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(alphabet="ab1-.@ GETcolur", max_size=20), st.from_regex("|".join(USUAL), fullmatch=False)
)


@given(st.sampled_from(USUAL), TEXTS.filter(lambda text: not text.endswith("\n")))
def test_whoever_searches_finds_the_same(text_of_pattern, text):
    assert pattern(text_of_pattern).is_in(text) == (re.search(text_of_pattern, text) is not None)


@pytest.mark.parametrize("usual", USUAL)
def test_usual_patterns_are_left_to_python_for_usual_lengths(usual):
    assert pattern(usual).longest >= 50 or usual == r"^([a-z]+-)*[a-z]+$"
