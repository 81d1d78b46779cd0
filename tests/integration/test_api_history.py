"""The past over the API: series with what happened meanwhile, and the broker as it was at an earlier moment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.projections.models import BrokerEvent, RecordEvent
from streamlab.connection import Connection
from streamlab.metrics.past import Keeper
from streamlab.metrics.snapshot import Snapshot, encode
from tests.integration.broker_pictures import busy_snapshot, now_ms, publish
from tests.integration.test_pages import chart_data
from tests.people import a_person
from tests.programs import Program, problem_of
from tests.snapshots import a_group, a_snapshot, a_topic

pytestmark = pytest.mark.django_db
LONG_AGO_MS = 3_600_000


@pytest.fixture
def here(redis_url: str, settings: Settings) -> str:
    settings.STREAMLAB_URL = redis_url
    cache.clear()  # counts of failures are kept there for some seconds
    return redis_url


@pytest.fixture
def viewer(here: str) -> Program:
    return Program(Role.VIEWER, "api:read")


@pytest.fixture
def an_hour_ago(here: str) -> Snapshot:
    """One topic and one group that was behind, and nothing of it now."""
    then = a_snapshot(
        a_topic("old", 2, groups=["late"]),
        a_group("late", lag=700),
        as_of_ms=now_ms() - LONG_AGO_MS,
    )
    connection = Connection(here)
    Keeper(connection).keep(then, encode(then))
    connection.close()
    publish(here, busy_snapshot())
    return then


# -- series ---------------------------------------------------------------------------------------------------------


def test_series_are_those_of_the_page(viewer, here):
    newest = publish(here, busy_snapshot(), seconds_of_history=30)
    found = viewer.asks("/history/group/inventory")
    assert (found["end_ms"], found["step_ms"]) == (newest.as_of_ms, 1_000)
    assert found["end_ms"] - found["start_ms"] == 900_000
    page = Client()
    page.force_login(a_person())
    lag = chart_data(page.get("/history/?group=inventory"))[0]
    assert found["fields"]["lag"] == lag["y"][0] and found["times_ms"] == lag["t"][0]
    assert len(found["times_ms"]) > 25
    assert set(found["fields"]) == {"lag", "time_lag_ms", "consumed_rate"}
    assert set(viewer.asks("/history/broker/all", fields="memory_bytes, cpu_share")["fields"]) == {
        "memory_bytes",
        "cpu_share",
    }


def test_start_end_and_step_cut_out_what_is_asked_for(viewer, here):
    newest = publish(here, busy_snapshot(), seconds_of_history=60)
    end_ms = (newest.as_of_ms - 20_000) // 10_000 * 10_000
    start = datetime.fromtimestamp((end_ms - 20_000) / 1000, UTC).isoformat()
    found = viewer.asks("/history/topic/orders", start=start, end=end_ms)
    assert [found["times_ms"][0], found["times_ms"][-1]] == [end_ms - 19_000, end_ms]
    coarse = viewer.asks("/history/topic/orders", start=start, end=end_ms, step_s=10)
    assert coarse["step_ms"] == 10_000
    assert coarse["times_ms"] == [end_ms - 20_000, end_ms - 10_000, end_ms]
    week = viewer.asks("/history/topic/orders", start=newest.as_of_ms - 30 * 86_400_000)
    assert week["end_ms"] - week["start_ms"] == 7 * 86_400_000 and week["step_ms"] == 300_000


def test_what_happened_meanwhile_stands_beside_the_series(viewer, here):
    publish(here, busy_snapshot())
    at_ms = now_ms() - 60_000
    for group in ("revenue", "inventory"):
        BrokerEvent.objects.create(
            event_id=group, kind="offsets.reset", at_ms=at_ms, group=group, data={"skipped": 3}
        )
        RecordEvent.objects.create(
            event_id=f"r{group}", kind="record.dead_lettered", at_ms=at_ms, group=group, topic="orders",
            partition=0, offset=1,
        )  # fmt: skip
    found = viewer.asks("/history/group/revenue")
    [mark] = found["marks"]
    assert (mark["kind"], mark["at_ms"], mark["page"]) == ("reset", at_ms, "/groups/revenue/")
    assert mark["text"] == "revenue: 3 records to be skipped"
    failures = found["failures"]
    assert sum(failures["died"]) == 1 and sum(failures["retried"]) == 0
    step = failures["died"].index(1)
    assert 0 <= at_ms - failures["times_ms"][step] < failures["step_ms"]
    assert sum(viewer.asks("/history/broker/all")["failures"]["died"]) == 2


def test_what_cannot_be_asked_of_the_past_says_what_can(viewer, here):
    newest = publish(here, busy_snapshot(), seconds_of_history=3)
    assert "nothing is kept" in problem_of(viewer.get("/history/topic/gone"), 404)["detail"]
    assert problem_of(viewer.get("/history/broker/orders"), 404)
    assert problem_of(viewer.get("/history/planet/earth"), 422)
    assert "it has lag" in problem_of(viewer.get("/history/group/revenue", fields="rate"), 422)["detail"]
    for query, where in (
        ({"start": "noon"}, "query.start"),
        ({"start": newest.as_of_ms}, "query.start"),
        ({"end": newest.as_of_ms - 8 * 86_400_000}, "query.end"),
        ({"step_s": 0}, "query.step_s"),
    ):
        refused = problem_of(viewer.get("/history/group/revenue", **query), 422)
        assert refused["errors"][0]["where"] == where


def test_a_topic_that_is_gone_keeps_its_past(viewer, here):
    publish(here, a_snapshot(a_topic("short")), as_of_ms=now_ms() - 5_000, seconds_of_history=20)
    publish(here, busy_snapshot())
    assert len(viewer.asks("/history/topic/short")["times_ms"]) > 15


# -- an earlier moment ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["ms", "ISO 8601"])
def test_every_picture_can_be_that_of_an_earlier_moment(viewer, an_hour_ago, written):
    then_ms = an_hour_ago.as_of_ms
    at = then_ms if written == "ms" else datetime.fromtimestamp(then_ms / 1000 + 1, UTC).isoformat()
    overview = viewer.asks("/overview", at=at)
    assert (overview["as_of_ms"], overview["topics"], overview["lag"]) == (then_ms, 1, 700)
    assert [t["topic"] for t in viewer.asks("/topics", at=at)["items"]] == ["old"]
    assert viewer.asks("/topics/old", at=at)["as_of_ms"] == then_ms
    [group] = viewer.asks("/groups", at=at)["items"]
    assert (group["group"], group["lag"]) == ("late", 700)
    assert viewer.asks("/groups/late", at=at)["as_of_ms"] == then_ms
    assert sum(p["lag"] for p in viewer.asks("/groups/late/offsets", at=at)) == 700
    assert {line["group"] for line in viewer.asks("/lag", at=at)["items"]} == {"late"}
    assert problem_of(viewer.get("/topics/orders", at=at), 404)
    assert [t["topic"] for t in viewer.asks("/topics")["items"]] == ["clicks", "orders"]


@pytest.mark.parametrize("path", ["/overview", "/topics", "/topics/old", "/groups", "/groups/late", "/lag"])
def test_of_a_moment_that_is_not_kept_the_nearest_that_is_is_named(viewer, an_hour_ago, path):
    for at in (an_hour_ago.as_of_ms - 60_000, "1969-12-31T23:59:59"):
        refused = problem_of(viewer.get(path, at=at), 404)
        assert refused["nearest_ms"] == an_hour_ago.as_of_ms and "nearest that is kept" in refused["detail"]
    assert viewer.get(path, at=refused["nearest_ms"]).status_code == 200


def test_where_nothing_is_kept_no_moment_is_named(viewer, here):
    assert "nearest_ms" not in problem_of(viewer.get("/overview", at="2020-01-01T00:00:00"), 404)


@pytest.mark.parametrize("at", ["noon", "17000", "99999999999999999", "2026-13-01", "-5"])
def test_what_is_no_moment_is_refused(viewer, an_hour_ago, at):
    assert "is no time" in problem_of(viewer.get("/groups", at=at), 422)["detail"]


def test_the_description_says_that_a_moment_may_not_be_kept(viewer, here):
    paths = viewer.asks("/openapi.json")["paths"]
    assert "nearest_ms" in paths["/api/v1/topics"]["get"]["responses"]["404"]["description"]
    assert "404" not in paths["/api/v1/operations"]["get"]["responses"]
