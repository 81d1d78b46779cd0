"""The lab with its real processes: loads start, follow changes while they run, come back, end."""

import json
import os
import signal
import threading
import time
from random import Random

import pytest

from streamlab.cli import main
from streamlab.errors import IllegalStateError, StaleConfigError
from streamlab.groups.describe import describe
from streamlab.lab.loads import sending
from streamlab.lab.loads.desired import MOST_LOADS, Loads
from streamlab.lab.loads.files import changed
from streamlab.lab.loads.handling import record_ms
from streamlab.lab.loads.load import Load
from streamlab.lab.loads.topic import prepare
from streamlab.lab.scenarios import SCENARIOS
from streamlab.metrics import telemetry
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.waiting import until


@pytest.fixture
def loads(broker):
    return Loads(broker.connection)


@pytest.fixture
def lab(shell, loads):
    running = shell.start("lab", "run")
    until(loads.status, 30, "the lab says that it is open")
    return running


def a_load(**changes) -> Load:
    few = {"producers.rate": "100", "partitions": "3", "producers.settings.linger_ms": "20"}
    return changed(Load(name="test"), few | changes)


def processes(loads, name="test") -> dict[str, int]:
    status = loads.status()
    found = status.loads.get(name) if status else None
    return {p.name: p.pid for p in found.processes if p.pid} if found else {}


def sent(broker, topic="lab-test") -> int:
    consumer = broker.consumer(group_id=None)
    try:
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
        return sum(consumer.end_offsets(partitions).values())
    finally:
        consumer.close()


def committed(broker, group="lab-test-readers") -> int:
    return sum(o.offset for o in broker.admin().list_group_offsets(group)[group].values())


def partitions(broker, topic="lab-test") -> int:
    spec = Topics(broker.connection).get(topic)
    return spec.partitions if spec else 0


def setting(broker, client_id, name):
    """As the newest client of that id has it; None while there is none."""
    found = [c for c in telemetry.read_all(broker.connection).values() if c.client_id == client_id]
    return max(found, key=lambda c: c.started_ms).values.get(name) if found else None


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_load_runs_follows_changes_and_ends_without_a_trace(lab, loads, broker):
    loads.start(a_load())
    until(lambda: sent(broker) > 50, 40, "records come")
    until(lambda: committed(broker) > 20, 40, "records are handled")
    producer = processes(loads)["producer-1"]

    loads.change(changed(loads.require("test").load, {"producers.rate": "0"}))
    until(lambda: committed(broker) == sent(broker), 40, "nothing comes any more, and all is handled")
    at_rest = sent(broker)

    faster = {"producers.rate": "200", "consumers.count": "2", "partitions": "4"}
    loads.change(changed(loads.require("test").load, faster))
    until(lambda: sent(broker) > at_rest + 100, 40, "it goes on")
    until(lambda: processes(loads).keys() == {"producer-1", "reader-1", "reader-2"}, 40)
    assert processes(loads)["producer-1"] == producer, "the producer was not started anew for it"
    assert partitions(broker) == 4

    pids = processes(loads)
    assert loads.stop("test")
    until(lambda: not any(runs(pid) for pid in pids.values()), 60, "its processes have ended")
    assert lab.poll() is None


def test_readers_of_a_stopped_load_read_what_is_left_and_end(lab, loads, broker):
    loads.start(a_load(**{"producers.rate": "150", "consumers.handler_ms": "9", "consumers.spread": "0"}))
    until(lambda: sent(broker) > committed(broker) + 150, 60, "the reader falls behind")
    pids = processes(loads)
    assert loads.stop("test")
    until(lambda: not runs(pids["producer-1"]), 60, "the producer has ended")
    until(lambda: committed(broker) == sent(broker), 60, "what was left is read")
    until(lambda: not runs(pids["reader-1"]), 60, "the reader has ended")
    assert committed(broker) == sent(broker)


