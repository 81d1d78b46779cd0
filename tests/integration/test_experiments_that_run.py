"""Experiments in the dashboard while they run: protected, watched, stopped, put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from django.db import connection
from django.utils import timezone

from dashboard.audit.models import Entry
from dashboard.operations import life, tasks
from dashboard.operations.guard import look
from dashboard.operations.models import Operation, State
from dashboard.operations.registry import KINDS
from streamlab.broker import Broker
from streamlab.lab.experiments import notes, stopping
from streamlab.lab.experiments.notes import Outcome
from streamlab.lab.loads.desired import Loads
from streamlab.lab.scenarios import SCENARIOS
from tests.builders import a_topic
from tests.experiments import WHO, a_plan, a_topic_with_readers, an_outcome, ask, running, text
from tests.waiting import until

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic(broker: Broker) -> str:
    return a_topic_with_readers(broker)


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


def test_the_api_stops_the_one_that_runs_and_no_other(operator, broker, topic):
    notes.keep(broker.connection, an_outcome(a_plan(topic), {}))
    note = running(broker, a_plan(topic))
    assert operator.post("/api/v1/experiments/1a2b-cd/stop").status_code == 409
    assert stopping.asked(broker.connection, note.id) is None
    assert operator.post(f"/api/v1/experiments/{note.id}/stop").status_code == 202
    assert stopping.asked(broker.connection, note.id) is not None
    assert operator.post("/api/v1/experiments/none/stop").status_code == 404
