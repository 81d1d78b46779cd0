"""Experiments on a real server: what is measured, and that the setting is put back whatever happens."""

from __future__ import annotations

import threading
import time

import pytest

from streamlab import keys
from streamlab.cli import main
from streamlab.errors import IllegalStateError, StreamlabError, UnknownTopicOrPartitionError
from streamlab.lab.experiments import guard, notes, runner, stopping
from streamlab.lab.experiments.judging import Verdict
from streamlab.lab.experiments.measuring import Window
from streamlab.lab.experiments.notes import Note
from streamlab.lab.experiments.plan import Plan
from streamlab.lab.experiments.runner import run
from streamlab.metrics.lease import Lease
from streamlab.metrics.telemetry import read_states
from streamlab.model import TopicPartition
from tests.builders import a_topic, numbered, produce, settle
from tests.shell import Shell
from tests.waiting import until

CLIENT = "client:the-producer"


@pytest.fixture
def topic(broker):
    """With a producer that sends about 300 records a second to it."""
    name, stop = a_topic(broker, partitions=1), threading.Event()

    def send():
        with broker.producer(client_id="the-producer", linger_ms=0) as producer:
            while not stop.wait(0.003):
                producer.send(name, b"x" * 50)

    thread = threading.Thread(target=send)
    thread.start()
    yield name
    stop.set()
    thread.join()


def a_plan(topic, **changes) -> Plan:
    short = {"warm_up_s": 1.0, "window_s": 1.5, "repetitions": 3}
    return Plan(
        **{"entity": CLIENT, "setting": "linger_ms", "values": [0, 200], "topic": topic} | short | changes
    )


def own(broker):
    return broker.configs().get(CLIENT).values


def test_lingering_makes_batches_larger_and_the_setting_is_put_back(broker, topic):
    broker.configs().set(CLIENT, {"linger_ms": 3, "batch_size": 50_000})
    outcome = run(broker.connection, a_plan(topic), threading.Event())
    assert outcome.state == "done"
    assert len(outcome.runs) == 6
    effects = {effect.measure: effect for effect in outcome.effects[0]}
    assert effects["batch_records"].value > 5 * effects["batch_records"].baseline
    assert effects["batch_records"].verdict is Verdict.BETTER
    assert effects["request_p99"].verdict is Verdict.UNKNOWN, "windows this short say nothing of latencies"
    assert effects["server_cpu"].baseline > 0
    assert "records in a batch" in outcome.verdicts[0]
    assert own(broker) == {"linger_ms": 3, "batch_size": 50_000}
    assert notes.current(broker.connection) is None
    assert notes.results(broker.connection)[outcome.id] == outcome


def test_one_that_is_stopped_ends_soon_and_puts_back(broker, topic):
    stop, watched = threading.Event(), []

    def watch(done, total, note):
        watched.append(note)
        if done == 2:
            stop.set()

    began = time.monotonic()
    outcome = run(
        broker.connection, a_plan(topic, warm_up_s=0.5, window_s=3, repetitions=20), stop, watch=watch
    )
    assert time.monotonic() - began < 60
    assert outcome.state == "stopped"
    assert len(outcome.runs) == 2
    assert "Too few rounds" in outcome.verdicts[0]
    assert own(broker) == {}
    assert watched[:2] == ["linger_ms = 0", "linger_ms = 200"]


def test_while_one_runs_no_other_begins_and_nobody_puts_back(broker, topic):
    stop = threading.Event()
    first = threading.Thread(target=run, args=(broker.connection, a_plan(topic, repetitions=20), stop))
    first.start()
    try:
        until(lambda: own(broker) == {"linger_ms": 0})
        assert notes.put_back_orphan(broker.connection) is None
        with pytest.raises(IllegalStateError, match="runs already"):
            run(broker.connection, a_plan(topic), threading.Event())
    finally:
        stop.set()
        first.join()
    assert own(broker) == {}


def test_what_another_one_had_set_for_a_moment_is_not_what_the_next_one_puts_back(broker, topic, monkeypatch):
    broker.configs().set(CLIENT, {"linger_ms": 3})
    other = Note(
        id="1a-b", plan=a_plan(topic), had=True, before=3, started_ms=broker.connection.server_time_ms()
    )
    its_lease = Lease(broker.connection, keys.EXPERIMENT_LEASE)
    its_lease.hold()
    notes.open_note(broker.connection, other)
    broker.configs().set(CLIENT, {"linger_ms": 200})

    class ALeaseThatIsFreeJustNow(Lease):
        def hold(self) -> bool:
            if notes.current(self._connection) == other:  # it ends when the next one has begun to look around
                notes.put_back(self._connection, other)
                its_lease.release()
            return super().hold()

    monkeypatch.setattr(runner, "Lease", ALeaseThatIsFreeJustNow)
    stop = threading.Event()
    run(broker.connection, a_plan(topic), stop, watch=lambda done, total, note: stop.set())
    its_lease.close()
    assert own(broker) == {"linger_ms": 3}