def test_readers_of_a_stopped_load_that_are_far_behind_end_all_the_same(lab, loads, broker):
    loads.start(a_load(**{"producers.rate": "200", "consumers.handler_ms": "200"}))
    until(lambda: sent(broker) > committed(broker) + 300, 60, "the reader falls far behind")
    pids = processes(loads)
    assert loads.stop("test")
    until(lambda: not any(runs(pid) for pid in pids.values()), 60, "its processes have ended")
    assert committed(broker) < sent(broker)


def test_settings_of_the_program_are_taken_over_without_another_process(lab, loads, broker):
    loads.start(a_load())
    until(lambda: setting(broker, "lab-test-producer-1", "batch_size"), 40, "the producer tells about itself")
    before = until(lambda: len(processes(loads)) == 2 and processes(loads), 30)
    settings = {"producers.settings.batch_size": "1", "consumers.settings.max_poll_records": "7"}
    loads.change(changed(loads.require("test").load, settings))
    until(lambda: setting(broker, "lab-test-producer-1", "batch_size") == 1, 40)
    until(lambda: setting(broker, "lab-test-reader-1", "max_poll_records") == 7, 40)
    assert processes(loads) == before


def test_a_producer_at_full_speed_is_held_up_by_its_settings_alone(lab, loads, broker):
    loads.start(
        a_load(**{"producers.full_speed": "true", "producers.rate": "1", "topic.retention.bytes": "500000"})
    )
    until(lambda: sent(broker) > 5_000, 60, "far more come than a rate of one a second")
    pid = until(lambda: processes(loads).get("producer-1"), 30)
    loads.change(changed(loads.require("test").load, {"producers.full_speed": "false"}))

    def calm() -> bool:
        before = sent(broker)
        time.sleep(1.0)
        return sent(broker) - before < 50

    until(calm, 40, "it follows the rate again")
    assert processes(loads)["producer-1"] == pid


def test_settings_of_the_group_are_those_of_the_load_and_what_somebody_else_set_stays(lab, loads, broker):
    def own() -> dict:
        return broker.configs().get("group:lab-test-readers").values

    loads.start(a_load(**{"group.retry_max_attempts": "2"}))
    until(lambda: own() == {"retry_max_attempts": 2}, 30)
    broker.configs().set("group:lab-test-readers", {"max_poll_records": 7})
    loads.change(
        changed(loads.require("test").load, {"group.retry_max_attempts": "", "group.retry_base_ms": "9"})
    )
    until(lambda: own() == {"retry_base_ms": 9, "max_poll_records": 7}, 30)
    [change, *_] = [c for c in broker.configs().history() if c.name == "retry_base_ms"]
    assert (change.by, change.reason) == ("lab", "load test")


def test_a_slow_command_holds_up_the_server_again_and_again(lab, loads, broker):
    broker.connection.client.config_set("slowlog-log-slower-than", 20_000)
    broker.connection.client.slowlog_reset()
    loads.start(a_load(**{"stalls.ms": "30", "stalls.every_ms": "100", "producers.rate": "1"}))

    def slow() -> list:
        return [c for c in broker.connection.client.slowlog_get() if c["command"].startswith(b"EVALSHA")]

    until(lambda: len(slow()) >= 3, 40)
    assert all(command["duration"] >= 30_000 for command in slow()), "in microseconds"
    assert set(until(lambda: len(processes(loads)) == 3 and processes(loads), 30)) >= {"stall-1"}
    loads.change(changed(loads.require("test").load, {"stalls.ms": "0"}))
    until(lambda: "stall-1" not in processes(loads), 30)


def test_the_first_reader_is_slower_where_the_load_says_so():
    slow = changed(Load(name="a"), {"consumers.handler_ms": "8", "consumers.slow_first": "4"}).consumers
    assert [record_ms(slow, number) for number in (1, 2, 3)] == [32, 8, 8]


