"""The lab in the dashboard: scenarios and loads as operations, from a click to what is wanted in Redis."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dashboard.access.roles import Role
from dashboard.audit.models import Entry
from dashboard.operations.models import Operation, State
from streamlab.lab.loads.files import changed, exported, load_of
from streamlab.lab.loads.load import Load
from streamlab.lab.scenarios import SCENARIOS
from tests.people import a_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_once")]


def click(client: Client, do: str, name: str, **fields):
    return client.post("/operations/now/load/", {"do": do, "name": name, **fields}, follow=True)


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


@pytest.mark.django_db(transaction=True)
def test_a_scenario_starts_changes_and_stops_by_clicks_and_all_of_it_is_in_the_trail(operator, loads):
    assert "Start" in text(operator.get("/lab/"))
    started = click(operator, "start", "hot-key")
    assert "hot-key was started" in text(started)
    assert loads.require("hot-key").load == SCENARIOS["hot-key"].load

    changing = {"producers.rate": "50", "consumers.count": "3"}  # the latter is what it has
    changed = text(click(operator, "change", "hot-key", **changing))
    assert "Load hot-key: producers.rate 200 → 50." in changed
    assert loads.require("hot-key").load.producers.rate == 50
    changed_by = Operation.objects.get(kind="change-load")
    assert changed_by.spec["changes"] == {"producers.rate": "50"}
    assert changed_by.state == State.DONE
    assert 'href="/lab/hot-key/">Open the load' in text(operator.get(f"/operations/{changed_by.pk}/"))
    page = text(operator.get("/lab/hot-key/"))
    assert "producers.rate 200 → 50" in page and 'data-mark-kind="settings"' in page, "the charts mark it"

    assert "was stopped" in text(click(operator, "stop", "hot-key"))
    assert loads.all() == {}
    confirmed = Entry.objects.filter(action="operation.confirmed")
    assert confirmed.count() == 3


def test_the_form_of_a_load_has_plain_numbers_and_names_what_a_name_may_be(operator):
    path = "/operations/new/start-load/"
    assert 'value="100"' in text(operator.get(path)) and 'value="100.0"' not in text(operator.get(path))
    answer = text(operator.post(path, {"name": "<b>My load</b>"}))
    assert "A name has 1 to 40 small letters, digits, hyphens." in answer and "<b>My load" not in answer


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_has_a_page_with_links_that_lead_somewhere(operator, name):
    page = text(operator.get(f"/lab/{name}/"))
    for lever in SCENARIOS[name].levers:
        assert lever.says in page
    assert "It does not run" in page


@pytest.mark.parametrize("path", ["/lab/", "/lab/poison-records/"])
def test_without_a_lab_its_pages_say_so_and_how_to_start_one(operator, path):
    page = text(operator.get(path))
    assert "No lab runs now" in page and "-m streamlab lab run" in page


def test_a_running_load_shows_its_knobs_and_says_that_no_lab_runs(operator, loads):
    loads.start(changed(SCENARIOS["poison-records"].load, {"producers.rate": "77"}))
    page = text(operator.get("/lab/poison-records/"))
    assert 'value="77.0"' in page and "77 /s" in page
    assert "No lab runs now" in page
    assert "waits for the lab" in text(operator.get("/lab/"))


def test_a_load_of_ones_own_has_a_page_while_it_runs(operator, loads):
    loads.start(Load(name="mine"))
    assert operator.get("/lab/mine/").status_code == 200
    loads.stop("mine")
    assert operator.get("/lab/mine/").status_code == 404


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_form_filled_in_from_a_scenario_and_sent_as_it_is_gives_that_scenario(operator, name):
    form = operator.get(f"/operations/new/start-load/?scenario={name}").context["form"]
    values = {field.name: "" if field.value() is None else field.value() for field in form}
    answer = operator.post(f"/operations/new/start-load/?scenario={name}", values | {"scenario": name})
    assert answer.status_code == 302, answer.context["form"].errors
    spec = Operation.objects.latest("pk").spec
    assert load_of(spec["load"]) == SCENARIOS[name].load


def test_what_cannot_be_is_refused_in_the_form(operator):
    form = operator.get("/operations/new/start-load/?scenario=burst").context["form"]
    values = {field.name: "" if field.value() is None else field.value() for field in form}
    values |= {"scenario": "burst", "producers.rate": "4000"}  # ten times that is too much
    answer = operator.post("/operations/new/start-load/", values)
    assert answer.status_code == 422
    assert "at most 5000 records/s" in text(answer)
    assert Operation.objects.count() == 0


def test_a_preview_of_a_change_shows_field_by_field_what_it_does(operator, loads):
    loads.start(SCENARIOS["burst"].load)
    form = operator.get("/operations/new/change-load/?name=burst").context["form"]
    values = {field.name: "" if field.value() is None else field.value() for field in form}
    more = values["more"] + "\nproducers.settings.linger_ms=50"
    answer = operator.post("/operations/new/change-load/", values | {"consumers.count": "4", "more": more})
    assert answer.status_code == 302, answer.context["form"].errors
    rows = Operation.objects.get().preview["table"]["rows"]
    assert rows == [["consumers.count", "2", "4"], ["producers.settings.linger_ms", "none", "50"]]


@pytest.mark.django_db(transaction=True)
def test_a_change_confirmed_after_somebody_elses_changes_nothing(operator, loads):
    loads.start(SCENARIOS["burst"].load)
    form = operator.get("/operations/new/change-load/?name=burst").context["form"]
    values = {field.name: "" if field.value() is None else field.value() for field in form}
    operator.post("/operations/new/change-load/", values | {"consumers.count": "4"})
    loads.change(changed(loads.require("burst").load, {"consumers.count": "1"}))
    operation = Operation.objects.get()
    operator.post(f"/operations/{operation.pk}/confirm/")
    operation.refresh_from_db()
    assert operation.state == State.FAILED
    assert "Nothing was changed" in operation.error
    assert loads.require("burst").load.consumers.count == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_is_taken_back_by_its_undo(operator, loads):
    loads.start(SCENARIOS["burst"].load)
    click(operator, "change", "burst", **{"producers.burst.times": "5", "producers.settings.linger_ms": "9"})
    done = Operation.objects.get(kind="change-load")
    operator.post(f"/operations/{done.pk}/undo/")
    operator.post(f"/operations/{Operation.objects.latest('pk').pk}/confirm/")
    assert loads.require("burst").load == SCENARIOS["burst"].load


def test_a_load_is_saved_as_a_file_and_started_from_it_after_a_look(operator, loads):
    loads.start(changed(SCENARIOS["steady-shop"].load, {"producers.rate": "33"}))
    file = operator.get("/lab/steady-shop/file")
    assert 'filename="steady-shop.load.json"' in file["Content-Disposition"]
    upload = SimpleUploadedFile("mine.json", file.content.replace(b'"steady-shop"', b'"mine"'))
    answer = operator.post("/operations/now/load-from-file/", {"file": upload}, follow=True)
    assert "33 records/s into topic lab-mine" in text(answer)
    assert list(loads.all()) == ["steady-shop"], "nothing starts before it is confirmed"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[" * 60_000, b"x" * 100_000])
def test_a_file_that_is_no_load_is_refused_with_a_sentence(operator, content):
    upload = SimpleUploadedFile("bad.json", content)
    answer = operator.post("/operations/now/load-from-file/", {"file": upload}, follow=True)
    assert answer.status_code == 200
    assert "The file" in text(answer) or "Choose a file" in text(answer)


def test_clicks_that_make_no_sense_are_answered_with_a_sentence(operator):
    assert "There is no scenario" in text(click(operator, "start", "cold-key"))
    assert "producers.rate" in text(click(operator, "start", "burst", **{"producers.rate": "1e9"}))
    assert "None runs" in text(click(operator, "stop", "burst"))
    assert click(operator, "explode", "burst").status_code == 404


def test_a_viewer_sees_everything_and_may_click_nothing(client, redis_url, settings, loads):
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.VIEWER))
    loads.start(SCENARIOS["burst"].load)
    for path in ("/lab/", "/lab/burst/"):
        page = text(client.get(path))
        assert "operations/now/load/" not in page
    assert click(client, "stop", "burst").status_code == 403
    upload = SimpleUploadedFile("mine.json", exported(Load(name="mine")).encode())
    assert client.post("/operations/now/load-from-file/", {"file": upload}).status_code == 403
    assert list(loads.all()) == ["burst"]


def test_the_pages_are_there_when_the_server_is_not(client, settings):
    settings.STREAMLAB_URL = "redis://127.0.0.1:1/0"
    client.force_login(a_person(Role.OPERATOR))
    assert "Hot key" in text(client.get("/lab/"))
    assert "cannot be reached" in text(client.get("/lab/hot-key/"))
