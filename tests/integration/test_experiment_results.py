"""What came of experiments, in the dashboard: told, compared, kept as a file, marked on charts."""

from __future__ import annotations

import csv
import io
import re

import msgspec
import pytest

from dashboard.access.roles import Role
from streamlab.broker import Broker
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.judging import judge
from streamlab.lab.experiments.measuring import MEASURES
from tests import snapshots
from tests.experiments import a_plan, a_topic_with_readers, an_outcome, text
from tests.integration.broker_pictures import publish
from tests.people import a_person
from tests.snapshots import a_snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic(broker: Broker) -> str:
    return a_topic_with_readers(broker)


def test_a_trade_is_told_in_words_with_every_measure_and_its_interval(operator, broker, topic):
    notes.keep(broker.connection, an_outcome(a_plan(topic), {"rate_out": [1, 1.4], "e2e_p99": [1, 3.5]}))
    page = text(operator.get("/lab/experiments/1a2b-cd/"))
    assert "Better: throughput out +" in page
    assert "Paid with: end-to-end latency, p99 3.5 times as high" in page
    assert page.count('class="whisker') == len(MEASURES)
    assert "lie on the frontier" in page
    assert 'class="today"' in page, "today's setting is ringed"


def test_of_a_sweep_each_value_is_shown_and_one_of_them_in_full(operator, broker, topic):
    plan = a_plan(topic, values=[1, 10, 100, 500, 1000])
    effects = {"rate_out": [1, 2, 3, 4, 3.5], "e2e_p99": [1, 0.9, 0.8, 0.7, 2.0]}
    notes.keep(broker.connection, an_outcome(plan, effects))
    page = text(operator.get("/lab/experiments/1a2b-cd/?value=3"))
    assert "500 is best in both" in page
    assert (
        "Certain against 1: throughput better with 10, 100, 500 and 1000; "
        "end-to-end latency better with 10, 100 and 500, worse with 1000." in page
    )
    assert "setting, 1, lies behind it: by the means of their windows 500 is better in both." in page
    assert 'aria-label="Effects table"' in page and "1 → 500" in page
    assert operator.get("/lab/experiments/1a2b-cd/?value=x").status_code == 200
    assert operator.get("/lab/experiments/1a2b-cd/?value=99").status_code == 200


@pytest.mark.parametrize(
    "effects, says",
    [
        (
            {"e2e_p50": [3, 9], "e2e_p99": [1, 14]},
            "1 has the least end-to-end latency, p99; no value changed throughput out for certain.",
        ),
        (
            {"rate_out": [1, 3], "rate_in": [1, 3]},
            "500 has the most throughput out; no value changed end-to-end latency, p99 for certain. "
            "Today&#x27;s setting, 1, has less, by the means of their windows.",
        ),
    ],
)
def test_what_differs_by_chance_alone_is_no_choice(operator, broker, topic, effects, says):
    notes.keep(broker.connection, an_outcome(a_plan(topic, values=[1, 500]), effects))
    page = text(operator.get("/lab/experiments/1a2b-cd/"))
    assert says in page
    assert "it is a choice" not in page
    assert page.count(">frontier<") == 1


def test_what_differs_without_being_certain_takes_more_rounds(operator, broker, topic):
    """Throughput is five times as high in each round, but not as evenly as sixty comparisons of four rounds ask for."""
    plan = a_plan(topic, values=[1, 500], repetitions=4)
    outcome = an_outcome(plan, {"e2e_p99": [9, 1]})
    unsteady = iter((2.0, 9.0, 3.0, 8.0))
    runs = [
        msgspec.structs.replace(r, figures=r.figures | {"rate_out": r.figures["rate_out"] * next(unsteady)})
        if r.value
        else r
        for r in outcome.runs
    ]
    effects = judge(*([r.figures for r in runs if r.value == value] for value in (0, 1)))
    notes.keep(broker.connection, msgspec.structs.replace(outcome, runs=runs, effects=effects))
    page = text(operator.get("/lab/experiments/1a2b-cd/"))
    assert "throughput out differs, but not for certain: more rounds decide." in page
    assert "chance as seen in all values" not in page


