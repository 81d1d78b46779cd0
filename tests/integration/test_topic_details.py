"""A topic's page beside its figures: the keys behind a skew, another number of partitions, settings, time to loss."""

from __future__ import annotations

from html import unescape

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from dashboard.masking.models import MaskingRule
from streamlab import key_sample
from streamlab.key_sample import Budget
from streamlab.partitioner import partition_for
from tests.builders import a_topic as create_topic
from tests.builders import numbered, produce
from tests.integration.broker_pictures import publish
from tests.integration.test_pages import text_of
from tests.people import a_person
from tests.snapshots import a_group, a_partition, a_position, a_snapshot, a_topic

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    cache.clear()
    client.force_login(a_person())
    return client


def publish_topic(redis_url: str, name: str, counts: list[int], *more: object) -> None:
    logs = [a_partition(n, log_end=count) for n, count in enumerate(counts)]
    publish(redis_url, a_snapshot(a_topic(name, logs=logs, groups=["late"]), *more))


def a_skewed_topic(broker, partitions: int = 3) -> tuple[str, list[int]]:
    """One key has 80 of 100 records."""
    topic = create_topic(broker, partitions=partitions)
    counts = [0] * partitions
    for key, n in ((b"whale", 80), *((b"fish-%d" % i, 1) for i in range(20))):
        produce(broker, topic, numbered(n), key=key)
        counts[partition_for(key, partitions)] += n
    return topic, counts


def test_the_heaviest_key_comes_first_with_its_share(visitor, broker, redis_url):
    topic, counts = a_skewed_topic(broker)
    publish_topic(redis_url, topic, counts)
    assert "whale" not in text_of(visitor.get(f"/topics/{topic}/"))
    html = unescape(text_of(visitor.get(f"/topics/{topic}/", {"keys": "1"})))
    assert html.index(">whale<") < html.index(">fish-")
    assert "21 keys among the newest 100 records" in html
    assert 'value="0.8' in html, "80 of 100 records"
    assert 'data-live-key=""' in html, "a sample is not taken every second"


def test_one_key_that_outweighs_a_partition_is_said_to_defeat_any_number_of_them(visitor, broker, redis_url):
    topic, counts = a_skewed_topic(broker)
    publish_topic(redis_url, topic, counts)
    html = unescape(text_of(visitor.get(f"/topics/{topic}/", {"whatif": "12"})))
    assert "With 12 partitions." in html
    assert "One key alone holds 80 %" in html


@pytest.mark.parametrize("asked", ["0", "-3", "twelve", "10001", "9" * 40, "<b>"])
def test_what_is_no_number_of_partitions_is_told_so(visitor, broker, redis_url, asked):
    topic, counts = a_skewed_topic(broker)
    publish_topic(redis_url, topic, counts)
    assert "Write a number from 1 to 10,000." in text_of(visitor.get(f"/topics/{topic}/", {"whatif": asked}))


def test_a_rule_that_hides_keys_hides_them_here_too(visitor, broker, redis_url):
    topic, counts = a_skewed_topic(broker)
    publish_topic(redis_url, topic, counts)
    MaskingRule.objects.create(topics=topic, field="@key")
    html = text_of(visitor.get(f"/topics/{topic}/", {"keys": "1"}))
    assert "whale" not in html and "hidden by masking rules" in html


def test_keys_spread_where_the_partitioner_would_put_them(broker):
    topic, counts = a_skewed_topic(broker)
    sample = key_sample.sample(broker.connection, topic, counts)
    assert sample.elsewhere == 0
    assert sample.spread(3) == pytest.approx(counts)
    assert sum(sample.spread(7)) == pytest.approx(100)
    assert sample.spread(7)[partition_for(b"whale", 7)] >= 80


def test_a_budget_ends_the_look_and_the_fullest_partitions_were_seen_first(broker):
    topic, counts = a_skewed_topic(broker, partitions=300)
    budget = Budget(entries=300, records=1)
    sample = key_sample.sample(broker.connection, topic, counts, budget)
    assert sample.sampled_partitions < 300
    assert sample.keys[0].key == b"whale"


def test_settings_say_whose_they_are(visitor, broker, redis_url):
    topic = create_topic(broker, retention_ms=60_000)
    publish_topic(redis_url, topic, [10, 10])
    html = text_of(visitor.get(f"/topics/{topic}/"))
    assert "60000 (1 min)" in html and '<span class="tag">this topic</span>' in html
    assert "settings at their default" in html


@pytest.mark.parametrize(("waited_ms", "left"), [(10_000, "50"), (59_000, "1"), (70_000, "0")])
def test_the_time_until_a_group_loses_records_counts_down(visitor, broker, redis_url, waited_ms, left):
    topic = create_topic(broker, retention_ms=60_000)
    position = a_position(topic, lag=5, time_lag_ms=waited_ms)
    publish_topic(redis_url, topic, [1_000, 10], a_group("late", partitions=[position]))
    html = text_of(visitor.get(f"/topics/{topic}/"))
    assert f"{left}\N{NARROW NO-BREAK SPACE}<small>s</small>" in html.split("Loss in")[1]
    assert "Records are kept for 1 min" in html
