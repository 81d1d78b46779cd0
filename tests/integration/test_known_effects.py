"""Experiments on effects that are known beforehand come out right, on loads of real processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from streamlab.lab.experiments.judging import Effect, Verdict
from streamlab.lab.experiments.plan import Plan
from streamlab.lab.experiments.runner import run
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.load import Consumers, Keys, Load, Producers
from streamlab.lab.scenarios import SCENARIOS
from tests.shell import Shell
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def loads(broker, redis_url, tmp_path) -> Iterator[Loads]:
    """With the lab that makes them run."""
    shell = Shell(redis_url, tmp_path)
    shell.start("lab", "run")
    yield Loads(broker.connection)
    shell.stop_all()


def effects_of(
    broker, loads: Loads, load: Load, entity: str, setting: str, values: list, warm_up_s: float
) -> dict[str, Effect]:
    """Of the second value against the first; three rounds of windows of 3 s, after the load has come into motion."""
    loads.start(load)
    until(lambda: committed(broker, load) > 100, 120, "records are read")
    plan = Plan(
        entity=entity,
        setting=setting,
        values=values,
        topic=load.topic_name,
        group=load.group_id,
        producers=load.topic_name,
        warm_up_s=warm_up_s,
        window_s=3,
        repetitions=3,
    )
    outcome = run(broker.connection, plan, threading.Event())
    assert outcome.state == "done"
    return {effect.measure: effect for effect in outcome.effects[0]}


def committed(broker, load: Load) -> int:
    if load.topic_name not in broker.admin().list_topics():
        return 0
    positions = broker.admin().list_group_offsets(load.group_id).get(load.group_id, {})
    return sum(position.offset for position in positions.values())


def test_lingering_gets_more_through_where_batches_cannot_fill_and_records_come_later(broker, loads):
    load = SCENARIOS["many-partitions"].load
    [trial] = SCENARIOS["many-partitions"].trials
    found = effects_of(broker, loads, load, trial.entity(load), trial.setting, list(trial.values), 2)
    assert found["rate_in"].value > found["rate_in"].baseline, "how much more depends on the machine"
    assert found["batch_records"].value > found["batch_records"].baseline
    assert found["record_bytes"].value < found["record_bytes"].baseline
    assert found["queue_p99"].value > found["queue_p99"].baseline
    assert found["e2e_p50"].value > found["e2e_p50"].baseline, "half of the records wait 25 ms or longer"
    assert Verdict.WORSE not in {found[name].verdict for name in ("rate_in", "batch_records", "record_bytes")}
    assert Verdict.BETTER not in {found[name].verdict for name in ("queue_p99", "e2e_p50")}


def test_larger_polls_of_a_cheap_handler_read_more(broker, loads):
    load = Load(
        name="cheap",
        partitions=2,
        producers=Producers(rate=5_000, size_bytes=50, keys=Keys(count=50), settings={"linger_ms": 20}),
        consumers=Consumers(kind="consumer", handler_ms=0.0, spread=0),
    )
    found = effects_of(broker, loads, load, f"group:{load.group_id}", "max_poll_records", [1, 500], 1)
    assert found["rate_out"].value > found["rate_out"].baseline, "how much more depends on the machine"
    assert found["rate_out"].verdict is not Verdict.WORSE
    assert found["lag"].value < found["lag"].baseline
    assert found["batch_records"].verdict is not Verdict.WORSE, (
        "how the producer batches has nothing to do with it"
    )