def test_of_one_that_was_stopped_early_no_measure_is_said_not_to_have_changed(operator, broker, topic):
    plan = a_plan(topic, values=[1, 500], repetitions=2)
    notes.keep(broker.connection, an_outcome(plan, {"e2e_p99": [1, 93]}, state="stopped"))
    page = text(operator.get("/lab/experiments/1a2b-cd/"))
    assert "too few rounds" in page and "no detectable change" not in page


def test_where_nothing_was_detected_no_frontier_is_claimed(operator, broker, topic):
    notes.keep(broker.connection, an_outcome(a_plan(topic, values=[1, 10, 100]), {}))
    page = text(operator.get("/lab/experiments/1a2b-cd/"))
    assert "No detectable change." in page
    assert "lie on the frontier" not in page
    assert "what is seen here may be chance" in page


def test_a_headline_speaks_of_what_users_feel_and_says_when_rounds_are_too_few(operator, broker, topic):
    plan = a_plan(topic, values=[1, 10], repetitions=3)
    notes.keep(broker.connection, an_outcome(plan, {"batch_records": [1, 80], "record_bytes": [1, 0.4]}))
    page = text(operator.get("/lab/experiments/1a2b-cd/"))
    assert "<h2>Too few rounds to tell whether throughput, latency or lag changed.</h2>" in page
    assert "4 rounds would tell a doubling" in page
    assert "What else changed: records in a batch, bytes stored for a record." in page
    assert "10 is better" not in page
    assert "Too few rounds to tell" in text(operator.get("/lab/experiments/"))


