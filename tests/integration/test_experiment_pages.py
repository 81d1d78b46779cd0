"""Experiments in the dashboard: asked for in the form, previewed, and led to from what they are about."""

from __future__ import annotations

import shlex

import msgspec
import pytest
from django.test import Client

from dashboard.access.roles import Role
from dashboard.operations.models import Operation
from dashboard.operations.registry import KINDS
from streamlab.broker import Broker
from streamlab.cli import main
from streamlab.errors import IllegalStateError
from streamlab.lab.experiments import notes
from streamlab.lab.loads.desired import Loads
from streamlab.lab.scenarios import SCENARIOS
from tests.builders import a_topic, settle
from tests.experiments import WHO, a_plan, a_topic_with_readers, an_outcome, ask, fields, running, text
from tests.people import a_person
from tests.waiting import until

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic(broker: Broker) -> str:
    return a_topic_with_readers(broker)


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


def levers_of(operator: Client, entity: str) -> set[str]:
    page = operator.get(f"/lab/experiments/new/?entity={entity}")
    return {name for name, _ in page.context["form"].fields["setting"].choices}


def test_a_client_that_runs_is_offered_what_a_program_of_its_kind_has(operator, broker, topic):
    with broker.producer(client_id="till") as producer:
        producer.send(topic, b"x").get(60)
        until(lambda: "linger_ms" in levers_of(operator, "client:till"))
        until(lambda: "max_poll_records" not in levers_of(operator, "client:till"))
    assert {"linger_ms", "max_poll_records"} <= levers_of(operator, "client:nobody-yet")
    asked = "client:till&setting=max_poll_records"
    assert "max_poll_records" in levers_of(operator, asked), "what a link asks for is there all the same"


def test_the_form_says_that_one_runs_before_anything_is_filled_in(operator, broker, topic):
    assert "runs now" not in text(operator.get("/lab/experiments/new/"))
    note = running(broker, a_plan(topic))
    page = text(operator.get("/lab/experiments/new/"))
    assert "runs now" in page and f"/lab/experiments/{note.id}/" in page


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


def test_a_preview_says_how_many_rounds_a_verdict_takes(operator, topic):
    for rounds, warned in ((3, True), (4, False)):
        preview = ask(operator, topic, repetitions=rounds).preview
        assert dict(preview["facts"])["Rounds for a verdict"].startswith("4 or more, as up to 15 figures")
        assert any("Too few rounds" in warning for warning in preview["warnings"]) is warned