def test_a_process_that_was_held_up_puts_nothing_back_under_another_experiment(broker, topic):
    before, now = (Note(id=id, plan=a_plan(topic), had=True, before=3, started_ms=1) for id in ("1-a", "2-b"))
    notes.open_note(broker.connection, now)
    broker.configs().set(CLIENT, {"linger_ms": 200})
    notes.put_back(broker.connection, before)
    assert own(broker) == {"linger_ms": 200}
    assert notes.current(broker.connection) == now


def test_one_that_was_held_up_until_others_ended_it_turns_nothing_any_more(broker, topic):
    """Its process slept; the lab found the setting as it was before, and went."""
    broker.configs().set(CLIENT, {"linger_ms": 3})

    def others_end_it(done, total, note):
        if done == 1:
            notes.put_back(broker.connection, notes.current(broker.connection))

    plan = a_plan(topic, values=[3, 200], warm_up_s=0, window_s=1)
    with pytest.raises(StreamlabError, match="has ended this experiment"):
        run(broker.connection, plan, threading.Event(), watch=others_end_it)
    assert own(broker) == {"linger_ms": 3}
    [outcome] = notes.results(broker.connection).values()
    assert (outcome.state, len(outcome.runs)) == ("incomplete", 1)


def test_the_oldest_results_go(broker, topic, monkeypatch):
    monkeypatch.setattr(notes, "MOST_KEPT", 3)
    begun = [
        notes.begun(Note(id=f"{n:x}-ab", plan=a_plan(topic), had=False, started_ms=n))
        for n in (9, 20, 3, 11, 16)
    ]
    for outcome in begun:
        notes.keep(broker.connection, outcome)
    assert list(notes.results(broker.connection)) == ["14-ab", "10-ab", "b-ab"]


def test_somebody_else_may_wish_it_to_stop_and_its_process_obeys(broker, topic):
    with pytest.raises(IllegalStateError, match="No experiment runs"):
        stopping.ask(broker.connection, "anna")
    outcomes = []

    def measure():
        outcomes.append(run(broker.connection, a_plan(topic, repetitions=20), threading.Event()))

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        note = until(lambda: notes.current(broker.connection))
        with pytest.raises(IllegalStateError, match="does not run"):
            stopping.ask(broker.connection, "anna", "another-one")
        assert stopping.ask(broker.connection, "anna", note.id) == note
    finally:
        thread.join(60)
    [outcome] = outcomes
    assert (outcome.state, outcome.why) == ("stopped", "It was stopped by anna.")
    assert own(broker) == {}
    assert stopping.asked(broker.connection, note.id) is None, "the next one is not stopped by an old wish"


def test_the_command_line_stops_what_another_process_measures(broker, topic, redis_url, tmp_path):
    shell = Shell(redis_url, tmp_path)
    try:
        words = ("lab", "experiment", "run", CLIENT, "linger_ms", "0", "200", "--topic", topic)
        measuring = shell.start(*words, "--warm-up", "1", "--window", "600", "-n", "2")
        until(lambda: own(broker), 40)
        stopped = shell("lab", "experiment", "stop")
        assert (stopped.returncode, "was stopped; linger_ms" in stopped.stderr) == (0, True), stopped.stderr
        assert measuring.wait(30) == 0
        assert own(broker) == {}
        assert shell("lab", "experiment", "stop").returncode == 1
    finally:
        shell.stop_all()


# -- what it measures is left alone --------------------------------------------------------------------------------


@pytest.fixture
def measured(broker) -> Plan:
    """Of an experiment that runs: somebody's group `readers` on a topic, and one producer."""
    name = a_topic(broker, partitions=1)
    with broker.consumer(name, group_id="readers") as consumer:
        settle([consumer], 1)
        consumer.poll(timeout_ms=100)
    plan = a_plan(name, group="readers", producers="the-")
    note = Note(id="1a-b", plan=plan, had=False, started_ms=broker.connection.server_time_ms())
    notes.open_note(broker.connection, note)
    return plan


