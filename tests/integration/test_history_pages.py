"""The history page, and the whole dashboard wound back to an earlier moment."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import msgspec
import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard.alerts.models import Firing
from dashboard.operations.models import Operation, State
from dashboard.pages import failed, winding
from dashboard.projections.models import BrokerEvent, RecordEvent
from streamlab.connection import Connection
from streamlab.metrics.past import Keeper
from streamlab.metrics.snapshot import encode
from tests.integration.broker_pictures import busy_snapshot, now_ms, publish
from tests.integration.test_pages import chart_data, text_of
from tests.people import a_person
from tests.snapshots import a_group, a_snapshot, a_topic

pytestmark = pytest.mark.django_db
WINDING = ["/", "/topics/", "/topics/orders/", "/groups/", "/groups/revenue/", "/history/"]


@pytest.fixture
def visitor(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    cache.clear()  # counts of failures are kept there for some seconds
    client.force_login(a_person())
    return client


@pytest.fixture
def kept(redis_url: str) -> Callable[..., int]:
    """Keeps a picture of a moment so long ago, with that lag of the group revenue; returns the moment."""
    connection = Connection(redis_url)

    def keep(ago_ms: int, lag: int) -> int:
        snapshot = a_snapshot(
            a_topic("orders", 6, groups=["revenue"]),
            a_group("revenue", lag=lag),
            as_of_ms=now_ms() - ago_ms,
        )
        Keeper(connection).keep(snapshot, encode(snapshot))
        return snapshot.as_of_ms

    return keep


def an_event(kind: str, ago_ms: int, **changes: object) -> BrokerEvent:
    return BrokerEvent.objects.create(
        event_id=f"{kind}:{ago_ms}", kind=kind, at_ms=now_ms() - ago_ms, **changes
    )


# -- the page -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("span", "window_s"), [("15m", 900), ("1h", 3_600), ("6h", 21_600), ("7d", 604_800)])
def test_the_span_stands_in_the_address(visitor, redis_url, span, window_s):
    publish(redis_url, busy_snapshot(), seconds_of_history=30)
    charts = chart_data(visitor.get(f"/history/?span={span}"))
    assert {chart["id"] for chart in charts} == {"rates", "lags", "ages", "memory", "cpu", "failures"}
    assert {chart["window_ms"] for chart in charts} == {window_s * 1000}


def test_a_long_span_is_drawn_in_coarser_steps_that_keep_the_worst(visitor, redis_url):
    publish(redis_url, busy_snapshot(), seconds_of_history=700)
    for span, step_ms in (("15m", 1_000), ("6h", 10_000), ("24h", 60_000), ("7d", 300_000)):
        lags = next(c for c in chart_data(visitor.get(f"/history/?span={span}")) if c["id"] == "lags")
        assert lags["step_ms"] == step_ms
        assert len(lags["t"][0]) <= 2_200
        if span != "7d":
            assert max(v for v in lags["y"][0] if v is not None) == 400, span


def test_one_topic_or_group_by_its_link(visitor, redis_url):
    publish(redis_url, busy_snapshot(), seconds_of_history=20)
    assert {c["id"] for c in chart_data(visitor.get("/history/?topic=orders"))} == {
        "rate", "byte-rate", "records", "size-bytes", "failures",
    }  # fmt: skip
    lag = chart_data(visitor.get("/history/?group=inventory"))[0]
    assert set(lag["y"][0]) == {400}
    assert visitor.get("/history/?group=nobody").status_code == 404


@pytest.mark.parametrize(("path", "legend"), [("/", "lag-legend"), ("/history/", "legend-1")])
def test_a_group_that_caught_up_keeps_its_line_and_those_without_lag_are_counted(
    visitor, redis_url, path, legend
):
    def picture(lag: int):
        return a_snapshot(
            a_topic("orders", 6), a_group("late", lag=lag), a_group("calm"), a_group("idle", members=[])
        )

    now = now_ms()
    publish(redis_url, picture(lag=400), as_of_ms=now - 30_000, seconds_of_history=60)
    publish(redis_url, picture(lag=0), as_of_ms=now)
    html = text_of(visitor.get(path))
    drawn = html[html.index(f'id="{legend}"') :].partition("</ul>")[0]
    assert re.findall(r'<span class="name" title="([^"]+)"', drawn) == ["late"]
    assert "and 2 groups without lag" in drawn


def test_what_happened_stands_on_the_axis_and_leads_there(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    data = {"words": "consumer-2 joined", "moved": [{}, {}], "took_ms": 412}
    an_event("group.rebalanced", 60_000, group="revenue", data=data)
    an_event("offsets.reset", 50_000, group="revenue", by="ann", data={"repeated": 120})
    change = {
        "entity_type": "topic",
        "entity": "orders",
        "name": "retention.ms",
        "before": None,
        "after": "60000",
    }
    an_event("config.changed", 40_000, data=change)
    an_event("member.joined", 30_000, group="revenue")
    an_event("group.rebalanced", 3_700_000, group="revenue", data={"words": "too long ago"})
    html = unescape(text_of(visitor.get("/history/")))
    assert "revenue: consumer-2 joined; 2 partitions moved, took 412 ms" in html
    assert "revenue: 120 records to be read again, by ann" in html
    assert "orders: retention.ms not set → 60000" in html
    assert html.count("data-mark-at=") == 3
    assert 'href="/topics/orders/">Settings' in html
    assert "too long ago" in text_of(visitor.get("/history/?span=6h"))
    assert (
        html.count("data-mark-at=")
        > text_of(visitor.get("/history/?topic=orders")).count("data-mark-at=")
        == 1
    )


def test_a_registered_schema_leads_to_its_page_and_one_without_a_name_nowhere(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    data = {"schema_subject": "orders-value", "schema_version": 2}
    an_event("schema.registered", 20_000, subject="schemas", by="ann", data=data)
    an_event("schema.registered", 10_000, data={})
    html = unescape(text_of(visitor.get("/history/")))
    assert 'href="/schemas/orders-value/">Schema registered' in html
    assert "orders-value version 2, by ann" in html


def test_alerts_stand_on_the_axis_where_they_opened_and_cleared(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    now = timezone.now()
    plain = {"rule_name": "Late <b>", "condition": "group-lag", "severity": "critical", "href": ""}
    late = Firing.objects.create(
        **plain,
        subject="group revenue",
        opened_at=now - timedelta(seconds=60),
        opened_says="The lag of group revenue is 7",
        cleared_at=now - timedelta(seconds=20),
        cleared_says="The lag of group revenue is 0",
    )
    Firing.objects.create(
        **plain, subject="topic orders", opened_at=now - timedelta(seconds=30), opened_says="busy"
    )
    html = text_of(visitor.get("/history/"))
    assert html.count('data-mark-kind="alert"') == 3 and "Late <b>" not in html
    assert html.count(f'href="/alerts/{late.pk}/"') == 2 and "Alert cleared" in html
    assert text_of(visitor.get("/history/?group=revenue")).count('data-mark-kind="alert"') == 2
    assert text_of(visitor.get("/history/?topic=orders")).count('data-mark-kind="alert"') == 1
    assert text_of(visitor.get("/history/?group=inventory")).count('data-mark-kind="alert"') == 0


def test_an_event_that_an_operation_caused_leads_to_it(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    now = timezone.now()
    operation = Operation.objects.create(
        kind="reset-offsets",
        subject="group revenue",
        spec={},
        state=State.DONE,
        started_at=now,
        finished_at=now,
    )
    Operation.objects.create(
        kind="reset-offsets",
        subject="group other",
        spec={},
        state=State.DONE,
        started_at=now,
        finished_at=now,
    )
    an_event("offsets.reset", 1_000, group="revenue")
    assert f'href="/operations/{operation.pk}/">Offset reset' in text_of(visitor.get("/history/"))


def test_deaths_and_retries_are_counted_step_by_step(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    for n in range(5):
        RecordEvent.objects.create(
            event_id=f"e{n}",
            kind="record.dead_lettered" if n < 2 else "record.retried",
            at_ms=now_ms() - 60_000,
            record_id="r",
            group="revenue",
            topic="orders",
            partition=0,
            offset=n,
        )
    page = visitor.get("/history/?group=revenue")
    failures = next(c for c in chart_data(page) if c["id"] == "failures")
    assert "retried in 15 min" in text_of(page), "its figure is of all that is drawn, not of one bar"
    assert failures["lines"] == ["retried", "died"]
    assert [sum(line) for line in failures["y"]] == [3, 2]
    other = next(c for c in chart_data(visitor.get("/history/?group=inventory")) if c["id"] == "failures")
    assert [sum(line) for line in other["y"]] == [0, 0]


def test_the_sum_of_a_week_covers_a_week_and_not_the_whole_of_its_first_bar(visitor, redis_url):
    week_ms = 7 * 24 * 3_600_000
    as_of_ms = now_ms()
    publish(redis_url, busy_snapshot(), as_of_ms=as_of_ms)
    for n, at_ms in enumerate([as_of_ms - week_ms - 60_000, as_of_ms - week_ms + 60_000, as_of_ms - 60_000]):
        RecordEvent.objects.create(
            event_id=f"e{n}", kind="record.dead_lettered", at_ms=at_ms, record_id="r", group="revenue",
            topic="orders", partition=0, offset=n,
        )  # fmt: skip
    html = text_of(visitor.get("/history/?span=7d&group=revenue"))
    assert re.findall(r'>died in 7 days</span><data value="(\d+)"', html) == ["2"]


@pytest.mark.parametrize(("since_ms", "n"), [(7_200_000, 4), (7_200_001, 3), (9_000_000, 2), (14_400_000, 1)])
def test_a_sum_begins_where_it_says_whatever_its_steps(visitor, since_ms, n):
    for offset, at_ms in enumerate([7_199_999, 7_200_000, 8_999_999, 9_000_000, 14_400_000]):
        RecordEvent.objects.create(
            event_id=f"e{offset}", kind=failed.DIED, at_ms=at_ms, record_id="r", group="revenue",
            topic="orders", partition=0, offset=offset,
        )  # fmt: skip
    assert failed.total(failed.DIED, since_ms, 20_000_000, 7_200_000, topic="orders") == n


# -- wound back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WINDING)
def test_every_page_that_measures_can_be_wound_back(visitor, redis_url, kept, path):
    publish(redis_url, busy_snapshot())
    at_ms = kept(3_600_000, lag=777)
    html = text_of(visitor.get(path, {"at": winding.stamp(at_ms + 999)}))
    assert "not live" in html and "Back to now" in html
    assert 'data-live-key=""' in html, "what was wound back stands still"
    assert "inventory" not in html, "there was no such group then"


def test_the_figures_are_those_of_the_moment(visitor, redis_url, kept):
    publish(redis_url, busy_snapshot())
    earlier, later = kept(7_200_000, lag=111), kept(3_600_000, lag=777)
    for at_ms, lag in ((earlier, "111"), (later, "777")):
        html = text_of(visitor.get("/groups/revenue/", {"at": winding.stamp(at_ms + 5_000)}))
        assert f'title="{lag} records">{lag}</data>' in html
    assert ">777</data>" not in text_of(visitor.get("/groups/revenue/"))


def test_links_keep_to_the_moment_and_one_leads_back(visitor, redis_url, kept):
    publish(redis_url, busy_snapshot())
    at = winding.stamp(kept(3_600_000, lag=1) + 999)
    html = unescape(text_of(visitor.get("/groups/", {"at": at, "sort": "-lag"})))
    assert f'href="/groups/revenue/?at={at}"' in html
    assert f'href="/topics/?at={at}"' in html
    assert 'href="/audit/"' in html and "/audit/?at=" not in html
    assert 'href="/groups/?sort=-lag" data-now>Back to now' in html


def test_earlier_and_later_are_a_step_away_but_never_the_future(visitor, redis_url, kept):
    publish(redis_url, busy_snapshot())
    at_ms = kept(120_000, lag=1)
    html = unescape(text_of(visitor.get("/", {"at": winding.stamp(at_ms)})))
    steps = dict(re.findall(r'href="/\?at=([^"]+)" data-now aria-label="([^"]+)"', html))
    assert set(steps.values()) >= {"1 h earlier", "10 s earlier", "10 s later", "1 min later"}
    assert "10 min later" not in steps.values()


def test_a_moment_that_was_not_kept_says_which_is_drawn_instead(visitor, redis_url, kept):
    publish(redis_url, busy_snapshot())
    at_ms = kept(7_200_000, lag=5)
    html = text_of(visitor.get("/", {"at": winding.stamp(at_ms + 1_800_000)}))
    assert f"The nearest that was kept before is of {winding.readable(at_ms)}" in html


def test_before_everything_the_page_says_how_far_back_it_goes(visitor, redis_url, kept):
    publish(redis_url, busy_snapshot())
    at_ms = kept(3_600_000, lag=5)
    response = visitor.get("/", {"at": "2001-01-01T00:00:00"})
    assert response.status_code == 404
    assert f"The oldest moment that is kept is {winding.readable(at_ms)}" in text_of(response)


def test_the_past_is_there_while_nothing_is_measured(visitor, kept):
    at_ms = kept(3_600_000, lag=777)
    assert visitor.get("/").status_code == 503
    assert ">777</data>" in text_of(visitor.get("/", {"at": winding.stamp(at_ms + 999)}))


def test_a_moment_to_come_is_the_newest_one_there_is(visitor, redis_url):
    publish(redis_url, busy_snapshot())
    html = text_of(visitor.get("/", {"at": "2999-01-01T00:00:00"}))
    assert "inventory is stopped" in html
    assert "2999-01-01 00:00:00 UTC, which was asked for, is still to come" in html
    assert "As of 2999" not in html and '-01-01T00:00:00" step' not in html, "it goes on from what is shown"


@pytest.mark.parametrize("at", ["yesterday", "", "99999-01-01T00:00", "<script>", "2026-13-01T00:00:00"])
def test_what_is_no_time_shows_the_present_and_says_so(visitor, redis_url, at):
    publish(redis_url, busy_snapshot())
    response = visitor.get("/", {"at": at})
    assert response.status_code == 200 and "not live" not in text_of(response)
    assert ("is no time, so this is the present" in text_of(response)) is bool(at)


def test_charts_of_the_past_are_drawn_from_the_ring_that_reaches_there(visitor, redis_url, kept):
    at_ms = now_ms() - 7_200_000
    publish(redis_url, busy_snapshot(), as_of_ms=at_ms, seconds_of_history=120)
    publish(redis_url, busy_snapshot())
    snapshot = msgspec.structs.replace(busy_snapshot(), as_of_ms=at_ms)
    Keeper(Connection(redis_url)).keep(snapshot, encode(snapshot))
    lag, _ = chart_data(visitor.get("/groups/inventory/", {"at": winding.stamp(at_ms + 999)}))
    assert lag["step_ms"] == 10_000
    assert len(lag["t"][0]) >= 10 and set(lag["y"][0]) == {400}