def test_records_fail_as_the_load_says(lab, loads, broker):
    failing = {"consumers.failures.permanent_share": "0.1", "consumers.failures.transient_share": "0.2"}
    loads.start(a_load(**failing, **{"consumers.retry_base_ms": "50"}))
    until(lambda: sent(broker, "lab-test.lab-test-readers.dlq") > 5, 40, "poison becomes dead letters")
    until(lambda: committed(broker) > 50, 40, "the others go on")
    dead = broker.dead_letters("lab-test", "lab-test-readers").groups().groups
    assert [group.error_class.rpartition(".")[2] for group in dead] == ["PoisonError"]


def test_a_process_that_is_killed_comes_back(lab, loads, broker):
    loads.start(a_load(**{"consumers.kind": "consumer"}))
    until(lambda: committed(broker) > 10, 40)
    for victim in ("producer-1", "reader-1"):
        pid = processes(loads)[victim]
        os.kill(pid, signal.SIGKILL)
        until(lambda: processes(loads).get(victim) not in (None, pid), 30, f"{victim} is back")  # noqa: B023
    before = committed(broker)
    until(lambda: committed(broker) > before + 50, 60, "and works")


def test_a_supervisor_that_is_killed_leaves_nothing_running_and_the_next_one_goes_on(
    lab, loads, broker, shell
):
    loads.start(a_load())
    pids = until(lambda: len(processes(loads)) == 2 and processes(loads), 40)
    lab.kill()
    lab.wait()
    until(lambda: not any(runs(pid) for pid in pids.values()), 60, "its processes have ended with it")
    at_rest = sent(broker)
    shell.start("lab", "run")
    until(lambda: sent(broker) > at_rest, 40, "the load goes on")


def test_a_load_ends_by_itself_when_its_minutes_are_over(lab, loads):
    loads.start(a_load(minutes="0.05"))
    until(lambda: loads.get("test") is None, 40, "3 s are over")
    until(lambda: loads.status().loads == {}, 60)


def test_members_that_flap_raise_the_epoch_of_their_group(lab, loads, broker):
    loads.start(a_load(**{"consumers.count": "2", "consumers.rejoin_every_s": "2"}))

    def epoch():
        return describe(broker.connection, "lab-test-readers").epoch

    until(lambda: committed(broker) > 0, 40)
    before = epoch()
    until(lambda: epoch() > before + 3, 40, "they come and go")


def test_a_topic_that_the_lab_did_not_make_is_left_alone(lab, loads, broker):
    broker.admin().create_topics({"lab-test": {"num_partitions": 5}})
    loads.start(a_load())
    problem = until(lambda: (s := loads.status().loads.get("test")) and s.problem, 60)
    assert "lab did not make" in problem
    assert processes(loads) == {}
    assert sent(broker) == 0


def test_a_load_whose_file_is_not_there_says_so_and_begins_once_it_is(lab, loads, broker, tmp_path):
    loads.start(a_load(**{"producers.file": "mine.csv", "producers.rate": "50"}))
    problem = until(lambda: (s := loads.status().loads.get("test")) and s.problem, 60)
    assert "There is no file 'mine.csv'" in problem
    assert processes(loads) == {}
    file = tmp_path / "var" / "lab" / "mine.csv"
    file.parent.mkdir(parents=True)
    file.write_text("id,name\n1,a\n2,b\n")
    until(lambda: sent(broker) > 5, 60, "its rows are sent, again and again")
    assert loads.status().loads["test"].problem == ""


