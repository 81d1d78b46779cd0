"""A stopped group is moved: the plan says exactly what it would mean, and all of it is committed or nothing is."""

from __future__ import annotations

import json
import shlex
import subprocess
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

import streamlab
from streamlab.cli.app import app
from streamlab.connection import Connection
from streamlab.errors import (
    CommitFailedError,
    KafkaConnectionError,
    NonEmptyGroupError,
    NoOffsetForPartitionError,
    StalePlanError,
)
from streamlab.groups import offsets, reset
from streamlab.groups.reset import ShiftBy, Stay
from streamlab.log import PartitionLog
from streamlab.metrics.collect import Collector
from streamlab.model import OffsetSpec, OffsetTimestamp, TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic, numbered, produce, read, settle, values
from tests.fault_proxy import FaultProxy
from tests.integration.log_builder import ORDERS, LogBuilder
from tests.shell import Shell
from tests.waiting import until

HEADS = [
    "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET", "CURRENT-OFFSET", "AGAIN", "SKIPPED",
    "CURRENT-APPENDED", "NEW-APPENDED", "SPAN",
]  # fmt: skip


@pytest.fixture
def log(broker):
    return LogBuilder(broker)


@pytest.fixture
def shell(redis_url, tmp_path):
    running = Shell(redis_url, tmp_path)
    yield running
    running.stop_all()


@pytest.fixture
def cli(redis_url, tmp_path, monkeypatch):
    """Runs a command in this process, so that something can be made to happen in the middle of it."""
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["groups", "reset-offsets", *arguments])


def partition_log(broker):
    return PartitionLog(broker.connection, Topics(broker.connection))


def plan(broker, targets, group="g"):
    return reset.plan(broker.connection, partition_log(broker), group, targets)


def execute(broker, planned):
    return reset.execute(broker.connection, partition_log(broker), planned)


def the_row(broker, target, partition=ORDERS):
    return plan(broker, {partition: target}).partitions[0]


def committed(broker, group="g"):
    return {str(p): c.offset for p, c in broker.admin().list_group_offsets(group)[group].items()}


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


# where a target leads


@pytest.fixture
def hundred(log):
    """Offsets 20 to 99 in batches of ten, each of its own ms; the group stands at 50. The ids of all ten batches."""
    log.topic()
    ids = log.batches(10)
    log.broker.admin().delete_records({ORDERS: 20})
    log.commit("g", 50, ids[4])
    return ids


@pytest.mark.parametrize(
    ("target", "new"),
    [
        (OffsetSpec.EARLIEST, 20),
        (OffsetSpec.LATEST, 100),
        (Stay.CURRENT, 50),
        (0, 20),
        (20, 20),
        (73, 73),
        (100, 100),
        (ShiftBy(7), 57),
        (ShiftBy(-7), 43),
        (ShiftBy(0), 50),
    ],
)
def test_a_target_leads_to_an_offset_inside_the_log(broker, hundred, target, new):
    assert the_row(broker, target).new == new


@pytest.mark.parametrize(
    ("target", "new", "warning"),
    [
        (19, 20, "offset 19 lies before the log start, so the log start 20 is taken"),
        (-1, 20, "offset -1 lies before the log start, so the log start 20 is taken"),
        (101, 100, "offset 101 lies past the log end, so the log end 100 is taken"),
        (ShiftBy(-31), 20, "offset 19 lies before the log start, so the log start 20 is taken"),
        (ShiftBy(51), 100, "offset 101 lies past the log end, so the log end 100 is taken"),
    ],
)
def test_what_lies_outside_is_clamped_with_a_warning(broker, hundred, target, new, warning):
    row = the_row(broker, target)
    assert (row.new, row.warning, row.error) == (new, warning, None)


@pytest.mark.parametrize("target", [OffsetSpec.EARLIEST, 20, 100, ShiftBy(-30), ShiftBy(50)])
def test_what_lies_inside_is_not_warned_of(broker, hundred, target):
    assert the_row(broker, target).warning is None


