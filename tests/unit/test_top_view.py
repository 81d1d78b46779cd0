"""The live terminal view fits every terminal, says what is not known, and cuts instead of wrapping."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from streamlab.cli.top_view import Order, Shown, as_json, screen
from streamlab.metrics.positions import Positions
from streamlab.metrics.snapshot import GroupSnapshot, ServerSnapshot, Snapshot, TopicSnapshot


def a_group(name="revenue", lag=10, rate=5.0, state="Stable"):
    return GroupSnapshot(name, state, 1, "cooperative-sticky", [], Positions.of([]), lag, 1500, rate)


def a_topic(name="orders", rate=100.0, internal=False):
    return TopicSnapshot(name, [], 1_234_567, 48 << 20, rate, 12_000.0, None, ["revenue"], internal)


def a_snapshot(groups=(), topics=()):
    server = ServerSnapshot("7.0.15", "redis", 9, 1 << 20, 0, 3, 1234.5, True, 0.25)
    return Snapshot(
        1, 1_700_000_000_000, 3.0, {t.topic: t for t in topics}, {g.group: g for g in groups}, server
    )


MANY = a_snapshot(
    [a_group(f"group-{n}-日本語-with-a-long-name", lag=n) for n in range(60)],
    [a_topic(f"topic-{n}", rate=float(n)) for n in range(200)],
)


def drawn(snapshot, width=120, height=40, shown=Shown(), **more):  # noqa: B008
    return [line.plain for line in screen(snapshot, width, height, shown, **more)]


@pytest.mark.parametrize("width", [1, 5, 12, 20, 33, 40, 80, 81, 132, 400])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 8, 10, 24, 300])
def test_it_never_draws_over_the_edge_of_the_terminal(width, height):
    lines = drawn(MANY, width, height)
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width


def test_a_narrow_terminal_keeps_what_matters_most():
    heads = [line.split() for line in drawn(a_snapshot([a_group()], [a_topic()]), width=44)]
    assert ["GROUP", "LAG", "TIME-LAG"] in heads
    assert ["TOPIC", "BYTES/S", "RECORDS/S"] in heads or ["TOPIC", "RECORDS/S", "BYTES/S"] in heads


def test_a_wide_terminal_shows_all_columns():
    lines = drawn(a_snapshot([a_group()], [a_topic()]), width=140)
    assert any("MEMBERS" in line and "ASSIGNOR" in line and "LOST" in line for line in lines)
    assert any("MAX/MEAN" in line and "GROUPS" in line for line in lines)


def test_what_is_not_known_is_a_dash_and_not_a_zero():
    [row] = [line for line in drawn(a_snapshot([a_group(lag=None, rate=None)])) if line.startswith("revenue")]
    assert row.split()[3] == "-" and "0.0" not in row


def test_it_says_how_many_rows_there_is_no_room_for():
    lines = drawn(MANY, height=24)
    more = [int(line.split()[2]) for line in lines if line.startswith("… and ")]
    shown = sum(line.startswith(("group-", "topic-")) for line in lines)
    assert len(more) == 2 and shown + sum(more) == 260


def test_groups_are_sorted_by_lag_and_topics_by_rate_unless_asked_otherwise():
    snapshot = a_snapshot(
        [a_group("a", lag=1, rate=9.0), a_group("b", lag=5, rate=1.0), a_group("c", lag=None)],
        [a_topic("x", rate=1.0), a_topic("y", rate=2.0)],
    )

    def names(order):
        found = as_json(snapshot, Shown(order))
        return [g["group"] for g in found["groups"]], [t["topic"] for t in found["topics"]]

    assert names(Order.LAG) == (["b", "a", "c"], ["y", "x"])
    assert names(Order.RATE) == (["a", "c", "b"], ["y", "x"])
    assert names(Order.NAME) == (["a", "b", "c"], ["x", "y"])


def test_internal_topics_are_shown_when_asked_for():
    snapshot = a_snapshot(topics=[a_topic("__streamlab.events", internal=True)])
    assert not any("__streamlab" in line for line in drawn(snapshot))
    assert any("__streamlab" in line for line in drawn(snapshot, shown=Shown(internal=True)))


def test_old_figures_say_why_they_are_old():
    assert (
        "server cannot be reached"
        in drawn(a_snapshot(), shown=Shown(trouble="The server cannot be reached"))[-1]
    )


def test_names_cannot_upset_the_terminal():
    assert all("\x1b" not in line for line in drawn(a_snapshot([a_group("\x1b[31mred\n")])))