def test_a_file_that_is_away_for_a_while_is_played_again_when_it_is_back(broker, monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMLAB_VAR", str(tmp_path))
    load, stop = a_load(**{"producers.file": "mine.csv"}), threading.Event()
    broker.admin().create_topics({load.topic_name: {"num_partitions": 1}})
    with broker.producer() as producer:
        sender = sending._Sender(producer, load, 1, Random(1))
        sender.send(3, stop)
        (tmp_path / "lab").mkdir()
        (tmp_path / "lab" / "mine.csv").write_text("id\n1\n2\n")
        sender.send(3, stop)
    assert sent(broker) == 3


def test_a_load_that_begins_again_with_fewer_partitions_begins_with_an_empty_topic(lab, loads, broker):
    loads.start(a_load())
    until(lambda: sent(broker) > 20, 40)
    loads.stop("test")
    until(lambda: loads.status().loads == {}, 60)
    loads.start(a_load(**{"partitions": "1", "producers.rate": "0"}))
    until(lambda: partitions(broker) == 1, 30)
    assert sent(broker) == 0


def test_a_second_supervisor_stands_by_and_takes_over(lab, loads, shell):
    second = shell.start("lab", "run")
    loads.start(a_load(**{"producers.rate": "10"}))
    until(lambda: len(processes(loads)) == 2, 40)
    assert loads.status().pid == lab.pid
    lab.send_signal(signal.SIGTERM)
    assert lab.wait(60) == 0
    until(lambda: loads.status() and loads.status().pid == second.pid, 30)
    until(lambda: len(processes(loads)) == 2, 40)


# -- its topic and its group -------------------------------------------------------------------------------------


def own(broker, kind: str) -> dict:
    return broker.configs().get({"topic": "topic:lab-a", "group": "group:lab-a-readers"}[kind]).values


def test_what_somebody_set_while_it_runs_outlives_another_supervisor_and_what_was_asked_meanwhile_is_done(
    broker, loads
):
    asked = {"topic.retention.ms": "60000", "group.retry_max_attempts": "3"}
    before = changed(Load(name="a"), asked)
    prepare(broker.connection, before, None)
    broker.configs().set("topic:lab-a", {"retention.ms": 5_000})
    broker.configs().set("group:lab-a-readers", {"max_poll_records": 7})
    after = changed(before, {"topic.retention.bytes": "4096", "group.retry_max_attempts": ""})
    prepare(broker.connection, after, before)
    assert own(broker, "topic") == {"retention.ms": 5_000, "retention.bytes": 4_096}
    assert own(broker, "group") == {"max_poll_records": 7}
    prepare(broker.connection, before, None)
    assert own(broker, "topic")["retention.ms"] == 60_000, "one that begins, begins as always"
    assert own(broker, "group") == {"retry_max_attempts": 3}


def test_what_a_supervisor_has_prepared_is_known_to_the_next_one_until_the_load_is_stopped(broker, loads):
    desired = loads.start(Load(name="a"))
    assert loads.prepared("a", desired.run) is None
    loads.note_prepared(desired.load, desired.run)
    assert loads.prepared("a", desired.run) == desired.load
    assert loads.prepared("a", "another-start") is None
    loads.stop("a")
    assert loads.prepared("a", desired.run) is None


def test_a_change_while_no_lab_runs_is_done_by_the_next_one(lab, loads, broker, shell):
    def retention() -> int | None:
        spec = Topics(broker.connection).get("lab-test")
        return spec.configs.get("retention.ms") if spec else None

    loads.start(a_load(**{"producers.rate": "1"}))
    until(lambda: len(processes(loads)) == 2, 40)
    lab.send_signal(signal.SIGTERM)
    assert lab.wait(60) == 0
    broker.configs().set("topic:lab-test", {"retention.bytes": 4_096})
    loads.change(changed(loads.require("test").load, {"topic.retention.ms": "60000"}))
    shell.start("lab", "run")
    until(lambda: retention() == 60_000, 40)
    assert broker.configs().get("topic:lab-test").values["retention.bytes"] == 4_096


# -- what is wanted, without processes -------------------------------------------------------------------------


def test_what_runs_cannot_be_started_again_and_only_so_many_run_at_once(loads):
    for number in range(MOST_LOADS):
        loads.start(Load(name=f"load-{number}"))
    with pytest.raises(IllegalStateError, match="runs already"):
        loads.start(Load(name="load-0"))
    with pytest.raises(IllegalStateError, match="no more can"):
        loads.start(Load(name="one-more"))


def test_processes_are_bounded_over_all_loads(loads):
    loads.start(changed(Load(name="a"), {"consumers.count": "16"}))
    loads.start(changed(Load(name="b"), {"consumers.count": "4"}))
    with pytest.raises(IllegalStateError, match="24 may run at once"):
        loads.change(changed(loads.require("b").load, {"consumers.count": "10"}))


def test_of_two_changes_to_the_same_version_one_wins(loads):
    loads.start(Load(name="a"))
    loads.change(changed(Load(name="a"), {"producers.rate": "1"}), expected=1)
    with pytest.raises(StaleConfigError):
        loads.change(changed(Load(name="a"), {"producers.rate": "2"}), expected=1)
    assert loads.require("a").load.producers.rate == 1


def test_when_many_start_the_same_load_one_of_them_has(loads):
    won, refused = [], []

    def start(number):
        try:
            won.append(loads.start(Load(name="a"), by=str(number)).by)
        except IllegalStateError:
            refused.append(number)

    threads = [threading.Thread(target=start, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and len(refused) == 7
    assert loads.require("a").by == won[0]


def test_partitions_cannot_become_fewer_while_it_runs(loads):
    loads.start(Load(name="a"))
    with pytest.raises(IllegalStateError, match="cannot lose partitions"):
        loads.change(changed(Load(name="a"), {"partitions": "2"}))


def test_what_another_version_has_written_is_passed_over(loads, broker):
    broker.connection.client.hset(
        "sl:lab:loads", mapping={"odd": b'{"load":{"name":"odd","colour":1}}', "x": b"\xff"}
    )
    assert loads.all() == {}
    loads.start(Load(name="a"))
    assert list(loads.all()) == ["a"]
    with pytest.raises(IllegalStateError, match="Running: a, odd, x"):
        loads.start(Load(name="b"))
    assert loads.start(Load(name="odd")).version == 1, "it makes room for who wants its name"
    assert loads.stop("x") and loads.names() == ["a", "odd"]
    assert not loads.stop("x")


# -- the shell -------------------------------------------------------------------------------------------------


def test_a_scenario_from_the_shell(shell, lab, broker, tmp_path):
    listed = [json.loads(line) for line in shell("lab", "list", "--json").stdout.splitlines()]
    assert len(listed) == len(SCENARIOS)
    assert "Spread the key" in shell("lab", "show", "hot-key").stdout

    started = shell("lab", "start", "hot-key", "--set", "producers.rate=60")
    assert started.returncode == 0, started.stderr
    until(lambda: sent(broker, "lab-hot-key") > 20, 40)
    assert shell("lab", "change", "hot-key", "consumers.count=1").returncode == 0

    def status():
        return json.loads(shell("lab", "status", "--json").stdout)["loads"][0]

    until(lambda: len(status()["status"]["processes"]) == 2, 40)
    assert status()["figures"]["partitions"] == 6
    assert "hot-key, version 2" in shell("lab", "status").stdout

    file = tmp_path / "mine.json"
    assert shell("lab", "export", "hot-key", "-o", str(file)).returncode == 0
    assert json.loads(file.read_text())["load"]["producers"]["rate"] == 60
    assert shell("lab", "stop", "hot-key").returncode == 0
    assert shell("lab", "import", str(file), "--name", "mine").returncode == 0
    assert "mine, version 1" in shell("lab", "status").stdout
    assert shell("lab", "stop", "--all").returncode == 0
    assert "Nothing runs" in shell("lab", "status").stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["start", "cold-key"], 2, "hot-key"),
        (["start", "burst", "--set", "producers.rate=1e9"], 2, "producers.rate"),
        (["stop", "burst"], 1, "No load 'burst' runs"),
        (["stop"], 2, "Say which load"),
        (["change", "burst", "producers.rate=1"], 1, "None runs"),
        (["status"], 1, "streamlab lab run"),
        (["export", "cold-key"], 2, "hot-key"),
        (["import", "/nowhere.json"], 1, "nowhere"),
    ],
)
def test_what_is_asked_wrongly_is_answered_with_a_sentence(redis_url, monkeypatch, capsys, words, code, says):
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    with pytest.raises(SystemExit) as ended:
        main(["lab", *words])
    assert ended.value.code == code
    assert says in capsys.readouterr().err
