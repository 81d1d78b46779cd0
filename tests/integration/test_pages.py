"""Every page: what it shows, what it says when there is nothing, and what it does with hostile names."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
import redis
from django.test import Client
from pytest_django import Settings

from dashboard.pages.registry import PAGES
from dashboard.pages.views import FRAME_TYPE
from streamlab import keys
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.people import a_person
from tests.snapshots import a_group, a_member, a_position, a_snapshot, a_topic

pytestmark = pytest.mark.django_db

ADDRESSES = [
    "/",
    "/advisor/",
    "/topics/",
    "/topics/orders/",
    "/groups/",
    "/groups/inventory/",
    "/retries/",
    "/history/",
]
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "{{ 7|add:7 }}",
    "a\u202eb",
    "o'clock & co",
    "q?x=1#y",
]


@pytest.fixture
def visitor(client: Client, redis_url: str, settings: Settings) -> Client:
    """Signed in, looking at an empty Redis."""
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person())
    return client


def text_of(response) -> str:
    return response.content.decode()


def chart_data(response) -> list[dict]:
    [found] = re.findall(
        r'<script id="chart-data" type="application/json">(.*?)</script>', text_of(response), re.S
    )
    return json.loads(found)


def test_the_addresses_below_are_those_of_all_measured_pages():
    assert len(ADDRESSES) == sum(page.measured for page in PAGES)


@pytest.mark.parametrize("path", ADDRESSES)
def test_every_page_answers_with_its_parts_and_its_key(visitor, redis_url, path):
    publish(redis_url, busy_snapshot())
    response = visitor.get(path)
    assert response.status_code == 200
    page = response.resolver_match.func.page
    for part in page.parts:
        assert f'id="{part}"' in text_of(response)
    assert f'data-live-key="{path}"' in text_of(response)


@pytest.mark.parametrize("path", ADDRESSES)
def test_first_paint_and_update_are_drawn_from_the_same_partial(visitor, redis_url, path):
    publish(redis_url, busy_snapshot(), seconds_of_history=20)
    first = text_of(visitor.get(path))
    frame = visitor.get(path, headers={"Accept": FRAME_TYPE}).json()
    assert frame["html"].keys() == set(visitor.get(path).resolver_match.func.page.parts)
    for part, html in frame["html"].items():
        assert html.strip() in first, part


def test_the_last_15_minutes_are_there_on_first_paint(visitor, redis_url):
    publish(redis_url, busy_snapshot(), seconds_of_history=1_200)
    [lag, time_lag] = chart_data(visitor.get("/groups/inventory/"))
    assert lag["lines"] == ["lag"]
    assert 890 <= len(lag["t"][0]) <= 900
    assert set(lag["y"][0]) == {400}
    assert time_lag["unit"] == "s"
    assert set(time_lag["y"][0]) == {0.5}


def test_polling_for_what_is_new_brings_only_what_is_new(visitor, redis_url):
    latest = publish(redis_url, busy_snapshot(), seconds_of_history=60)
    headers = {"Accept": FRAME_TYPE, "X-Since-Ms": str(latest.as_of_ms - 3_000)}
    frame = visitor.get("/topics/orders/", headers=headers).json()
    assert frame["full"] is False
    assert len(frame["series"]["rate"]["t"][0]) == 3


@pytest.mark.parametrize("since", ["-1", "nonsense", "99999999999999999999", "1e9", ""])
def test_a_nonsense_since_brings_everything(visitor, redis_url, since):
    publish(redis_url, busy_snapshot())
    frame = visitor.get("/topics/orders/", headers={"Accept": FRAME_TYPE, "X-Since-Ms": since})
    assert frame.status_code == 200
    assert frame.json()["full"] is True


def test_the_overview_says_what_to_look_at_first(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    html = text_of(visitor.get("/"))
    assert "inventory is stopped" in html
    assert 'href="/groups/inventory/"' in html


def test_internal_topics_are_hidden_until_asked_for(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    assert "__streamlab.events" not in text_of(visitor.get("/topics/"))
    assert "Show 1 internal" in text_of(visitor.get("/topics/"))
    assert "__streamlab.events" in text_of(visitor.get("/topics/?internal=1"))


def test_a_search_without_a_hit_offers_the_way_back(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    html = text_of(visitor.get("/topics/?q=zebra"))
    assert "No topic has “zebra” in its name" in html
    assert 'href="/topics/"' in html


def test_an_empty_broker_says_what_to_type(visitor, redis_url):
    publish(redis_url, a_snapshot())
    for path in ("/", "/topics/"):
        assert "python -m streamlab play FILE" in text_of(visitor.get(path))
    assert "python -m streamlab consume" in text_of(visitor.get("/groups/"))


def test_a_group_that_never_committed_shows_dashes_with_the_reason(visitor, redis_url):
    publish(redis_url, a_snapshot(a_topic(), a_group("new", partitions=[a_position(lag=None)])))
    html = text_of(visitor.get("/groups/new/"))
    assert 'title="Never committed, so there is nothing to measure from">—</abbr>' in html


def test_a_group_without_members_is_told_how_to_start_its_own_consumers_and_no_other(visitor, redis_url):
    publish(redis_url, a_snapshot(*(a_group(name, lag=4, members=[]) for name in ("inventory", "mine"))))
    assert "python -m streamlab shop scale inventory 1" in text_of(visitor.get("/groups/inventory/"))
    for name in ("inventory", "mine"):
        html = text_of(visitor.get(f"/groups/{name}/"))
        assert "consumers are started again" in html
        assert "streamlab consume" not in html


def test_the_list_of_groups_sorts_by_the_status_that_it_shows(visitor, redis_url):
    late = a_group("late", lag=9, time_lag_ms=60_000)
    asleep = a_group("asleep", members=[])
    publish(redis_url, a_snapshot(a_topic(groups=["late"]), asleep, a_group("fine"), late))
    html = text_of(visitor.get("/groups/?sort=status"))
    assert re.findall(r'<tr data-key="(\w+)"', html) == ["late", "fine", "asleep"]


def test_the_overview_leads_from_a_paused_group_to_its_resumption(visitor, redis_url):
    publish(redis_url, a_snapshot(a_topic(groups=["billing"]), a_group("billing", lag=9, paused=True)))
    assert 'href="/operations/new/resume-group/?group=billing"' in text_of(visitor.get("/"))


def test_a_narrow_overview_says_that_the_flow_scrolls(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    assert 'class="hint narrow">Scroll sideways' in text_of(visitor.get("/"))


def test_every_python_command_on_a_page_names_the_projects_own_python(visitor, redis_url):
    publish(redis_url, a_snapshot())
    for path in ("/", "/topics/", "/groups/", "/sign-in/"):
        html = text_of((visitor if path != "/sign-in/" else Client()).get(path))
        assert re.findall(r"python (?:-m|manage\.py)", html), path
        assert not re.findall(r"(?<!\.venv/bin/)python (?:-m|manage\.py)", html), path


@pytest.mark.parametrize("path", ["/topics/nothing/", "/groups/nobody/"])
def test_what_does_not_exist_is_a_404_that_says_so(visitor, redis_url, path):
    publish(redis_url, busy_snapshot())
    response = visitor.get(path)
    assert response.status_code == 404
    assert "There is no" in text_of(response)


@pytest.mark.parametrize("path", ADDRESSES)
def test_without_measurements_a_page_says_why_and_recovers_by_itself(visitor, path):
    response = visitor.get(path)
    assert response.status_code == 503
    assert "The sampler has not measured anything" in text_of(response)
    assert f'data-live-key="{path}"' in text_of(response)


def test_a_snapshot_of_another_version_is_said_to_be_one(visitor, redis_url):
    redis.Redis.from_url(redis_url).set(keys.SNAPSHOT, b"\x93\x01\x02\x03")
    response = visitor.get("/")
    assert response.status_code == 503
    assert "another version" in text_of(response)


def test_when_redis_is_away_a_page_says_so(visitor, settings):
    settings.STREAMLAB_URL = "redis://127.0.0.1:1/0"
    response = visitor.get("/")
    assert response.status_code == 503
    assert "Redis does not answer" in text_of(response)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_and_nothing_else(visitor, redis_url, name):
    member = a_member(assigned=(f"{name}/0",), client_id=name, host=name, instance_id=name)
    group = a_group(name, lag=5, members=[member], partitions=[a_position(name, lag=5)], assignor=name)
    publish(redis_url, a_snapshot(a_topic(name, groups=[name]), group), seconds_of_history=3)
    for path in (
        "/",
        "/topics/",
        "/groups/",
        f"/topics/{quote(name)}/",
        f"/groups/{quote(name)}/",
        f"/topics/?q={quote(name)}",
    ):
        response = visitor.get(path)
        html = text_of(response)
        assert response.status_code == 200, path
        assert "<img src=x" not in html
        assert "<script>alert" not in html
        assert "{{ 7|add:7 }}" in html or "7|add:7" not in name
    assert chart_data(visitor.get("/"))[1]["lines"] == [name]


@pytest.mark.parametrize("path", ADDRESSES)
def test_nobody_looks_without_signing_in(client, redis_url, settings, path):
    settings.STREAMLAB_URL = redis_url
    publish(redis_url, busy_snapshot())
    for accept in ("text/html", FRAME_TYPE):
        response = client.get(path, headers={"Accept": accept})
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("path", ADDRESSES)
def test_pages_can_only_be_read(visitor, redis_url, path):
    publish(redis_url, busy_snapshot())
    assert visitor.post(path).status_code == 405


def test_a_page_holds_no_inline_script_or_style(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    for path in ADDRESSES:
        html = text_of(visitor.get(path))
        assert re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", html) == []
        assert re.findall(r"\sstyle=|\son\w+=|javascript:", html) == []


def test_deaths_are_not_known_rather_than_none_while_nobody_projects(visitor, redis_url):
    publish(redis_url, a_snapshot(a_topic(), a_group()))
    assert "none died in 15 min" in text_of(visitor.get("/"))
    publish(redis_url, a_snapshot(a_topic(), a_topic("__streamlab.events"), a_group()))
    html = text_of(visitor.get("/"))
    assert "none died" not in html and "of the last 15 min not known" in html
