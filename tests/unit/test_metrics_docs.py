"""docs/metrics.md, the table of names and what metrics() returns say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamlab.connection import Connection
from streamlab.consumer import Consumer
from streamlab.delivery.tally import Tally
from streamlab.metrics.names import NAMES
from streamlab.producer import Producer

TEXT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
ROWS = re.findall(r"^\| `([a-z0-9-]+)` \| `([a-z-]+)` \| ([^|]+) \|", TEXT, re.MULTILINE)


def test_the_page_has_every_figure_with_its_group_and_unit():
    written = [(name, group, unit) for name, group, unit in ROWS]
    assert written == [(n, group, m.unit or "-") for group, named in NAMES.items() for n, m in named.items()]
    assert len(written) > 50


@pytest.mark.parametrize("program", [Producer, Consumer])
def test_metrics_returns_exactly_the_figures_of_the_table(program):
    client = program(Connection("redis://127.0.0.1:1/0"))
    try:
        found = client.metrics()
    finally:
        client.close(0)
    assert found.keys() < NAMES.keys()
    for group, figures in found.items():
        assert figures.keys() == NAMES[group].keys()


def test_a_worker_has_the_figures_of_the_table():
    counted = set(Tally().named())
    assert counted < NAMES["worker-metrics"].keys()


def test_kafkas_names_are_those_that_kafka_python_or_kafka_has():
    from kafka.consumer import fetcher
    from kafka.producer import sender

    theirs = Path(str(fetcher.__file__)).read_text() + Path(str(sender.__file__)).read_text()
    shared = [n for named in NAMES.values() for n, m in named.items() if m.kafkas and f"'{n}'" in theirs]
    assert {"batch-size-avg", "record-queue-time-max", "fetch-size-avg", "records-lag-max"} <= set(shared)
    ours = [n for named in NAMES.values() for n, m in named.items() if not m.kafkas and f"'{n}'" in theirs]
    assert ours == []