def test_a_time_leads_to_the_first_record_appended_then_or_later(broker, hundred):
    for number in range(2, 10):
        ms = hundred[number].append_ms
        assert the_row(broker, OffsetTimestamp(ms)).new == number * 10
        assert the_row(broker, OffsetTimestamp(hundred[number - 1].append_ms + 1)).new == number * 10
    assert the_row(broker, OffsetTimestamp(0)).new == 20


def test_a_time_never_leads_to_records_that_were_deleted(broker, hundred):
    broker.admin().delete_records({ORDERS: 25})  # in the middle of a batch
    assert the_row(broker, OffsetTimestamp(hundred[2].append_ms)).new == 25


def test_a_time_without_a_later_record_is_the_log_end_with_a_warning(broker, hundred):
    row = the_row(broker, OffsetTimestamp(hundred[9].append_ms + 1))
    assert row.new == 100
    assert row.warning.startswith("no record was appended at or after 20")
    assert row.warning.endswith("so the log end 100 is taken")


def test_a_partition_that_was_never_written_to_can_be_reset(broker):
    partition = TopicPartition(a_topic(broker), 0)
    planned = plan(broker, {partition: OffsetTimestamp(1)})
    assert (planned.partitions[0].new, planned.partitions[0].entry) == (0, None)
    assert execute(broker, planned) == {partition: None}
    assert committed(broker) == {str(partition): 0}


def test_without_a_commit_a_shift_is_impossible_and_current_is_the_log_end(broker, hundred):
    other = {ORDERS: ShiftBy(1)}
    assert plan(broker, other, "h").partitions[0].error == "nothing is committed here that could be shifted"
    row = plan(broker, {ORDERS: Stay.CURRENT}, "h").partitions[0]
    assert (row.new, row.warning) == (100, "nothing is committed, so the log end 100 is taken")


# what a plan says


def test_the_plan_counts_what_is_repeated_in_records_and_time(broker, hundred):
    row = the_row(broker, 25)
    assert (row.again, row.skipped) == (25, 0)
    assert (row.current_append_ms, row.new_append_ms) == (hundred[5].append_ms, hundred[2].append_ms)
    assert row.span_ms == hundred[4].append_ms - hundred[2].append_ms, "from record 25 to record 49"


def test_the_plan_counts_what_is_skipped_and_there_is_no_time_at_the_log_end(broker, hundred):
    row = the_row(broker, OffsetSpec.LATEST)
    assert (row.again, row.skipped) == (0, 50)
    assert (row.current_append_ms, row.new_append_ms) == (hundred[5].append_ms, None)
    assert row.span_ms == hundred[9].append_ms - hundred[5].append_ms


def test_records_that_are_gone_are_neither_repeated_nor_skipped(broker, log, hundred):
    log.commit("g", 5, hundred[0])
    row = the_row(broker, 30)
    assert (row.again, row.skipped, row.current_append_ms) == (0, 10, None)
    log.commit("g", 500, None)
    row = the_row(broker, 90)
    assert (row.again, row.skipped, row.current_append_ms) == (10, 0, None)


def test_what_is_not_known_is_none(broker, hundred):
    row = plan(broker, {ORDERS: 30}, "h").partitions[0]
    assert (row.current, row.again, row.skipped, row.span_ms) == (None, None, None, None)
    assert row.new_append_ms == hundred[3].append_ms


def test_a_step_of_nothing_repeats_and_skips_nothing(broker, hundred):
    row = the_row(broker, Stay.CURRENT)
    assert (row.again, row.skipped, row.span_ms) == (0, 0, None)


def test_a_plan_changes_nothing(broker, hundred):
    before = broker.connection.client.hgetall("sl:{orders/0}:commits")
    the_row(broker, 30)
    assert broker.connection.client.hgetall("sl:{orders/0}:commits") == before


# execution


def test_what_was_planned_is_committed_and_read(broker):
    topic = a_topic(broker, 2)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    for partition in (first, second):
        produce(broker, topic, numbered(10), partition=partition.partition)
    broker.admin().alter_group_offsets("g", {first: 10, second: 10})
    assert execute(broker, plan(broker, {first: 3, second: ShiftBy(-1)})) == {first: None, second: None}
    with broker.consumer(topic, group_id="g") as consumer:
        got = read(consumer, 8)
    assert sorted((r.partition, r.value) for r in got) == [(0, v) for v in numbered(7, 3)] + [(1, b"9")]


