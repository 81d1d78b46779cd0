"""docs/advisor.md and the rules of the advisor say the same."""

from __future__ import annotations

import re
from pathlib import Path

from streamlab.advisor import rules

TEXT = (Path(__file__).parents[2] / "docs" / "advisor.md").read_text()


def test_the_page_has_every_rule_and_no_other():
    assert re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE) == list(rules.NAMES)


def test_the_page_has_every_limit_with_its_values():
    table = TEXT.partition("| limit | enter |")[2].partition("\n\n")[0]
    written = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)
    expected = [(x.name, f"{x.enter:g}", f"{x.leave:g}", x.unit, x.says) for x in rules.LIMITS]
    assert written == expected


def test_limits_have_names_of_their_own():
    names = [limit.name for limit in rules.LIMITS]
    assert len(names) == len(set(names))
