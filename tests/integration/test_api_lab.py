"""The lab over the API: what can be started, what is wanted, what comes of it, and that operations start and end it."""

from __future__ import annotations

import msgspec
import pytest
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.operations import tasks
from streamlab import keys
from streamlab.lab.loads.desired import LabStatus, LoadStatus, ProcessStatus
from streamlab.lab.scenarios import SCENARIOS
from tests.integration.broker_pictures import now_ms, publish
from tests.programs import Program, problem_of
from tests.snapshots import a_group, a_snapshot, a_topic

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(redis_url: str, settings: Settings) -> Program:
    settings.STREAMLAB_URL = redis_url
    return Program(Role.VIEWER, "api:read")


def test_every_scenario_is_told_with_what_helps(viewer, loads):
    loads.start(SCENARIOS["hot-key"].load)
    found = {scenario["name"]: scenario for scenario in viewer.asks("/lab/scenarios")}
    assert list(found) == list(SCENARIOS)
    assert [name for name, scenario in found.items() if scenario["runs"]] == ["hot-key"]
    for name, scenario in SCENARIOS.items():
        assert [lever["changes"] for lever in found[name]["levers"]] == [lv.changes for lv in scenario.levers]
        assert len(found[name]["expect"]) == len(scenario.expect) and found[name]["look"]
        assert [t["setting"] for t in found[name]["trials"]] == [t.setting for t in scenario.trials]


def test_a_load_says_what_is_wanted_what_runs_and_its_rates(viewer, loads, broker, redis_url):
    assert viewer.asks("/lab/loads")["loads"] == []
    wanted = loads.start(SCENARIOS["poison-records"].load, by="ann")
    [waiting] = viewer.asks("/lab/loads")["loads"]
    assert waiting["status"]["word"] == "waits for the lab" and waiting["figures"]["rate"] is None
    why = viewer.asks("/lab/loads")["why"]
    assert "No lab runs now" in why and "-m streamlab lab run" in why
    load = wanted.load
    told = LabStatus(
        pid=1,
        host="here",
        as_of_ms=now_ms(),
        loads={load.name: LoadStatus(version=1, processes=[ProcessStatus(name="reader-1", pid=None, restarts=2)])},
    )  # fmt: skip
    broker.connection.client.set(keys.LAB_STATUS, msgspec.json.encode(told))
    broker.admin().create_topics({load.topic_name: {"num_partitions": load.partitions}})
    publish(redis_url, a_snapshot(a_topic(load.topic_name, load.partitions), a_group(load.group_id, lag=40)))
    found = viewer.asks(f"/lab/loads/{load.name}")
    assert found["status"]["word"] == "starts again" and viewer.asks("/lab/loads")["lab_runs"]
    assert found["processes"] == [{"name": "reader-1", "pid": None, "restarts": 2}]
    assert (found["figures"]["lag"], found["figures"]["partitions"]) == (40, load.partitions)
    assert found["figures"]["rate"] is not None
    assert (found["by"], found["version"], found["followed_version"]) == ("ann", 1, 1)
    assert found["load"] == msgspec.to_builtins(load)
    assert (found["started_ms"], found["until_ms"]) == (wanted.started_ms, wanted.until_ms)


def test_what_does_not_run_is_not_there(viewer, loads):
    assert problem_of(viewer.get("/lab/loads/hot-key"), 404)


def test_an_operation_starts_changes_and_stops_a_load(viewer, loads):
    operator = Program(Role.OPERATOR, "operations:write")

    def does(kind: str, **fields: object) -> None:
        number = operator.does("/operations", {"kind": kind, "fields": fields}, 201)["number"]
        operator.does(f"/operations/{number}/confirm")
        tasks.run(number)
        assert operator.asks(f"/operations/{number}")["state"] == "done"

    does("start-load", scenario="hot-key")
    assert viewer.asks("/lab/loads/hot-key")["by"] == "operator"
    does("change-load", name="hot-key", **{"producers.rate": 50})
    changed = viewer.asks("/lab/loads/hot-key")
    assert (changed["version"], changed["load"]["producers"]["rate"]) == (2, 50)
    does("stop-load", name="hot-key")
    assert problem_of(viewer.get("/lab/loads/hot-key"), 404)