def test_an_interval_that_excludes_no_change_beside_no_verdict_is_explained(operator, broker, topic):
    chance = an_outcome(a_plan(topic, values=[1, 10, 100], repetitions=4), {"rate_out": [1, 1, 1.5]})
    runs = [
        msgspec.structs.replace(
            run,
            figures={**run.figures, "lag": 100.0 if run.value != 1 else (200.0, 300.0, 500.0, 250.0)[n // 3]},
        )
        for n, run in enumerate(chance.runs)
    ]
    rounds = [[run.figures for run in runs if run.value == i] for i in range(3)]
    notes.keep(broker.connection, msgspec.structs.replace(chance, runs=runs, effects=judge(*rounds)))
    for value, explained in ((1, True), (2, False)):
        page = text(operator.get(f"/lab/experiments/1a2b-cd/?value={value}"))
        assert ("Not certain: the interval alone excludes no change" in page) is explained
        assert ("</span>not certain</span>" in page) is explained


def test_both_ends_of_an_interval_have_one_unit(operator, broker, topic):
    notes.keep(broker.connection, an_outcome(a_plan(topic), {"rate_out": [1, 3.0]}))
    page = text(operator.get("/lab/experiments/1a2b-cd/"))
    assert re.search(r"<td class=\"n\">(2\.9\d|3\.0\d) to 3\.\d\d ×</td>", page)
    assert "▲" not in page


def test_a_result_is_a_file_with_every_window(operator, broker, topic):
    outcome = an_outcome(a_plan(topic), {})
    notes.keep(broker.connection, outcome)
    answer = operator.get("/lab/experiments/1a2b-cd/result.json")
    whole = answer.json()
    assert whole["plan"]["setting"] == "max_poll_records"
    assert {m["name"]: m["unit"] for m in whole["measures"]}["e2e_p99"] == "ms"
    assert 'filename="experiment-1a2b-cd.json"' in answer["Content-Disposition"]
    lines = list(
        csv.DictReader(io.StringIO(operator.get("/lab/experiments/1a2b-cd/result.csv").content.decode()))
    )
    assert len(lines) == 10
    assert [line["max_poll_records"] for line in lines[:4]] == ["1", "500", "500", "1"]
    assert float(lines[0]["rate_out (records/s)"]) == outcome.runs[0].figures["rate_out"]
    assert len(lines[0]) == 4 + len(MEASURES)
    assert operator.get("/lab/experiments/1a2b-cd/result.exe").status_code == 404
    assert operator.get("/lab/experiments/none/").status_code == 404


def test_one_that_an_earlier_version_kept_speaks_the_words_of_today(operator, broker, topic):
    kept = an_outcome(a_plan(topic), {"rate_out": [1, 2.0]})
    gone = msgspec.structs.replace(kept.effects[0][0], measure="a_measure_of_old")
    old = msgspec.structs.replace(kept, verdicts=["Faster by a lot."], effects=[[*kept.effects[0], gone]])
    notes.keep(broker.connection, old)
    whole = operator.get("/lab/experiments/1a2b-cd/result.json").json()
    assert whole["verdicts"][0].startswith("Better: throughput out +")
    assert "Better: throughput out +" in text(operator.get("/lab/experiments/"))
    assert operator.get("/lab/experiments/1a2b-cd/").status_code == 200


def test_two_are_compared_measure_by_measure(operator, broker, topic):
    notes.keep(broker.connection, an_outcome(a_plan(topic), {"lag": [1, 0.5]}, id="1a-a"))
    notes.keep(broker.connection, an_outcome(a_plan(topic, values=[1, 9]), {"lag": [1, 2]}, id="1a-b"))
    page = text(operator.get("/lab/experiments/compare/?a=1a-a&b=1a-b"))
    assert "1 → 500" in page and "1 → 9" in page
    assert re.search("−(49|50|51) %", page) and re.search(r"\+(99|100|101) %", page)
    assert operator.get("/lab/experiments/compare/?a=gone").status_code == 200


def test_on_the_history_it_is_one_mark_at_its_start_and_one_at_its_end(operator, broker, topic):
    from dashboard.pages import marks
    from dashboard.projections.models import BrokerEvent

    outcome = an_outcome(a_plan(topic), {"lag_ms": [1, 0.5]}, id=notes.new_id(1_700_000_000_000))
    notes.keep(broker.connection, outcome)
    flip = {"entity_type": "group", "entity": "readers", "name": "max_poll_records"}
    for n, by in enumerate(("lab", "somebody")):
        BrokerEvent.objects.create(
            event_id=str(n), kind="config.changed", at_ms=outcome.started_ms + n, by=by, data=flip
        )
    found = marks.between(outcome.started_ms - 1, outcome.ended_ms)
    assert [mark.word for mark in found] == ["Experiment ended", "Settings", "Experiment"]
    assert "Better: time behind" in found[0].text
    assert marks.between(outcome.started_ms - 1, outcome.ended_ms, group="others") == []


def test_charts_of_what_it_measured_mark_it_and_others_do_not(operator, broker, topic, redis_url):
    publish(
        redis_url,
        a_snapshot(snapshots.a_topic(topic), snapshots.a_topic("other"), snapshots.a_group("readers")),
    )
    now_ms = broker.connection.server_time_ms()
    begun = msgspec.structs.replace(
        an_outcome(a_plan(topic), {}, id=notes.new_id(now_ms)),
        started_ms=now_ms - 60_000,
        ended_ms=now_ms - 10,
    )
    notes.keep(broker.connection, begun)
    for path, marked in (
        ("/", 2),
        (f"/topics/{topic}/", 2),
        ("/groups/readers/", 2),
        ("/topics/other/", 0),
    ):
        page = operator.get(path).content.decode()
        assert page.count('data-mark-kind="experiment"') == marked, path


def test_the_api_lists_them_and_tells_one_in_full(operator, broker, topic):
    effects = {"rate_out": [1, 1.4], "e2e_p99": [1, 3.5]}
    notes.keep(broker.connection, an_outcome(a_plan(topic), effects))
    [short] = operator.get("/api/v1/experiments").json()["items"]
    assert (short["id"], short["state"], len(short["verdicts"])) == ("1a2b-cd", "done", 1)
    whole = operator.get("/api/v1/experiments/1a2b-cd").json()
    assert len(whole["runs"]) == 10
    assert [point["best"] for point in whole["sweep"]["points"]] == [True, True]
    assert whole["sweep"]["latency"] == "e2e_p99"
    assert operator.get("/api/v1/experiments/none").status_code == 404
    named = {f["name"] for f in operator.get("/api/v1/operations/kinds/experiment").json()["fields"]}
    assert {"entity", "setting", "values", "topic", "group", "repetitions"} <= named


def test_the_pages_are_there_when_the_server_is_not(client, settings):
    settings.STREAMLAB_URL = "redis://127.0.0.1:1/0"
    client.force_login(a_person(Role.OPERATOR))
    for path in ("/lab/experiments/", "/lab/experiments/1a/", "/lab/experiments/compare/"):
        assert "cannot be reached" in text(client.get(path)), path
    assert client.get("/lab/experiments/new/").status_code == 503
