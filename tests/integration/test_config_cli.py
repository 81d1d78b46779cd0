"""`streamlab config` and `streamlab clients`, as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from streamlab.broker import Broker
from streamlab.metrics.telemetry import read_states
from streamlab.producer import Producer
from tests.builders import a_topic
from tests.shell import Shell
from tests.waiting import until


@pytest.fixture
def shell(shell_here: Shell) -> Shell:
    return shell_here


@pytest.fixture
def checkout(broker: Broker) -> Iterator[Producer]:
    with broker.producer(client_id="checkout") as producer:
        until(lambda: read_states(broker.connection))
        yield producer


def test_a_setting_is_previewed_set_counted_told_and_taken_back(shell: Shell, checkout: Producer) -> None:
    shown = shell("config", "set", "--client", "checkout", "linger_ms=20", "--dry-run")
    assert shown.returncode == 0
    assert "client:checkout: linger_ms: not set -> 20" in shown.stdout
    assert "5 -> 20" in shown.stdout
    assert "--if-version 0" in shown.stderr
    assert checkout.config["linger_ms"] == 5

    done = shell("config", "set", "--client", "checkout", "linger.ms=20", "--wait", "--reason", "batches")
    assert (done.returncode, done.stdout) == (0, "client:checkout: linger_ms changed; version 1.\n")
    assert done.stderr == "Applied by 1 of 1 clients.\n"
    assert checkout.config["linger_ms"] == 20

    described = json.loads(shell("config", "describe", "--client", "checkout", "--json").stdout)
    assert described == {"entity": "client:checkout", "version": 1, "values": {"linger_ms": 20}}
    told = [json.loads(line) for line in shell("config", "history", "--json").stdout.splitlines()]
    assert [(c["entity"], c["name"], c["after"], c["reason"]) for c in told] == [
        ("checkout", "linger_ms", "20", "batches")
    ]
    assert told[0]["by"]

    late = shell("config", "unset", "--client", "checkout", "linger_ms", "--if-version", "0")
    assert late.returncode == 1
    assert "changed since you looked" in late.stderr
    back = shell(
        "config", "unset", "--client", "checkout", "linger_ms", "--if-version", "1", "--wait", "--json"
    )
    answer = json.loads(back.stdout)
    assert (answer["changed"], len(answer["acknowledged"]["applied"])) == (["linger_ms"], 1)
    assert checkout.config["linger_ms"] == 5


def test_a_refusal_is_a_failure_that_says_who_and_why(shell: Shell, checkout: Producer) -> None:
    done = shell("config", "set", "--broker-default", "delivery_timeout_ms=3", "--wait")
    assert done.returncode == 1
    assert "refused by 1" in done.stderr
    assert "linger_ms (5) must be below delivery_timeout_ms (3)" in done.stderr


def test_a_topic_needs_no_client(shell: Shell, broker: Broker) -> None:
    name = a_topic(broker)
    done = shell("config", "set", "--topic", name, "retention.ms=60000", "--wait")
    assert (done.returncode, done.stderr) == (0, "No running client has to apply it.\n")
    assert "604800000" in shell("config", "describe", "--topic", name).stdout
    everything = shell("config", "describe", "--entity", f"topic:{name}", "--all").stdout
    assert "cleanup.policy" in everything


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["set", "linger_ms=5"], 2, "Whose?"),
        (["set", "--client", "c", "--group", "g", "linger_ms=5"], 2, "Name one entity"),
        (["set", "--client", "c", "linger_ms"], 2, "NAME=VALUE"),
        (["set", "--entity", "users:c", "linger_ms=5"], 2, "broker, topic:NAME"),
        (["set", "--client", "c", "lingr_ms=5"], 2, "Did you mean 'linger_ms'"),
        (["set", "--group", "g", "linger_ms=5"], 2, "a producer's"),
        (["describe", "--topic", "nowhere"], 1, "no topic 'nowhere'"),
    ],
)
def test_what_is_asked_wrongly_is_said(shell: Shell, arguments: list[str], code: int, says: str) -> None:
    done = shell("config", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


def test_running_clients_are_listed_and_described(shell: Shell, checkout: Producer, broker: Broker) -> None:
    with broker.consumer(a_topic(broker), group_id="revenue", client_id="reader"):
        until(lambda: len(read_states(broker.connection)) == 2)
        listed = shell("clients").stdout.splitlines()
        assert [line.split()[:3] for line in listed[1:]] == [
            ["checkout", "producer", "-"],
            ["reader", "consumer", "revenue"],
        ]
        described = json.loads(shell("clients", "describe", "checkout", "--json").stdout)
        assert described["metrics"]["producer-metrics"]["buffer-total-bytes"] == 33_554_432
        assert "the program" in shell("clients", "describe", "reader").stdout
    nobody = shell("clients", "describe", "nobody")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "No client nobody runs" in nobody.stderr
