"""Experiments in the dashboard: asked for, protected while they run, shown, kept, compared, put back."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from threading import Thread

import msgspec
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.audit.models import Entry
from dashboard.operations import life, tasks
from dashboard.operations.guard import look
from dashboard.operations.models import Operation, State
from dashboard.operations.registry import KINDS
from streamlab.broker import Broker
from streamlab.cli import main
from streamlab.errors import IllegalStateError
from streamlab.lab.experiments import notes, stopping
from streamlab.lab.experiments.judging import judge, words
from streamlab.lab.experiments.measuring import MEASURES
from streamlab.lab.experiments.notes import Note, Outcome, Run
from streamlab.lab.experiments.plan import Plan
from streamlab.lab.loads.desired import Loads
from streamlab.lab.scenarios import SCENARIOS
from tests import snapshots
from tests.builders import a_topic, settle
from tests.integration.broker_pictures import publish
from tests.people import a_person
from tests.snapshots import a_snapshot
from tests.waiting import until

pytestmark = pytest.mark.django_db

WHO = "group:readers"


@pytest.fixture
def operator(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.OPERATOR))
    return client


@pytest.fixture
def topic(broker: Broker) -> str:
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


# -- asking for one ----------------------------------------------------------------------------------------------------


def test_a_link_fills_the_form_and_says_what_the_lever_means_and_how_long_it_takes(operator, topic):
    query = f"entity={WHO}&setting=max_poll_records&values=100,500&topic={topic}&group=readers"
    form = operator.get(f"/lab/experiments/new/?{query}").context["form"]
    filled = {name: form[name].value() for name in ("entity", "setting", "values", "topic", "group")}
    assert filled == {
        "entity": WHO,
        "setting": "max_poll_records",
        "values": "100,500",
        "topic": topic,
        "group": "readers",
    }
    assert "Default 500" in form["setting"].help_text
    assert form.estimate == "1 min 52 s"


def test_what_was_not_asked_for_is_guessed_from_what_runs(operator, broker, topic):
    broker.configs().set(WHO, {"max_poll_records": 50})
    with broker.consumer(topic, group_id="readers", auto_offset_reset="earliest") as consumer:
        settle([consumer], 1)
        consumer.poll(timeout_ms=100)
        consumer.commit()
    form = operator.get(f"/lab/experiments/new/?entity={WHO}").context["form"]
    assert form["values"].value() == "50, 1, 10, 100, 500", "today's value comes first"
    assert form["values"].help_text.startswith("Now 50.")
    assert (form["group"].value(), form["topic"].value()) == ("readers", topic)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"values": "5"}, "2 to 8 values"),
        ({"values": "1, 1"}, "asked for twice"),
        ({"values": "1, many"}, "must be a"),
        ({"topic": "nowhere"}, "There is no topic nowhere"),
        ({"group": "nobody"}, "There is no group nobody"),
        ({"entity": "planet:mars"}, "Select a valid choice"),
        ({"window_s": 3000, "repetitions": 20}, "at most 180"),
    ],
)
def test_what_cannot_be_is_refused_in_the_form(operator, topic, changes, says):
    answer = operator.post("/lab/experiments/new/", fields(topic) | changes)
    assert answer.status_code == 422
    assert says in text(answer)
    assert Operation.objects.count() == 0


def test_what_the_group_itself_keeps_is_not_said_to_change_nothing(operator, topic):
    preview = ask(operator, topic, setting="assignor", values="-, lag-aware").preview
    assert preview["effect"].startswith("assignor of group:readers is set to unset and lag-aware")
    assert not any("nothing would change" in warning for warning in preview["warnings"])


def test_the_preview_says_what_is_turned_for_how_long_and_what_is_put_back(operator, broker, topic):
    broker.configs().set(WHO, {"max_poll_records": 50})
    preview = ask(operator, topic, warm_up_s=5, window_s=20).preview
    assert preview["effect"] == (
        "max_poll_records of group:readers is set to 1 and 500 in turn, 3 rounds of 2 windows. It takes 2 min 30 s."
    )
    facts = dict(preview["facts"])
    assert (facts["Today's value"], facts["Put back to"]) == ("50", "50")
    assert "Today's value, 50, is not among those that are tried." in preview["warnings"]
    assert any("No running client has max_poll_records" in warning for warning in preview["warnings"])
    assert preview["blocked"] == ""
    assert broker.configs().get(WHO).values == {"max_poll_records": 50}, "a preview changes nothing"


@pytest.mark.parametrize("changes", [{}, {"warm_up_s": 10.0, "window_s": 30.0, "repetitions": 5}], ids=str)
def test_the_command_beside_it_asks_for_the_same(redis_url, monkeypatch, topic, changes):
    plan, asked = a_plan(topic, **{"repetitions": 8, **changes}), []

    def note_and_end(connection, plan, *others):
        asked.append(plan)
        raise IllegalStateError("It is not run here.")

    monkeypatch.setattr("streamlab.lab.experiments.runner.run", note_and_end)
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    command = KINDS["experiment"].command(msgspec.to_builtins(plan))
    with pytest.raises(SystemExit):
        main(shlex.split(command)[3:])
    assert asked == [plan]


def test_settings_lead_to_the_form_from_where_they_are_tuned(operator, topic):
    page = text(operator.get(f"/operations/new/configure/?entity={WHO}"))
    assert "/lab/experiments/new/?entity=group%3Areaders&amp;setting=max_poll_records" in page
    assert operator.get("/lab/experiments/new/?entity=group%3Areaders&setting=assignor").status_code == 200


def test_a_topic_leads_to_the_group_that_reads_it(operator, broker, topic):
    with broker.consumer(topic, group_id="readers", auto_offset_reset="earliest") as consumer:
        settle([consumer], 1)
        consumer.poll(timeout_ms=100)
        consumer.commit()
    a_group_before = a_topic(broker, partitions=1)
    with broker.consumer(a_group_before, group_id="a-group-before") as other:
        settle([other], 1)
    form = operator.get(f"/lab/experiments/new/?topic={topic}").context["form"]
    assert (form["entity"].value(), form["topic"].value()) == (WHO, topic)


def test_a_load_with_a_rate_is_said_to_show_no_throughput(operator, broker):
    loads = Loads(broker.connection)
    for name, setting, told in (
        ("tiny-batches", "batch_size", "For that there is the scenario “Full speed”."),
        ("full-speed", "batch_size", None),
        ("steady-shop", "linger_ms", "For that there is the scenario “Many partitions”."),
        ("full-speed", "linger_ms", "so none lingers"),
        ("many-partitions", "linger_ms", None),
    ):
        load = SCENARIOS[name].load
        loads.start(load)
        if load.topic_name not in broker.admin().list_topics():
            broker.admin().create_topics({load.topic_name: {"num_partitions": 1}})
        asked = {"entity": f"client:{load.topic_name}-producer-1", "setting": setting, "group": ""}
        warnings = " ".join(ask(operator, load.topic_name, **asked).preview["warnings"])
        loads.stop(name)
        if told is None:
            assert "throughput" not in warnings
        else:
            assert told in warnings


def test_a_load_that_ends_before_the_experiment_is_said_to(operator, broker):
    load = SCENARIOS["burst"].load
    Loads(broker.connection).start(load)
    broker.admin().create_topics({load.topic_name: {"num_partitions": 1}})
    for seconds, warned in ((1, False), (load.minutes * 60 / 4, True)):
        ask(operator, load.topic_name, entity=WHO, group="", window_s=round(seconds))
        warnings = Operation.objects.latest("pk").preview["warnings"]
        assert any("before the experiment does" in warning for warning in warnings) is warned


def test_a_viewer_sees_results_and_starts_nothing(client, redis_url, settings, broker, topic):
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.VIEWER))
    notes.keep(broker.connection, an_outcome(a_plan(topic), {}))
    assert client.get("/lab/experiments/1a2b-cd/").status_code == 200
    assert "New experiment" not in text(client.get("/lab/experiments/"))
    assert client.get("/lab/experiments/new/").status_code == 403


# -- while one runs ----------------------------------------------------------------------------------------------------


def test_a_second_one_is_blocked(operator, broker, topic):
    running(broker, a_plan(topic))
    assert "one at a time" in ask(operator, topic).preview["blocked"]


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("configure", {"entity": WHO, "max_poll_records": "7"}),
        ("pause-group", {"group": "readers"}),
        ("add-partitions", {"total": "3"}),
        ("delete-topic", {}),
    ],
)
def test_what_would_change_what_it_measures_is_refused_until_it_has_ended(
    operator, broker, topic, kind, asked
):
    if kind in ("add-partitions", "delete-topic"):
        asked = {**asked, "topic": topic}
    operator.post(f"/operations/new/{kind}/", asked)
    before = Operation.objects.latest("pk")
    assert "experiment" not in before.preview["blocked"].lower()
    running(broker, a_plan(topic))
    operator.post(f"/operations/{before.pk}/confirm/")
    before.refresh_from_db()
    assert before.state == State.DRAFT, "one that was previewed earlier is refused when it is confirmed"
    operator.post(f"/operations/new/{kind}/", asked)
    blocked = Operation.objects.latest("pk").preview["blocked"]
    assert blocked.startswith("An experiment measures") or before.preview["blocked"]


def test_what_waited_for_a_worker_while_it_began_is_refused_as_well(operator, broker, topic):
    operator.post("/operations/new/pause-group/", {"group": "readers"})
    operation = Operation.objects.latest("pk")
    operator.post(f"/operations/{operation.pk}/confirm/")
    running(broker, a_plan(topic))
    tasks.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == State.FAILED
    assert operation.error.startswith("Nothing was changed: An experiment measures")


def test_letters_may_be_replayed_anywhere_but_into_what_it_measures(broker, topic):
    running(broker, a_plan(topic))
    elsewhere = a_topic(broker, partitions=1)
    for to, refused in ((topic, True), (elsewhere, False), ("group", False)):
        assert bool(look(broker, KINDS["replay"], {"dlq": "letters", "to": to}).refused) is refused, to


def test_one_that_somebody_started_elsewhere_is_stopped_from_its_page(operator, broker, topic):
    note = running(broker, a_plan(topic))
    page = text(operator.get(f"/lab/experiments/{note.id}/"))
    assert 'form="stop"' in page
    operator.post(f"/lab/experiments/{note.id}/stop/")
    assert stopping.asked(broker.connection, note.id) is not None
    assert "It stops now, and puts the setting back." in text(operator.get(f"/lab/experiments/{note.id}/"))
    assert Entry.objects.filter(action="experiment.stop", subject=WHO).count() == 1
    answer = operator.post("/lab/experiments/other/stop/", follow=True)
    assert "The experiment other does not run." in text(answer) or answer.status_code == 404


def test_its_load_cannot_be_stopped_by_accident_with_one_click(operator, broker, topic):
    loads = Loads(broker.connection)
    loads.start(SCENARIOS["burst"].load)
    broker.admin().create_topics({"lab-burst": {"num_partitions": 1}})
    running(broker, a_plan("lab-burst", group=None))
    answer = operator.post("/operations/now/load/", {"do": "stop", "name": "burst"}, follow=True)
    assert "An experiment measures lab-burst" in text(answer)
    assert list(loads.all()) == ["burst"]


def test_what_may_disturb_it_is_warned_of(operator, broker, topic):
    running(broker, a_plan(topic))
    other = a_topic(broker, partitions=1)
    operator.post("/operations/new/add-partitions/", {"topic": other, "total": "2"})
    preview = Operation.objects.latest("pk").preview
    assert preview["blocked"] == ""
    assert "may disturb what it measures" in preview["warnings"][-1]


def test_its_page_shows_how_far_it_is_before_the_first_window_and_after(operator, broker, topic):
    plan = a_plan(topic)
    note = running(broker, plan)
    page = text(operator.get(f"/lab/experiments/{note.id}/"))
    assert "It is being measured" in page
    assert "0 of 10 windows · now max_poll_records = 1" in page
    whole = an_outcome(plan, {}, id=note.id, state="incomplete")
    part = Outcome(
        id=note.id, plan=plan, state="incomplete", started_ms=note.started_ms, ended_ms=0, runs=whole.runs[:3]
    )
    notes.keep(broker.connection, part)
    assert "3 of 10 windows · now max_poll_records = 1" in text(operator.get(f"/lab/experiments/{note.id}/"))
    assert "is being measured" in text(operator.get("/lab/experiments/"))


# -- run as an operation -----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_that_is_confirmed_measures_says_how_far_it_is_and_leads_to_its_result(
    operator, broker, topic, monkeypatch
):
    monkeypatch.setattr(tasks, "send", tasks.run)
    operation = ask(operator, topic, warm_up_s=0.2)
    operator.post(f"/operations/{operation.pk}/confirm/")
    operation.refresh_from_db()
    assert operation.state == State.DONE, operation.error
    [id] = notes.results(broker.connection)
    assert operation.result["data"] == {"experiment": id}
    assert f"/lab/experiments/{id}/" in text(operator.get(f"/operations/{operation.pk}/"))
    assert "max_poll_records" in text(operator.get(f"/lab/experiments/{id}/"))
    assert broker.configs().get(WHO).values == {}


@contextmanager
def measured_until(broker: Broker, operation: Operation) -> Iterator[None]:
    """It measures until the block, which stops it."""
    life.confirm(operation, life.Actor(None))
    worker = Thread(target=lambda: (tasks.run(operation.pk), connection.close()))
    worker.start()
    try:
        until(lambda: broker.configs().get(WHO).values == {"max_poll_records": 1}, 30)
        yield
    except BaseException:
        Operation.objects.filter(pk=operation.pk).update(cancel_wanted=True)
        raise
    finally:
        worker.join(60)
    operation.refresh_from_db()


@pytest.mark.django_db(transaction=True)
def test_one_that_is_cancelled_ends_soon_and_puts_back(operator, broker, topic):
    operation = ask(operator, topic, window_s=600)
    with measured_until(broker, operation):
        operator.post(f"/operations/{operation.pk}/cancel/")
    assert operation.state == State.CANCELLED
    assert broker.configs().get(WHO).values == {}
    [outcome] = notes.results(broker.connection).values()
    assert outcome.state == "stopped"


@pytest.mark.django_db(transaction=True)
def test_one_that_is_stopped_by_a_wish_is_no_success(operator, broker, topic):
    operation = ask(operator, topic, window_s=600)
    with measured_until(broker, operation):
        stopping.ask(broker.connection, "anna")
    assert operation.state == State.CANCELLED
    [outcome] = notes.results(broker.connection).values()
    assert outcome.why == "It was stopped by anna."


@pytest.mark.django_db(transaction=True)
def test_settings_that_moved_after_the_preview_let_nothing_begin(operator, broker, topic, monkeypatch):
    monkeypatch.setattr(tasks, "send", tasks.run)
    operation = ask(operator, topic)
    broker.configs().set(WHO, {"max_poll_records": 9})
    operator.post(f"/operations/{operation.pk}/confirm/")
    operation.refresh_from_db()
    assert operation.state == State.FAILED
    assert "Nothing was changed" in operation.error
    assert notes.results(broker.connection) == {}


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_worker_left_is_put_back_by_whoever_looks_after_operations(operator, broker, topic):
    operation = ask(operator, topic)
    Operation.objects.filter(pk=operation.pk).update(
        state=State.RUNNING, claim="dead", beat_at=timezone.now() - 10 * life.LOST_AFTER, done=3
    )
    running(broker, a_plan(topic))  # its lease went with its process
    broker.configs().set(WHO, {"max_poll_records": 500})
    tasks.look_after()
    assert broker.configs().get(WHO).values == {}
    [outcome] = notes.results(broker.connection).values()
    assert (outcome.state, "was put back" in outcome.why) == ("incomplete", True)
    operation.refresh_from_db()
    assert operation.state == State.FAILED
    assert "Incomplete" in text(operator.get(f"/lab/experiments/{outcome.id}/"))


# -- results -----------------------------------------------------------------------------------------------------------


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


def test_a_preview_says_how_many_rounds_a_verdict_takes(operator, topic):
    for rounds, warned in ((3, True), (4, False)):
        preview = ask(operator, topic, repetitions=rounds).preview
        assert dict(preview["facts"])["Rounds for a verdict"].startswith("4 or more, as up to 15 figures")
        assert any("Too few rounds" in warning for warning in preview["warnings"]) is warned


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


def test_the_api_stops_the_one_that_runs_and_no_other(operator, broker, topic):
    notes.keep(broker.connection, an_outcome(a_plan(topic), {}))
    note = running(broker, a_plan(topic))
    assert operator.post("/api/v1/experiments/1a2b-cd/stop").status_code == 409
    assert stopping.asked(broker.connection, note.id) is None
    assert operator.post(f"/api/v1/experiments/{note.id}/stop").status_code == 202
    assert stopping.asked(broker.connection, note.id) is not None
    assert operator.post("/api/v1/experiments/none/stop").status_code == 404


def test_the_pages_are_there_when_the_server_is_not(client, settings):
    settings.STREAMLAB_URL = "redis://127.0.0.1:1/0"
    client.force_login(a_person(Role.OPERATOR))
    for path in ("/lab/experiments/", "/lab/experiments/1a/", "/lab/experiments/compare/"):
        assert "cannot be reached" in text(client.get(path)), path
    assert client.get("/lab/experiments/new/").status_code == 503
