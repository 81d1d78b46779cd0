"""Scenarios as stories: a page for each step from the scenario's own texts, and clicks that come back to their step."""

from __future__ import annotations

import re

import msgspec
import pytest

import streamlab
from dashboard.access.roles import Role
from dashboard.presenters import story
from streamlab import keys
from streamlab.delivery.dead_letter_topics import dlq_topic
from streamlab.lab.loads.figures import RecentFigures, client_figures_of, figures_of, recent_figures_of
from streamlab.lab.loads.files import changed
from streamlab.lab.scenarios import SCENARIOS
from streamlab.metrics.history import Recorder
from streamlab.metrics.snapshot import Snapshot
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.people import a_person
from tests.waiting import until

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_once")]


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_sentence_of_a_scenario_is_a_step_with_a_link_of_its_own(operator, name):
    scenario = SCENARIOS[name]
    scenes = story.scenes(scenario)
    said = [scene.says for scene in scenes]
    assert said[0] == scenario.about
    assert {
        *(expect.says for expect in scenario.expect),
        *(look.at for look in scenario.look),
        *(one.says for one in scenario.levers),
    } <= {*said}
    for number in range(1, len(scenes) + 1):
        answer = operator.get(f"/lab/{name}/story/?step={number}")
        assert answer.context["scene"].says == said[number - 1]
        assert f"{number} / {len(scenes)}" in text(answer)