def command(*words: str) -> int:
    """The exit code of `streamlab WORDS`."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    "words",
    [
        ("config", "set", "--client", "the-producer", "linger_ms=9"),
        ("config", "set", "--group", "readers", "max_poll_records=9"),
        ("config", "set", "--broker-default", "num.partitions=9"),
        ("config", "unset", "--topic", "TOPIC", "retention.ms"),
        ("topics", "configure", "TOPIC", "retention.ms=1"),
        ("topics", "add-partitions", "TOPIC", "2", "--execute"),
        ("topics", "delete-records", "TOPIC", "--all", "--execute"),
        ("topics", "delete", "TOPIC", "--yes"),
        ("groups", "pause", "readers"),
        ("groups", "resume", "readers"),
        ("groups", "rebalance", "readers", "--execute"),
        ("groups", "reset-offsets", "readers", "--to-earliest", "--topic", "TOPIC", "--execute"),
        ("groups", "delete", "readers", "--yes"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_command_changes_by_accident_what_is_measured(
    broker, measured, redis_url, monkeypatch, capsys, words
):
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    version = broker.configs().version()
    assert command(*(measured.topic if word == "TOPIC" else word for word in words)) == 1
    said = capsys.readouterr().err
    assert f"An experiment measures {measured.topic}" in said
    assert "--force" in said
    assert broker.configs().version() == version
    assert measured.topic in broker.admin().list_topics()


def test_who_insists_may_disturb_it_and_is_told_so(broker, measured, redis_url, monkeypatch, capsys):
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    assert command("config", "set", "--group", "readers", "max_poll_records=9", "--force") == 0
    assert "means nothing" in capsys.readouterr().err
    assert broker.configs().get("group:readers").values == {"max_poll_records": 9}


def test_of_others_it_only_warns(broker, measured, redis_url, monkeypatch, capsys):
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    assert command("config", "set", "--group", "others", "max_poll_records=9") == 0
    assert "may disturb" in capsys.readouterr().err


def test_a_look_is_no_change(measured, redis_url, monkeypatch, capsys):
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    assert command("topics", "add-partitions", measured.topic, "2") == 0
    assert command("config", "set", "--group", "readers", "max_poll_records=9", "--dry-run") == 0


def test_producers_that_tell_latencies_and_members_of_the_group_are_measured_too(broker, measured):
    with (
        broker.producer(client_id="the-other"),
        broker.producer(client_id="somebody"),
        broker.consumer(measured.topic, group_id="readers", client_id="reader-1") as consumer,
    ):
        settle([consumer], 1)
        consumer.poll(timeout_ms=100)
        until(lambda: len(read_states(broker.connection)) == 3)
        refused = {
            name: bool(guard.look(broker.connection, f"client:{name}").refused)
            for name in ("the-other", "somebody", "reader-1", "gone")
        }
    assert refused == {"the-other": True, "somebody": False, "reader-1": True, "gone": False}


def test_somebody_elses_change_in_between_ends_it(broker, topic):
    def disturb(done, total, note):
        if done == 1:
            broker.configs().set(CLIENT, {"batch_size": 1})

    with pytest.raises(IllegalStateError, match="Somebody else changed"):
        run(broker.connection, a_plan(topic), threading.Event(), watch=disturb)
    assert own(broker) == {"batch_size": 1}, "their change stays, ours is put back"
    [outcome] = notes.results(broker.connection).values()
    assert outcome.state == "incomplete"
    assert "Somebody else" in outcome.why


def test_what_somebody_else_has_set_meanwhile_stays(broker, topic):
    broker.configs().set(CLIENT, {"linger_ms": 3})

    def disturb(done, total, note):
        if done == 1:
            broker.configs().set(CLIENT, {"linger_ms": 30})

    with pytest.raises(IllegalStateError, match="Somebody else changed"):
        run(broker.connection, a_plan(topic), threading.Event(), watch=disturb)
    assert own(broker) == {"linger_ms": 30}
    [outcome] = notes.results(broker.connection).values()
    assert f"linger_ms of {CLIENT} was left at 30, as somebody set it meanwhile." in outcome.why
    assert notes.current(broker.connection) is None


def test_of_a_topic_that_was_deleted_meanwhile_nothing_is_put_back_and_the_next_one_begins(broker, topic):
    gone = a_topic(broker, partitions=1)
    plan = Plan(entity=f"topic:{gone}", setting="retention.ms", values=[60_000, 90_000], topic=gone)
    notes.open_note(broker.connection, Note(id="1-a", plan=plan, had=False, started_ms=1))
    broker.admin().delete_topics([gone])
    outcome = notes.put_back_orphan(broker.connection)
    assert outcome is not None and outcome.state == "incomplete"
    assert f"topic:{gone} was deleted meanwhile" in outcome.why
    assert notes.current(broker.connection) is None


def test_a_killed_one_of_another_version_lets_the_next_one_begin_and_says_what_it_left(broker, topic, caplog):
    of_another = b'{"id":"1-a","plan":{"entity":"group:g","setting":"no_more","values":[1,2]},"started_ms":1}'
    broker.connection.client.set(keys.EXPERIMENT, of_another)
    stop = threading.Event()
    outcome = run(broker.connection, a_plan(topic), stop, watch=lambda done, total, note: stop.set())
    assert outcome.state == "stopped"
    assert "no_more" in caplog.text


def test_a_verdict_outlives_a_setting_that_could_not_be_put_back_at_once(broker, topic, monkeypatch):
    def refuse(connection, note):
        raise StreamlabError("The server is away.")

    monkeypatch.setattr(runner, "PUT_BACK_TRIES", 1)
    with monkeypatch.context() as away:
        away.setattr(runner.notes, "put_back", refuse)
        outcome = run(broker.connection, a_plan(topic, warm_up_s=0, window_s=1), threading.Event())
    assert outcome.state == "done"
    assert "could not be put back" in outcome.why and outcome.left
    assert own(broker) != {}
    assert notes.put_back_orphan(broker.connection) == outcome
    assert own(broker) == {}
    assert notes.results(broker.connection)[outcome.id] == outcome


def test_what_is_put_back_already_is_not_put_back_again(broker, topic):
    note = Note(id="1-a", plan=a_plan(topic), had=True, before=3, started_ms=1)
    broker.configs().set(CLIENT, {"linger_ms": 200})
    assert notes.put_back(broker.connection, note) == ""
    assert own(broker) == {"linger_ms": 200}, "there is no note: nothing of ours is changed"


def test_a_topic_that_does_not_exist_is_told_before_anything_is_changed(broker):
    with pytest.raises(UnknownTopicOrPartitionError):
        run(broker.connection, a_plan("nowhere"), threading.Event())
    assert own(broker) == {}
    assert notes.current(broker.connection) is None


def test_a_first_commit_far_into_a_log_is_neither_throughput_nor_lag(broker):
    """Of what a group never committed nobody knows how far it is: it is left out, not read as a position of 0."""
    topic, group = a_topic(broker, partitions=2), "late-readers"
    for partition in (0, 1):
        produce(broker, topic, numbered(5_000), partition=partition)
    window = Window(broker.connection, a_plan(topic, group=group, window_s=2.0))
    nothing = window.measure(threading.Event())
    assert (nothing["rate_out"], nothing["lag"]) == (None, None)

    def commit(partition, offset):
        broker.admin().alter_group_offsets(group, {TopicPartition(topic, partition): offset})

    class OnceItHasBegun(threading.Event):
        def wait(self, timeout=None):
            commit(0, 5_000)
            commit(1, 5_000)
            return super().wait(timeout)

    commit(0, 4_900)
    figures = window.measure(OnceItHasBegun())
    assert 0 < figures["rate_out"] <= 50, "100 records, not 5,100"
    assert figures["lag"] == 0


def test_a_window_begins_when_the_backlog_of_the_value_before_is_worked_off(broker, topic):
    produce(broker, topic, numbered(6_000))
    place, over = TopicPartition(topic, 0), threading.Event()

    def read():
        offset = 0
        while not over.wait(0.2):
            [end] = broker.admin().list_partition_offsets(topic).values()
            offset = min(end.log_end, offset + 300)
            broker.admin().alter_group_offsets("readers", {place: offset})

    broker.admin().alter_group_offsets("readers", {place: 0})
    window = Window(broker.connection, a_plan(topic, group="readers", warm_up_s=1.0, window_s=2.0))
    reading = threading.Thread(target=read)
    reading.start()
    try:
        assert window.measure(threading.Event())["lag_ms"] is None, "so late was the value before"
        assert window.warm_up(threading.Event())
        figures = window.measure(threading.Event())
        assert figures["lag_ms"] is not None and figures["rate_out"] > 0
        assert not window.warm_up(threading.Event())
    finally:
        over.set()
        reading.join()


@pytest.mark.faults
def test_one_that_is_killed_is_put_back_by_the_lab_and_marked_incomplete(broker, topic, redis_url, tmp_path):
    broker.configs().set(CLIENT, {"linger_ms": 3})
    shell = Shell(redis_url, tmp_path)
    try:
        words = ("lab", "experiment", "run", CLIENT, "linger_ms", "0", "200", "--topic", topic)
        killed = shell.start(*words, "--warm-up", "0", "--window", "1", "-n", "20")
        until(lambda: len(next(iter(notes.results(broker.connection).values()), a_none).runs) >= 2, 40)
        killed.kill()
        killed.wait()
        assert own(broker)["linger_ms"] in (0, 200)
        assert notes.current(broker.connection) is not None
        shell.start("lab", "run")
        until(lambda: own(broker) == {"linger_ms": 3}, 40, "the lab puts it back")
        [outcome] = until(lambda: notes.results(broker.connection)).values()
        until(lambda: next(iter(notes.results(broker.connection).values())).why, 60)
        [outcome] = notes.results(broker.connection).values()
        assert outcome.state == "incomplete"
        assert len(outcome.runs) >= 2
        assert broker.connection.client.get(keys.EXPERIMENT) is None
    finally:
        shell.stop_all()


class a_none:
    """Of which nothing was measured yet."""

    runs = ()
