"""Experiments as the pages show them: asked for in the form, running, and what came of them."""

from __future__ import annotations

import re
from random import Random

from django.test import Client

from dashboard.operations.models import Operation
from streamlab.broker import Broker
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.judging import judge, words
from streamlab.lab.experiments.measuring import MEASURES
from streamlab.lab.experiments.notes import Note, Outcome, Run
from streamlab.lab.experiments.plan import Plan
from tests.builders import a_topic, settle

WHO = "group:readers"


def a_topic_with_readers(broker: Broker) -> str:
    """With one partition, and a group `readers` that has committed on it."""
    name = a_topic(broker, partitions=1)
    with broker.consumer(name, group_id="readers") as consumer:
        settle([consumer], 1)
        consumer.poll(timeout_ms=100)
    return name


def a_plan(topic: str, **changes) -> Plan:
    given = {
        "entity": WHO,
        "setting": "max_poll_records",
        "values": [1, 500],
        "topic": topic,
        "group": "readers",
    }
    return Plan(**{**given, "repetitions": 5, **changes})


def an_outcome(
    plan: Plan, effects: dict[str, list[float]], id: str = "1a2b-cd", state: str = "done"
) -> Outcome:
    """`effects`: measure -> factor of each value. Half a percent of noise."""
    chance = Random(id)
    runs = [
        Run(
            value=index,
            figures={
                name: 100.0 * effects.get(name, [1.0] * 9)[index] * chance.gauss(1, 0.005)
                for name in MEASURES
            },
            started_ms=1_000 * n,
            ended_ms=1_000 * n + 900,
        )
        for n, index in enumerate(plan.order())
    ]
    rounds = [[run.figures for run in runs if run.value == i] for i in range(len(plan.values))]
    judged = judge(*rounds)
    return Outcome(
        id=id,
        plan=plan,
        state=state,
        by="somebody",
        today=plan.values[0],
        started_ms=1_700_000_000_000,
        ended_ms=1_700_000_060_000,
        runs=runs,
        effects=judged,
        verdicts=[words(found) for found in judged],
    )


def running(broker: Broker, plan: Plan) -> Note:
    note = Note(
        id="9f-running", plan=plan, had=False, by="cli", started_ms=broker.connection.server_time_ms()
    )
    notes.open_note(broker.connection, note)
    return note


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def fields(topic: str, **changes) -> dict[str, object]:
    given = {
        "entity": WHO,
        "setting": "max_poll_records",
        "values": "1, 500",
        "topic": topic,
        "group": "readers",
    }
    return {**given, "producers": "", "repetitions": 3, "warm_up_s": 0, "window_s": 1, **changes}


def ask(client: Client, topic: str, **changes) -> Operation:
    answer = client.post("/lab/experiments/new/", fields(topic, **changes))
    assert answer.status_code == 302, answer.context["form"].errors
    return Operation.objects.latest("pk")
