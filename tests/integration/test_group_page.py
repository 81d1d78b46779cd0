"""The page of one group: its commits, and that its panels do not contradict each other."""

from __future__ import annotations

import re
from html import unescape

import msgspec
import pytest
from django.template.loader import render_to_string
from django.test import Client

from dashboard.presenters import advice, standing
from streamlab.advisor import Finding, Urgency
from streamlab.broker import Broker
from streamlab.metrics.commit_windows import CommitWindows, SeenCommit, Window
from streamlab.model import OffsetAndMetadata, TopicPartition
from tests.builders import a_group_that_read, numbered, produce, read
from tests.builders import a_topic as made_topic
from tests.integration.broker_pictures import now_ms, publish
from tests.snapshots import NOW_MS, a_group, a_member, a_position, a_snapshot, a_topic

pytestmark = pytest.mark.django_db


def html_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, response.content.decode()[:2000]
    return unescape(response.content.decode())


def test_a_lag_says_how_many_of_its_records_nobody_can_read_any_more(visitor, redis_url):
    for gone, says in (
        ({"purged": 1_200}, "Of them 1,200 purged unread"),
        ({"lost": 7}, "Of them 7 lost unread"),
        ({"purged": 2, "lost": 7}, "Of them 2 purged and 7 lost unread"),
        ({}, None),
    ):
        position = a_position("orders", lag=2_000, **gone)
        publish(redis_url, a_snapshot(a_topic("orders"), a_group("revenue", partitions=[position])))
        html = html_of(visitor, "/groups/revenue/")
        assert says in html if says else "Of them" not in html
        assert ("The lag still counts" in html) is bool(gone)


def commits_of(html: str) -> str:
    return html[html.index('aria-label="Commits table"') : html.index('id="rebalances"')]


def test_the_newest_commit_of_each_partition_says_where_when_by_whom_and_what_with_it(
    visitor, broker: Broker, redis_url
):
    topic = made_topic(broker)
    produce(broker, topic, numbered(10))
    with broker.consumer(
        topic, group_id="revenue", client_id="till-1", auto_offset_reset="earliest"
    ) as consumer:
        read(consumer, 10)
        consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(7, "up to <b>noon</b>")})
        found = broker.admin().describe_groups(["revenue"])["revenue"]
        member_id = found["members"][0]["member_id"]
        member = a_member(client_id="till-1", member_id=member_id)
        publish(redis_url, _snapshot(topic, [member]))
        html = commits_of(html_of(visitor, "/groups/revenue/"))
    assert "7 is the next offset to read" in html
    assert f'title="Member {member_id}">till-1</td>' in html
    assert "up to <b>noon</b>" in html, "as text: what was read is unescaped here"
    assert "No earlier commit was seen" in html


def test_commits_before_the_newest_are_told_as_they_were_seen(visitor, broker: Broker, redis_url):
    topic = a_group_that_read(broker, 10)
    windows = CommitWindows(broker.connection)
    now = now_ms()
    for ago_ms, offset in ((30_000, 2), (20_000, 5)):
        windows.take_in(_snapshot(topic, [], committed=offset, commit_ms=now - ago_ms, as_of_ms=now - ago_ms))
    publish(redis_url, _snapshot(topic, []))
    html = commits_of(html_of(visitor, "/groups/revenue/"))
    assert re.search(r"<summary>2 earlier, one every 15 s</summary>", html)
    assert re.search(r"offset 5 \(\+3\); \d\d:\d\d:\d\d offset 2<", html)


def test_a_reset_is_named_as_who_committed(visitor, broker: Broker, redis_url):
    topic = a_group_that_read(broker, 10)
    broker.admin().alter_group_offsets("revenue", {TopicPartition(topic, 0): 3})
    publish(redis_url, _snapshot(topic, []))
    assert "a reset</td>" in commits_of(html_of(visitor, "/groups/revenue/"))


def _snapshot(topic: str, members: list, committed: int = 10, **changes):
    commit_ms = changes.pop("commit_ms", now_ms())
    position = a_position(topic, 0, committed=committed, log_end=10, commit_ms=commit_ms)
    return a_snapshot(
        a_topic(topic, 1, groups=["revenue"]),
        a_group("revenue", partitions=[position], members=members),
        **changes,
    )


def test_a_group_whose_cause_is_known_is_not_told_another_remedy():
    """Where a finding names a hot key, more members would not help."""
    position = a_position(lag=50, time_lag_ms=60_000, commit_ms=NOW_MS - 1_000)
    start_ms = NOW_MS - 5_000
    window = Window(
        SeenCommit(start_ms + i * 1_000, i * 10, i * 10 + lag) for i, lag in enumerate((5, 10, 20, 30, 50))
    )
    found = standing.of_group(a_group("revenue", partitions=[position]), {"orders/0": window}, NOW_MS)
    hot = Finding(
        rule="hot-key", subject="group:revenue", title="One key is hot", symptom="", cause="", judged=""
    )
    hint = msgspec.structs.replace(hot, urgency=Urgency.HINT)
    for finding, says in ((hot, "Likely: "), (hint, "faster")):
        cause = standing.explained(found, [advice.card(finding, NOW_MS)])
        html = render_to_string("pages/group/standing.html", {"standing": found, "cause": cause})
        assert says in html and ("faster" in html) is (says == "faster")
