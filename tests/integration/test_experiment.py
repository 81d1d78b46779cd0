"""Experiments on a real server: what is measured, and that the setting is put back whatever happens."""

from __future__ import annotations

import threading
import time

import pytest

from streamlab import keys
from streamlab.errors import IllegalStateError, UnknownTopicOrPartitionError
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.judging import Verdict
from streamlab.lab.experiments.plan import Plan
from streamlab.lab.experiments.runner import run
from tests.builders import a_topic
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


def test_a_topic_that_does_not_exist_is_told_before_anything_is_changed(broker):
    with pytest.raises(UnknownTopicOrPartitionError):
        run(broker.connection, a_plan("nowhere"), threading.Event())
    assert own(broker) == {}
    assert notes.current(broker.connection) is None


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
        until(lambda: next(iter(notes.results(broker.connection).values())).why, 20)
        [outcome] = notes.results(broker.connection).values()
        assert outcome.state == "incomplete"
        assert len(outcome.runs) >= 2
        assert broker.connection.client.get(keys.EXPERIMENT) is None
    finally:
        shell.stop_all()


class a_none:
    """Of which nothing was measured yet."""

    runs = ()
