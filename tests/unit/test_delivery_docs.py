"""docs/delivery.md names every setting of a worker with its default, every metric and every verdict."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from streamlab import RetryPolicy
from streamlab.delivery import verdicts
from streamlab.delivery.tally import Tally
from streamlab.delivery.worker import DEFAULTS, WorkerOptions

TEXT = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_]+)` \| (.*?) \|", TEXT, re.MULTILINE))


def described(default: object) -> str:
    return f'`"{default}"`' if isinstance(default, str) else f"`{default!r}`"


@pytest.mark.parametrize(
    "field", [*fields(WorkerOptions), *fields(RetryPolicy)], ids=lambda field: field.name
)
def test_a_setting_stands_there_with_its_default(field):
    if field.name == "never_retry":
        assert all(f"`{mistake.__name__}`" in TEXT for mistake in field.default)
    elif field.name == "retry_on":
        assert ROWS[field.name] == "`(Exception,)`"
    elif field.default is MISSING:
        assert ROWS[field.name] == f"`{type(field.default_factory()).__name__}()`"
    else:
        default = (
            round(field.default) if isinstance(field.default, float) and field.default > 10 else field.default
        )
        assert ROWS[field.name] == described(default)


def test_nothing_is_described_that_does_not_exist():
    known = {field.name for field in [*fields(WorkerOptions), *fields(RetryPolicy)]}
    assert set(ROWS) - known == set()


def test_the_consumer_settings_that_differ_are_named():
    assert all(f"`{name}`" in TEXT and str(value) in TEXT for name, value in DEFAULTS.items())


def test_every_metric_of_a_tally_is_named():
    names = [
        name if not re.search(r"p9\d", name) else name.removeprefix("handler-latency")
        for name in Tally().named()
    ]
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_every_verdict_is_named():
    kinds = [
        v.__name__ for v in vars(verdicts).values() if isinstance(v, type) and issubclass(v, verdicts.Verdict)
    ]
    assert [name for name in kinds if name != "Verdict" and f"raise {name}" not in TEXT] == []


def test_the_example_is_a_program():
    [example] = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    compile(example, "docs/delivery.md", "exec")
