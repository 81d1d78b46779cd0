"""`streamlab groups reset-offsets`: a dry run by default, an undo file, and a word on everything that goes wrong."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from typer.testing import CliRunner

from streamlab.cli.app import app
from streamlab.connection import Connection
from streamlab.errors import (
    KafkaConnectionError,
    StalePlanError,
)
from streamlab.groups import offsets
from streamlab.model import TopicPartition
from tests.builders import a_topic, numbered, produce, settle
from tests.integration.log_builder import ORDERS, LogBuilder, a_hundred, committed
from tests.waiting import until

HEADS = [
    "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET", "CURRENT-OFFSET", "AGAIN", "SKIPPED",
    "CURRENT-APPENDED", "NEW-APPENDED", "SPAN",
]  # fmt: skip


@pytest.fixture
def log(broker):
    return LogBuilder(broker)


@pytest.fixture
def hundred(log):
    return a_hundred(log)


@pytest.fixture
def cli(redis_url, tmp_path, monkeypatch):
    """Runs a command in this process, so that something can be made to happen in the middle of it."""
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["groups", "reset-offsets", *arguments])


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_dry_run_is_the_default_and_shows_what_would_happen(shell, broker, hundred):
    done = shell("groups", "reset-offsets", "g", "--to-earliest", "--topic", "orders")
    assert (done.returncode, committed(broker)) == (0, {"orders/0": 50})
    heads, line = [line.split() for line in done.stdout.splitlines()]
    assert heads == HEADS
    assert line[:7] == ["g", "orders", "0", "20", "50", "30", "0"]
    assert (
        done.stderr
        == "Dry run: 30 records would be processed again, 0 would be skipped. --execute does it.\n"
    )
    assert list(shell.directory.iterdir()) == []


@pytest.mark.both_engines
def test_execute_does_it_and_says_how_to_undo_it(shell, broker, hundred):
    done = shell("groups", "reset-offsets", "g", "--to-latest", "--all-topics", "--execute")
    assert (done.returncode, committed(broker)) == (0, {"orders/0": 100})
    undo, said = done.stderr.splitlines()
    assert said == "Group g was reset: 0 records will be processed again, 50 will be skipped."
    assert [file.read_text() for file in shell.directory.iterdir()] == ["orders,0,50\n"]
    command = shlex.split(undo.removeprefix("Undo: "))
    undone = subprocess.run(command, capture_output=True, env=shell._environment, cwd=shell.directory)
    assert (undone.returncode, committed(broker)) == (0, {"orders/0": 50})


def test_the_undo_command_is_exact_whatever_the_group_s_name_and_wherever_the_server(
    shell, broker, log, redis_url
):
    log.topic()
    log.append()
    log.commit("-odd name/", 7, None)
    arguments = ["--to-latest", "--all-topics", "--execute", "--url", redis_url, "--", "-odd name/"]
    done = shell("groups", "reset-offsets", *arguments)
    command = shlex.split(done.stderr.splitlines()[0].removeprefix("Undo: "))
    elsewhere = shell._environment | {"STREAMLAB_URL": "redis://127.0.0.1:1/0"}
    assert committed(broker, "-odd name/") == {"orders/0": 10}
    undone = subprocess.run(command, capture_output=True, env=elsewhere, cwd=shell.directory)
    assert (undone.returncode, committed(broker, "-odd name/")) == (0, {"orders/0": 7})


def test_what_is_exported_can_be_reset_to(shell, broker, log):
    log.topic(partitions=3)
    for number, offset in ((0, 4), (2, 9)):
        log.append(partition=TopicPartition("orders", number))
        log.commit("g", offset, None, TopicPartition("orders", number))
    exported = shell("groups", "reset-offsets", "g", "--to-current", "--all-topics", "--export")
    assert exported.stdout == "orders,0,4\norders,2,9\n"
    (shell.directory / "backup.csv").write_text("topic,partition,offset\n" + exported.stdout)
    assert (
        shell("groups", "reset-offsets", "g", "--to-latest", "--topic", "orders", "--execute").returncode == 0
    )
    assert committed(broker) == {"orders/0": 10, "orders/1": 0, "orders/2": 10}
    assert shell("groups", "reset-offsets", "g", "--from-file", "backup.csv", "--execute").returncode == 0
    assert committed(broker) == {"orders/0": 4, "orders/1": 0, "orders/2": 9}
    done = shell(
        "groups", "reset-offsets", "g", "--from-file", "-", "--execute", "--export", stdin=b"orders,0,5\n"
    )
    assert done.stdout == "orders,0,5\n"
    assert committed(broker)["orders/0"] == 5


def test_a_scope_may_name_partitions_and_topics(cli, log):
    log.topic(partitions=3)
    log.topic("payments")
    done = cli("g", "--to-offset", "0", "--topic", "orders:2,0", "--topic", "payments", "--json")
    assert [(row["topic"], row["partition"]) for row in rows(done)] == [
        ("orders", 0), ("orders", 2), ("payments", 0),
    ]  # fmt: skip


def test_times_are_append_times(cli, hundred):
    from streamlab.cli.output import moment

    at_60 = moment(hundred[6].append_ms)
    done = cli("g", "--to-datetime", at_60, "--topic", "orders", "--json")
    assert rows(done)[0]["new_offset"] == 60
    naive = cli("g", "--to-datetime", at_60.removesuffix("Z"), "--topic", "orders", "--json")
    assert rows(naive)[0]["new_offset"] == 60
    assert rows(cli("g", "--by-duration", "PT1H", "--topic", "orders", "--json"))[0]["new_offset"] == 20
    until_now = cli("g", "--by-duration", "PT0S", "--topic", "orders", "--json")
    assert rows(until_now)[0]["new_offset"] in (90, 100), "90 only within the ms of the last append"


def test_json_says_everything_of_each_partition(cli, broker, hundred):
    done = cli("g", "--shift-by", "-100", "--topic", "orders", "--json", "--execute")
    assert rows(done) == [
        {
            "group": "g",
            "topic": "orders",
            "partition": 0,
            "current_offset": 50,
            "new_offset": 20,
            "log_start": 20,
            "log_end": 100,
            "again": 30,
            "skipped": 0,
            "current_append_ms": hundred[5].append_ms,
            "new_append_ms": hundred[2].append_ms,
            "span_ms": hundred[4].append_ms - hundred[2].append_ms,
            "warning": "offset -50 lies before the log start, so the log start 20 is taken",
            "error": None,
            "committed": True,
        }
    ]
    assert "warning: orders/0: offset -50 lies before the log start" in done.stderr
    dry = rows(cli("g", "--to-latest", "--topic", "orders", "--json"))[0]
    assert (dry["committed"], dry["new_append_ms"], dry["current_offset"]) == (False, None, 20)


def test_a_shift_without_a_commit_fails_with_the_partition_s_name(cli, broker, hundred):
    dry = cli("h", "--shift-by", "1", "--topic", "orders")
    assert dry.exit_code == 1
    assert "error: orders/0: nothing is committed here that could be shifted.\n" in dry.stderr
    assert dry.stdout.splitlines()[1].split()[:5] == ["h", "orders", "0", "-", "-"]


def test_the_shell_refuses_a_running_group_in_one_sentence(shell):
    shell("produce", "orders", stdin=b"a\n")
    shell.start("consume", "orders", "-g", "g", "--from-beginning")
    until(lambda: json.loads(shell("groups", "--json").stdout or '{"members": 0}')["members"] == 1)
    done = shell("groups", "reset-offsets", "g", "--to-earliest", "--topic", "orders", "--execute")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("streamlab: Group 'g' has running members. Stop them first. Or --live: ")
    assert done.stderr.count("\n") == 1


def test_a_refused_execution_leaves_no_undo_file(cli, tmp_path, broker, hundred, monkeypatch):
    def somebody_commits(context_plan, *arguments):
        broker.admin().alter_group_offsets("g", {ORDERS: 60})
        return undo(context_plan, *arguments)

    from streamlab.cli import reset as command

    undo = command._undo
    monkeypatch.setattr(command, "_undo", somebody_commits)
    done = cli("g", "--to-earliest", "--topic", "orders", "--execute")
    assert (done.exit_code, type(done.exception)) == (1, StalePlanError)
    assert (committed(broker), list(tmp_path.iterdir())) == ({"orders/0": 60}, [])


def test_partitions_that_a_new_member_took_meanwhile_are_named(cli, broker, monkeypatch):
    topic = a_topic(broker, 2)
    for number in range(2):
        produce(broker, topic, numbered(10), partition=number)
    broker.admin().alter_group_offsets("g", {TopicPartition(topic, n): 10 for n in range(2)})
    member = broker.consumer(topic, group_id="g")
    commit = offsets.commit

    def after_somebody_came(connection, group_id, commits):
        monkeypatch.setattr(offsets, "commit", commit)
        settle([member], 2)
        until(lambda: member.poll(10) is not None and member.committed(TopicPartition(topic, 1)) == 10)
        return commit(connection, group_id, commits)

    monkeypatch.setattr(offsets, "commit", after_somebody_came)
    try:
        done = cli("g", "--to-offset", "3", "--topic", topic, "--execute", "--json")
    finally:
        member.close()
    assert done.exit_code == 1
    assert f"0 of 2 partitions were reset. Not reset: {topic}/0: " in done.stderr
    assert f"{topic}/1 has another owner now" in done.stderr
    assert [row["committed"] for row in rows(done)] == [False, False]
    assert set(committed(broker).values()) == {10}


def test_an_undo_file_that_exists_is_not_overwritten(cli, tmp_path, broker, hundred):
    (tmp_path / "undo.csv").write_text("precious")
    done = cli("g", "--to-earliest", "--topic", "orders", "--execute", "--undo-file", "undo.csv")
    assert done.exit_code == 1
    assert "cannot be kept" in str(done.exception)
    assert ((tmp_path / "undo.csv").read_text(), committed(broker)) == ("precious", {"orders/0": 50})


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--topic", "orders"], 2, "Say where to"),
        (["--to-earliest", "--to-latest", "--topic", "orders"], 2, "Say where to"),
        (["--to-earliest", "--to-offset", "0", "--topic", "orders"], 2, "Say where to"),
        (["--to-earliest"], 2, "Say which partitions"),
        (["--to-earliest", "--topic", "orders", "--all-topics"], 2, "Say which partitions"),
        (["--to-earliest", "--topic", "orders:x"], 2, "TOPIC:0,1"),
        (["--to-earliest", "--topic", "orders:"], 2, "TOPIC:0,1"),
        (["--from-file", "x.csv", "--topic", "orders"], 2, "names the partitions itself"),
        (["--to-datetime", "yesterday", "--topic", "orders"], 2, "--to-datetime takes"),
        (["--by-duration", "P1M", "--topic", "orders"], 2, "--by-duration takes"),
        (["--by-duration", "P", "--topic", "orders"], 2, "--by-duration takes"),
        (["--by-duration", "-PT1H", "--topic", "orders"], 2, "--by-duration takes"),
        (["--to-earliest", "--topic", "orders", "--execute", "--dry-run"], 2, "Choose one"),
        (["--to-earliest", "--topic", "orders", "--export", "--json"], 2, "Choose one"),
        (["--to-earliest", "--all-topics"], 1, "'g' has committed nothing. Name topics with --topic"),
        (["--to-earliest", "--topic", "nobody"], 1, "There is no topic 'nobody'"),
        (["--to-earliest", "--topic", "orders:7"], 1, "There is no partition orders/7"),
        (["--from-file", "missing.csv"], 2, "cannot be read"),
    ],
)
def test_what_goes_wrong_is_said_in_words(shell_here, log, arguments, code, complaint):
    log.topic()
    done = shell_here("groups", "reset-offsets", "g", *arguments)
    said = " ".join(done.stderr.replace("│", " ").split())
    assert (done.returncode, done.stdout) == (code, "")
    assert complaint in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("orders,0\n", "Line 1 of stdin is not topic,partition,offset: 'orders,0'"),
        ("orders,0,1\norders,1,-1\n", "Line 2 of stdin"),
        ("g,orders,0,1\n", "Line 1 of stdin"),
        ("orders,0,1\n\norders,0,2\n", "Line 3 of stdin names orders/0 a second time"),
        ("topic,partition,offset\n", "There is no offset in stdin"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(shell_here, text, complaint):
    done = shell_here("groups", "reset-offsets", "g", "--from-file", "-", stdin=text.encode())
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


def test_offsets_are_reset_though_the_history_cannot_say_so(cli, broker, hundred, monkeypatch, tmp_path):
    broker.admin().alter_group_offsets("g", {ORDERS: 50})
    run = Connection.run

    def cut(self, name, *arguments):
        if name == "groups/tell_reset":
            raise KafkaConnectionError("cut")
        return run(self, name, *arguments)

    monkeypatch.setattr(Connection, "run", cut)
    assert cli("g", "--to-offset", "20", "--topic", "orders", "--execute").exit_code == 0
    assert committed(broker) == {"orders/0": 20}
    assert [path.read_text() for path in tmp_path.glob("*.undo.csv")] == ["orders,0,50\n"]


def test_what_is_not_committed_is_named_and_nothing_else(cli, broker, log, monkeypatch):
    log.topic(partitions=3)
    commit = offsets.commit

    def one_and_then_no_more(connection, group_id, commits):
        only = TopicPartition("orders", 1)
        commit(connection, group_id, {only: commits[only]})
        raise KafkaConnectionError("cut.")

    monkeypatch.setattr(offsets, "commit", one_and_then_no_more)
    done = cli("g", "--to-earliest", "--topic", "orders", "--execute", "--json")
    assert done.exit_code == 1
    assert [row["committed"] for row in rows(done)] == [False, True, False]
    said = "1 of 3 partitions were reset. Not reset: orders/0: cut.; orders/2: cut.\n"
    assert done.stderr.endswith(said)
    assert committed(broker) == {"orders/1": 0}
