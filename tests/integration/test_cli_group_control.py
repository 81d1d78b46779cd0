"""What the shell says and does when an operator works on a group."""

from __future__ import annotations

import json
import threading

import pytest

from streamlab.model import TopicPartition
from tests.builders import a_topic, numbered, poll_all, produce, settle
from tests.waiting import until


@pytest.fixture
def shell(shell_here):
    return shell_here


@pytest.fixture
def members(broker):
    """Two members of `g` on four partitions, polled in the background."""
    topic = a_topic(broker, 4)
    quick = {"auto_offset_reset": "earliest", "session_timeout_ms": 20_000, "heartbeat_interval_ms": 200}
    one = broker.consumer(topic, group_id="g", group_instance_id="one", **quick)
    two = broker.consumer(topic, group_id="g", **quick)
    settle([one, two], 4)
    over = threading.Event()

    def run():
        while not over.is_set():
            poll_all([one, two])

    thread = threading.Thread(target=run)
    thread.start()
    yield topic
    over.set()
    thread.join()
    one.close()
    two.close()


def test_a_rebalance_is_shown_first_and_then_done(shell, members):
    shown = shell("groups", "rebalance", "g", "--assignor", "roundrobin", "--json")
    preview = json.loads(shown.stdout)
    assert (preview["executed"], preview["assignor_before"]) == (False, "cooperative-sticky")
    assert f"Dry run: {len(preview['moves'])} of 4 partitions would move" in shown.stderr
    done = shell("groups", "rebalance", "g", "--assignor", "roundrobin", "--execute", "--json")
    assert json.loads(done.stdout)["epoch"] == preview["epoch"] + 1
    rows = until(lambda: shell("groups", "describe", "g", "--rebalances", "--json").stdout.splitlines())
    newest = until(lambda: json.loads(rows[0]))
    assert newest["cause"] in ("forced", "joined")
    until(lambda: "forced" in shell("groups", "describe", "g", "--rebalances").stdout)


def test_columns_are_kafka_s(shell, members):
    head, *rows = shell("groups", "describe", "g", "--members").stdout.splitlines()
    assert head.split() == [
        *("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS", "ASSIGNMENT"),
    ]
    assert sorted(row.split()[2] for row in rows) == ["-", "one"]
    state = shell("groups", "describe", "g", "--state").stdout.splitlines()
    assert state[0].split()[:5] == ["GROUP", "COORDINATOR", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"]
    assert state[1].split()[2:5] == ["cooperative-sticky", "Stable", "2"]


def test_a_pause_is_shown_and_ends(shell, broker, members):
    assert "until `resume`" in shell("groups", "pause", "g", "--reason", "maintenance").stderr
    until(lambda: json.loads(shell("groups", "describe", "g", "--json").stdout)["paused"])
    assert shell("groups", "describe", "g", "--state").stdout.splitlines()[1].endswith(": maintenance")
    refused = shell("groups", "pause", "g")
    assert (refused.returncode, "paused already" in refused.stderr) == (1, True)
    assert "reads on" in shell("groups", "resume", "g").stderr
    assert "was not paused" in shell("groups", "resume", "g").stderr


def test_groups_can_be_listed_by_state(shell, members):
    assert [json.loads(row)["group"] for row in _list(shell, "stable")] == ["g"]
    assert _list(shell, "Empty,Dead") == []
    wrong = shell("groups", "list", "--state", "Happy")
    assert (wrong.returncode, "--state takes Empty, " in wrong.stderr) == (2, True)


def _list(shell, state):
    return shell("groups", "list", "--state", state, "--json").stdout.splitlines()


def test_a_running_group_is_reset_live_and_can_be_put_back(shell, broker, members):
    for n in range(4):
        produce(broker, members, numbered(5), partition=n)
    here = TopicPartition(members, 0)

    def committed():
        return broker.admin().list_group_offsets("g")["g"]

    target = ["groups", "reset-offsets", "g", "--to-latest", "--topic", members]
    assert "running members" in shell(*target).stderr
    assert "Dry run" in shell(*target, "--live").stderr
    done = shell(*target, "--live", "--execute", "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(row)["committed"] for row in done.stdout.splitlines()] == [True] * 4
    until(lambda: committed().get(here) is not None)
    assert {position.offset for position in committed().values()} == {5}
    assert "Undo: " in done.stderr and list(shell.directory.glob("*.undo.csv"))


def test_a_group_is_deleted_only_when_it_is_empty(shell, broker):
    topic = a_topic(broker)
    consumer = broker.consumer(topic, group_id="g", auto_offset_reset="earliest")
    settle([consumer], 1)
    refused = shell("groups", "delete", "g", "--yes")
    assert (refused.returncode, "running members" in refused.stderr) == (1, True)
    consumer.close()
    assert "has been deleted" in shell("groups", "delete", "g", "--yes").stderr
    assert shell("groups", "delete", "g", "--yes").returncode == 1


def test_a_time_has_an_offset_and_an_offset_a_time(shell, broker):
    topic = a_topic(broker, 2)
    produce(broker, topic, numbered(3), partition=1)

    def rows(*options):
        done = shell("topics", "offsets", topic, *options, "--json")
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return [(row["partition"], row["offset"], row["append_ms"]) for row in found]

    first, last, empty = rows()
    assert [(p, o) for p, o, _ in (first, last, empty)] == [(1, 0), (1, 2), (0, None)]
    assert rows("--offset", "1", "--partition", "1")[0][2] >= first[2]
    assert rows("--offset", "9", "--partition", "1") == [(1, 9, None)]
    assert rows("--time", "2001-01-01") == [(0, None, None), (1, 0, first[2])]
    assert rows("--time", "2101-01-01") == [(0, None, None), (1, None, None)]
    assert "APPENDED" in shell("topics", "offsets", topic).stdout
    assert shell("topics", "offsets", topic, "--time", "x").returncode == 2
    assert shell("topics", "offsets", topic, "--partition", "7").returncode == 1
