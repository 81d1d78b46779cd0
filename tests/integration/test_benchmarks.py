"""`make bench` with very small counts: every part measures what it says, and the report is true to what it found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks import (
    cluster,
    consume,
    groups,
    latency,
    machine,
    memory,
    produce,
    projections,
    replay,
    report,
    schemas,
    snapshot,
    worker,
)
from benchmarks.findings import Figure, Finding, Outcome, times_as_fast
from benchmarks.rounds import Spread, alternate
from benchmarks.scale import Scale
from benchmarks.server import Server, own_server

TINY = Scale(2, 3_000, 1_000, 3_000, 1_000, 0.3, 0.1, 1, (1_000,), handled=2_000, projected=2_000)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with own_server() as server:
        yield server


@pytest.mark.parametrize(
    "part",
    [produce, consume, latency, memory, worker, replay, projections, schemas, snapshot],
    ids=lambda part: part.PART,
)
def test_a_part_measures_every_contestant_and_judges_its_targets(part, server):
    outcome = part.run(server, TINY)
    assert all(figure.measured.low > 0 for figure in outcome.figures)
    assert all(figure.part == part.PART for figure in outcome.figures)
    assert any(finding.target and finding.met is not None for finding in outcome.findings)


@pytest.mark.slow
def test_a_cluster_is_measured_with_one_master_and_with_three(server):
    outcome = cluster.run(server, replace(TINY, rounds=1))
    found = {figure.who: figure.measured.median for figure in outcome.figures}
    assert all(found[who] > 0 for who in (cluster.ONE, cluster.THREE, cluster.COPIED, cluster.LATENCY))
    assert outcome.findings[0].target


@pytest.mark.slow
def test_joins_and_takeovers_are_measured_on_a_running_group(server):
    outcome = groups.run(server, replace(TINY, rounds=1))
    found = {figure.who: figure.measured for figure in outcome.figures}
    assert found[groups.JOIN].low > 0
    assert found[groups.UNMOVED] == (0.0, 0.0, 0.0)
    assert found[groups.TAKEOVER].high > -groups.SESSION_MS
    assert [finding.target != "" for finding in outcome.findings] == [True, False, True, True]


def test_without_redis_benchmark_it_says_so_and_judges_the_rest(server, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    outcome = produce.run(server, TINY)
    assert any("redis-tools" in remark for remark in outcome.remarks)
    assert {f.figure for f in outcome.findings if "redis-benchmark" in f.what} == {"not measured"}
    assert "2 not measured" in report.verdict({"produce": outcome})


def test_an_emptied_server_has_no_keys_and_a_short_aof(server):
    server.client.set("left", b"x" * 1_000_000)
    server.empty()
    assert server.client.dbsize() == 0
    assert server.client.info("persistence")["aof_current_size"] < 10_000


def test_the_ages_of_records_that_were_late_to_be_sent_count_from_when_they_were_due(server, monkeypatch):
    """A sender that starts by stalling makes every record old that it held up, not one."""
    sent: list[tuple[int, bytes]] = []

    def stalling(key: bytes, value: bytes) -> None:
        if not sent:
            latency.time.sleep(0.2)
        sent.append((latency.time.monotonic_ns(), value))

    latency._pace(stalling, 100)
    ages_ms = [(at - int.from_bytes(value[:8], "big")) / 1e6 for at, value in sent]
    assert sum(age > 80 for age in ages_ms) > 90


def test_contestants_take_turns():
    order: list[str] = []

    def turn(name: str):
        return lambda: order.append(name) or 1.0

    assert alternate({"a": turn("a"), "b": turn("b")}, 2) == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    assert order == ["a", "b", "a", "b"]


def test_a_ratio_is_taken_round_by_round_and_judged_by_its_median():
    slow_minute = times_as_fast("p", "w", [100.0, 10.0, 90.0], [20.0, 2.0, 10.0], at_least=5)
    assert (slow_minute.figure, slow_minute.met) == ("5.00 × (5.00–9.00)", True)
    assert times_as_fast("p", "w", [4.9], [1.0], at_least=5).met is False
    assert times_as_fast("p", "w", [4.9], [1.0]).met is None


def test_the_report_says_plainly_what_was_missed():
    findings = [
        Finding("consume", "ours / theirs", "7.90 × (7.00–9.00)", "≥ 8 ×", False),
        Finding("consume", "something else", "2.00 ×", "", None),
        Finding("latency", "p99", "4.0 ms (3.0–5.0)", "≤ 5 ms", True),
    ]
    outcomes = {"all": Outcome(findings, [Figure("consume", "ours", Spread(2.0, 1.0, 3.0), "ms")], [])}
    text = report.as_text(outcomes)
    assert "MISSED" in text
    assert text.endswith("1 of 2 targets met, 1 missed.")
    page = report.as_markdown(outcomes, machine.facts("redis 7.0.15"), ["A quiet hour."])
    assert "| consume | ours / theirs | 7.90 × (7.00–9.00) | ≥ 8 × | MISSED |" in page
    assert "| consume | ours | ms | 2.00 | 1.00 | 3.00 |" in page
    assert "A quiet hour." in page