@pytest.mark.parametrize("offset", [20, 21, 40, 45, 50, 99])
def test_the_time_lag_is_exact_after_a_reset(broker, hundred, offset):
    assert execute(broker, plan(broker, {ORDERS: offset})) == {ORDERS: None}
    collector = Collector(broker.connection)
    try:
        found = collector.collect(1)
    finally:
        collector.close()
    (row,) = found.groups["g"].partitions
    assert row.time_lag_ms == found.as_of_ms - hundred[offset // 10].append_ms


def test_the_entry_of_the_record_before_is_committed(broker, hundred):
    execute(broker, plan(broker, {ORDERS: 40}))
    assert offsets.fetch(broker.connection, "g", [ORDERS])[ORDERS].entry == hundred[3]
    execute(broker, plan(broker, {ORDERS: 20}))
    assert offsets.fetch(broker.connection, "g", [ORDERS])[ORDERS].entry is None, "it was deleted"


def test_a_group_that_nobody_knew_comes_into_being(broker, hundred):
    execute(broker, plan(broker, {ORDERS: 30}, "fresh"))
    assert "fresh" in [group["group_id"] for group in broker.admin().list_groups()]
    assert committed(broker, "fresh") == {"orders/0": 30}


def test_one_impossible_partition_stops_all(broker, log):
    log.topic(partitions=2)
    log.append()
    log.commit("g", 5, None)
    planned = plan(broker, {ORDERS: ShiftBy(1), TopicPartition("orders", 1): ShiftBy(1)})
    with pytest.raises(NoOffsetForPartitionError, match="orders/1: nothing is committed"):
        execute(broker, planned)
    assert committed(broker) == {"orders/0": 5}


def test_a_running_group_is_refused(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    partition = TopicPartition(topic, 0)
    with broker.consumer(topic, group_id="g", auto_offset_reset="earliest") as consumer:
        assert values(read(consumer, 3)) == numbered(3)
        consumer.commit()
        planned = plan(broker, {partition: 0})
        with pytest.raises(NonEmptyGroupError, match="'g' has running members"):
            execute(broker, planned)
        assert committed(broker) == {str(partition): 3}


def test_a_commit_between_plan_and_execution_is_not_overwritten(broker, hundred):
    planned = plan(broker, {ORDERS: 20})
    broker.admin().alter_group_offsets("g", {ORDERS: 60})
    with pytest.raises(StalePlanError, match=r"the group committed on orders/0\. Make the plan again"):
        execute(broker, planned)
    assert committed(broker) == {"orders/0": 60}


def test_a_first_commit_between_plan_and_execution_is_not_overwritten(broker, hundred):
    planned = plan(broker, {ORDERS: 20}, "h")
    broker.admin().alter_group_offsets("h", {ORDERS: 60})
    with pytest.raises(StalePlanError):
        execute(broker, planned)
    assert committed(broker, "h") == {"orders/0": 60}


def test_a_commit_of_the_same_offset_counts_too(broker, log, hundred):
    planned = plan(broker, {ORDERS: 20})
    until(lambda: broker.connection.server_time_ms() > planned.partitions[0].current.commit_ms)
    log.commit("g", 50, hundred[4])
    with pytest.raises(StalePlanError):
        execute(broker, planned)


def test_a_commit_in_the_very_last_moment_is_not_overwritten(broker, monkeypatch):
    """A consumer that was assigned by hand is no member, so only the claim can stop it."""
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    partition = TopicPartition(topic, 0)
    with broker.consumer(group_id="g", enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        consumer.commit({partition: 4})
        planned = plan(broker, {partition: 0})
        claim = offsets.claim

        def commit_first(*arguments):
            monkeypatch.setattr(offsets, "claim", claim)
            consumer.commit({partition: 7})
            return claim(*arguments)

        monkeypatch.setattr(offsets, "claim", commit_first)
        with pytest.raises(StalePlanError, match="the group committed on"):
            execute(broker, planned)
        assert committed(broker) == {str(partition): 7}


def test_who_commits_by_hand_is_refused_from_then_on(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    partition = TopicPartition(topic, 0)
    with broker.consumer(group_id="g", enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        consumer.commit({partition: 4})
        execute(broker, plan(broker, {partition: 0}))
        with pytest.raises(CommitFailedError):
            consumer.commit({partition: 7})
    assert committed(broker) == {str(partition): 0}


def test_a_refused_reset_leaves_who_commits_by_hand_alone(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    partition = TopicPartition(topic, 0)
    with broker.consumer(group_id="g", enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        planned = plan(broker, {partition: 0})
        consumer.commit({partition: 4})
        with pytest.raises(StalePlanError):
            execute(broker, planned)
        consumer.commit({partition: 7})
    assert committed(broker) == {str(partition): 7}


def test_retention_between_plan_and_execution_is_noticed(broker, hundred):
    planned = plan(broker, {ORDERS: OffsetSpec.EARLIEST})
    broker.admin().delete_records({ORDERS: 30})
    with pytest.raises(StalePlanError, match="offset 20 of orders/0 is not in the log any more"):
        execute(broker, planned)
    assert committed(broker) == {"orders/0": 50}


@pytest.mark.standalone_only
def test_a_lost_reply_to_the_commit_is_settled(broker, redis_url, monkeypatch):
    partition = TopicPartition(a_topic(broker), 0)
    produce(broker, partition.topic, numbered(10))
    broker.admin().alter_group_offsets("g", {partition: 10})
    proxy = FaultProxy(urlsplit(redis_url).path)
    commit = offsets.commit

    def with_a_lost_reply(*arguments):
        monkeypatch.setattr(offsets, "commit", commit)
        proxy.drop_replies_to = b"EVALSHA"
        return commit(*arguments)

    try:
        with streamlab.connect(proxy.url) as through:
            planned = plan(through, {partition: 2})
            monkeypatch.setattr(offsets, "commit", with_a_lost_reply)
            assert execute(through, planned) == {partition: None}
        assert proxy.dropped == 1
    finally:
        proxy.close()
    assert committed(broker) == {str(partition): 2}


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


def test_a_commit_that_did_not_reach_the_server_is_repeated(broker, hundred, monkeypatch):
    commit = offsets.commit

    def cut(*arguments):
        monkeypatch.setattr(offsets, "commit", commit)
        raise KafkaConnectionError("cut")

    monkeypatch.setattr(offsets, "commit", cut)
    assert execute(broker, plan(broker, {ORDERS: 20})) == {ORDERS: None}
    assert committed(broker) == {"orders/0": 20}


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


# the admin


def test_the_admin_resets_as_kafka_python_s_does(broker, hundred):
    admin = broker.admin()
    done = admin.reset_group_offsets("g", {ORDERS: OffsetSpec.EARLIEST})
    assert done == {ORDERS: {"error": None, "offset": 20}}
    assert (
        admin.reset_group_offsets("g", {ORDERS: OffsetTimestamp(hundred[3].append_ms)})[ORDERS]["offset"]
        == 30
    )
    for behind in (1_000, -1, OffsetSpec.LATEST):
        assert admin.reset_group_offsets("g", {ORDERS: behind})[ORDERS]["offset"] == 100
    with pytest.raises(NoOffsetForPartitionError, match="LATEST_TIERED is not supported"):
        admin.reset_group_offsets("g", {ORDERS: OffsetSpec.LATEST_TIERED})
    assert admin.reset_group_offsets("g", {}) == {}
    with pytest.raises(TypeError, match="not 'earliest'"):
        admin.reset_group_offsets("g", {ORDERS: "earliest"})
    assert committed(broker) == {"orders/0": 100}


# the shell


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
def test_what_goes_wrong_is_said_in_words(shell, log, arguments, code, complaint):
    log.topic()
    done = shell("groups", "reset-offsets", "g", *arguments)
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
def test_a_file_that_is_wrong_is_refused_with_its_line(shell, text, complaint):
    done = shell("groups", "reset-offsets", "g", "--from-file", "-", stdin=text.encode())
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