def test_a_step_that_is_not_there_is_the_nearest_and_what_is_no_scenario_has_no_story(operator, loads):
    assert operator.get("/lab/burst/story/?step=0").context["number"] == 1
    assert operator.get("/lab/burst/story/?step=x").context["number"] == 1
    last = operator.get("/lab/burst/story/?step=999").context
    assert last["number"] == last["many"]
    assert operator.get("/lab/mine/story/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_it_is_started_pulled_and_stopped_from_its_steps(operator, loads):
    started = operator.post("/operations/now/load/", {"do": "start", "name": "slow-consumer", "story": "1"})
    assert started.headers["Location"] == "/lab/slow-consumer/story/?step=1"
    assert "It runs:" in text(operator.get("/lab/slow-consumer/story/?step=1"))

    number = next(n for n, s in enumerate(story.scenes(SCENARIOS["slow-consumer"]), 1) if s.lever == 0)
    step = f"/lab/slow-consumer/story/?step={number}"
    lever = SCENARIOS["slow-consumer"].levers[0]
    before = text(operator.get(step))
    assert "Pull it" in before and f">{lever.then}<" not in before
    pulled = operator.post(
        "/operations/now/load/",
        {"do": "change", "name": "slow-consumer", "story": number, **lever.changes},
        headers={"accept": "application/json"},
    )
    assert pulled.json()["says"] == "Load slow-consumer: consumers.settings.max_poll_records none → 2000."
    after = text(operator.get(step))
    assert "Pull it" not in after and f">{lever.then}<" in after
    assert f'<span class="word">Lever</span> <span class="what">{lever.says}<' in after, "the charts mark it"

    again = operator.post(
        "/operations/now/load/",
        {"do": "change", "name": "slow-consumer", **lever.changes},
        headers={"accept": "application/json"},
    )
    assert (again.status_code, again.json()["says"]) == (409, "That is what it does already.")
    operator.post("/operations/now/load/", {"do": "stop", "name": "slow-consumer", "story": "9"})
    assert loads.all() == {}


def test_what_is_waited_for_is_told_with_its_figure(operator, redis_url, loads):
    publish(redis_url, busy_snapshot())
    loads.start(SCENARIOS["slow-consumer"].load)
    page = text(operator.get("/lab/slow-consumer/story/?step=4"))
    assert "wait for 300 or more" in page


@pytest.mark.django_db(transaction=True)
def test_a_remedy_is_taken_back_before_another_one_is_shown(operator, loads):
    scenario = SCENARIOS["slow-consumer"]
    number = next(n for n, s in enumerate(story.scenes(scenario), 1) if s.says == "A quicker handler")
    step = f"/lab/slow-consumer/story/?step={number}"
    loads.start(changed(scenario.load, {"consumers.count": "2"}))  # as the remedy before has left it
    before = text(operator.get(step))
    assert "Take it back" in before and "Pull it" not in before

    back = scenario.taken_back(2)
    assert back == {"consumers.count": "1"}
    operator.post("/operations/now/load/", {"do": "change", "name": "slow-consumer", "story": number, **back})
    assert loads.require("slow-consumer").load == scenario.load
    after = text(operator.get(step))
    assert "Take it back" not in after and "Pull it" in after
    assert "wait until it rises" in after, "the fault has to be seen again"
    assert "data-main" in after and "data-waits" in after, "a hasty key does not pull it before that"


def test_a_lag_that_is_worked_off_has_fallen_though_it_falls_no_more():
    falls = SCENARIOS["slow-consumer"].levers[1].seen
    at_rest = {"lag": 3, "lag_change": 0.0, "rate": 60.0}
    assert falls is not None
    assert story.seen(falls, at_rest, pulled=True).yes
    assert not story.seen(falls, at_rest | {"lag": 900}, pulled=True).yes
    assert not story.seen(falls, at_rest).yes, "there was nothing to fall"


def test_letters_and_rebalances_of_the_last_seconds_are_counted(redis_url):
    with streamlab.connect(redis_url) as broker:
        load = SCENARIOS["failing-after-change"].load
        snapshot = with_topics(load.topic_name)
        assert recent_figures_of(broker.connection, load, snapshot) == RecentFigures(dying=0.0, rebalances=0)
        key, now_ms = keys.group_events(load.group_id), snapshot.as_of_ms
        for at_ms, kind in ((now_ms - 60_000, "group.rebalanced"), (now_ms - 5_000, "group.rebalanced")):
            broker.connection.client.xadd(key, {"type": kind, "data": "{}"}, id=f"{at_ms}-0")
        assert recent_figures_of(broker.connection, load, snapshot).rebalances == 1


def test_where_nothing_was_measured_nobody_is_said_to_have_stopped_dying(redis_url):
    """A remedy that ends the deaths would be seen at once."""
    with streamlab.connect(redis_url) as broker:
        load = SCENARIOS["failing-after-change"].load
        letters = with_topics(load.topic_name, dlq_topic(load.topic_name, load.group_id))
        assert recent_figures_of(broker.connection, load, with_topics()) == RecentFigures()
        assert recent_figures_of(broker.connection, load, letters).dying is None
        recorder = Recorder(broker.connection.client)
        recorder.record(letters)
        rate = next(iter(letters.topics.values())).rate
        assert recent_figures_of(broker.connection, load, letters).dying == pytest.approx(rate * 3)


def with_topics(*names: str) -> Snapshot:
    """In which only these topics are, and records come in."""
    busy = busy_snapshot()
    one = next(topic for topic in busy.topics.values() if topic.records and topic.rate)
    topics = {name: msgspec.structs.replace(one, topic=name) for name in names}
    return msgspec.structs.replace(busy, topics=topics)


def test_how_many_records_a_batch_holds_is_told_by_its_producers(redis_url):
    load = SCENARIOS["many-partitions"].load
    with streamlab.connect(redis_url) as broker:
        assert client_figures_of(broker.connection, load).batch_records is None
        with broker.producer(client_id=f"{load.topic_name}-producer-1", linger_ms=0) as producer:
            for _ in range(3):
                producer.send(load.topic_name, b"alone").get(timeout=30)
            until(lambda: client_figures_of(broker.connection, load).batch_records is not None)
            assert client_figures_of(broker.connection, load).batch_records == pytest.approx(1)


def test_a_load_tells_how_many_of_its_dead_letters_recovered(redis_url):
    load = SCENARIOS["poison-records"].load
    letters = dlq_topic(load.topic_name, load.group_id)
    snapshot = with_topics(load.topic_name, letters)
    with streamlab.connect(redis_url) as broker:
        broker.connection.client.hset(keys.letters(letters, 0), "#recovered", 3)
        found = figures_of(broker.connection, load, snapshot)
    assert (found.dead, found.recovered) == (snapshot.topics[letters].records, 3)


def test_a_story_of_deaths_draws_them_and_one_of_lag_draws_lag(operator, redis_url, loads):
    publish(redis_url, busy_snapshot())
    for name, title in (
        ("failing-after-change", "Dead letters"),
        ("poison-records", "Lag"),
        ("hot-key", "Lag"),
    ):
        assert operator.get(f"/lab/{name}/story/").context["charts"]["story_lag"].title == title


def test_a_viewer_may_listen_and_pulls_nothing(client, redis_url, settings, loads):
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.VIEWER))
    loads.start(SCENARIOS["burst"].load)
    page = text(client.get("/lab/burst/story/"))
    assert "operations/now/load/" not in page


def test_the_story_is_there_when_the_server_is_not(client, settings):
    settings.STREAMLAB_URL = "redis://127.0.0.1:1/0"
    client.force_login(a_person(Role.OPERATOR))
    assert "cannot be reached" in text(client.get("/lab/hot-key/story/"))
