"""docs/dead-letters.md and the code say the same: every header, state, cause and option."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamlab.cli.letter_options import _FILTERS
from streamlab.delivery.dead_letter import Cause, headers_of
from streamlab.delivery.dead_letter_topics import RETENTION_MS
from streamlab.delivery.letter_headers import REPLAY_TABLE, TABLE, Header
from streamlab.delivery.letter_states import LetterState
from streamlab.delivery.replay_jobs import KEPT_MS, ReplayState
from streamlab.delivery.replay_pace import PATIENCE_S, WINDOW
from streamlab.delivery.replay_runner import LEASE_MS
from streamlab.delivery.replay_spec import GUARD_PERCENT, GUARD_SAMPLE
from tests.dead_letter_builders import a_letter, a_record

PAGE = (Path(__file__).parents[2] / "docs" / "dead-letters.md").read_text()
ROWS = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("header", [*TABLE, *REPLAY_TABLE], ids=lambda header: header.name)
def test_every_header_stands_in_the_page_as_the_code_writes_it(header: Header) -> None:
    assert (header.name, str(header.encoding), header.holds) in ROWS


def test_the_page_names_no_header_that_does_not_exist() -> None:
    assert sorted(name for name, _, _ in ROWS) == sorted(header.name for header in [*TABLE, *REPLAY_TABLE])


def test_no_letter_has_a_header_that_is_not_in_the_table() -> None:
    record = a_record(_headers=[("sl-original-topic", b"first"), ("sl-original-partition", b"1")])
    letter = a_letter(record, schema="orders-value", schema_version=3)
    names = {name for name, _ in headers_of(letter)} - {name for name, _ in record.headers}
    assert names <= {header.name for header in TABLE} and len(names) > 35


def test_states_causes_and_options_stand_in_the_page() -> None:
    for word in [*LetterState, *ReplayState]:
        assert f"| `{word}` |" in PAGE
    assert all(cause in PAGE for cause in Cause)
    for name in _FILTERS:
        assert f"`--{name.replace('_', '-')}`" in PAGE


def test_figures_in_the_page_are_those_of_the_code() -> None:
    assert f"for {RETENTION_MS // 86_400_000} days (`retention.ms`" in PAGE
    assert f"last {KEPT_MS // 86_400_000} days" in PAGE
    assert f"`--guard` percent ({GUARD_PERCENT:g})" in PAGE
    assert f"`--guard-sample` ({GUARD_SAMPLE})" in PAGE
    assert f"waits while {WINDOW:,} letters are unsettled" in PAGE
    assert f"not longer than {PATIENCE_S:g} s" in PAGE
    assert f"can go on after {LEASE_MS // 1000} s" in PAGE
