"""What the pages ask of the large tables of the history is found by an index; SQLite says how it goes about it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.projections.apply import apply
from streamlab.broker import Broker
from streamlab.events import Recorded, recorded_of
from streamlab.events.envelope import letter_of
from streamlab.model import ConsumerRecord
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.people import a_person
from tests.stories import Life

pytestmark = pytest.mark.django_db

LARGE = ("projections_deadletter", "projections_recordevent", "projections_brokerevent")
LISTED = "projections_deadletter"
"""Is shown by pages: it must not be sorted for each of them. Others are looked at in a window of time."""
PAGES = [
    "/",
    "/dead-letters/",
    "/dead-letters/?group=revenue&topic=orders",
    "/dead-letters/?all=1",
    "/dead-letters/letters/",
    "/dead-letters/letters/?state=dead",
    "/dead-letters/letters/?group=revenue",
    "/dead-letters/letters/?group=revenue&topic=orders",
    "/dead-letters/letters/?group=revenue&topic=orders&state=dead",
    "/dead-letters/letters/?group=revenue&topic=orders&partition=3",
    "/dead-letters/letters/?fingerprint={fingerprint}&state=dead",
    "/retries/",
    "/retries/?group=revenue",
    "/history/",
]


@pytest.fixture
def pages(client: Client, broker: Broker, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    publish(redis_url, busy_snapshot())
    client.force_login(a_person(Role.OPERATOR))
    return client


@pytest.fixture(autouse=True)
def many_lives() -> None:
    rng, lives = random.Random(7), []
    for n in range(400):
        life = Life(n, group=rng.choice(["revenue", "stock"])).fails().dies(f"no stock: {'abcdefgh'[n % 8]}")
        if n % 3 == 0:
            life.is_replayed().recovers()
        lives += life.events
    with transaction.atomic():
        apply([_recorded(event) for event in lives])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _recorded(event) -> Recorded:
    letter = letter_of(event)
    found = recorded_of(ConsumerRecord("t", 0, 0, letter.at_ms, letter.key, letter.value, letter.headers))
    assert found is not None
    return found


def plans(asked: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    """Statement and plan, of all that look at a large table."""
    for query in asked:
        sql = query["sql"]
        if sql.startswith("SELECT") and any(f'FROM "{table}"' in sql for table in LARGE):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                yield sql, "\n".join(row[3] for row in cursor.fetchall())


@pytest.mark.parametrize("address", PAGES)
def test_a_page_looks_through_no_large_table(pages: Client, address: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("plans read differently here")
    with connection.cursor() as cursor:
        cursor.execute("SELECT fingerprint FROM projections_failuregroup LIMIT 1")
        [fingerprint] = cursor.fetchone()
    with CaptureQueriesContext(connection) as asked:
        assert pages.get(address.format(fingerprint=fingerprint)).status_code == 200
    for sql, plan in plans(asked.captured_queries):
        for line in plan.splitlines():
            if re.match(r"(SCAN|SEARCH) projections_", line):
                assert "USING" in line, f"{line}\n{sql}"
        if LISTED in sql and " LIMIT " in sql and "GROUP BY" not in sql:
            assert "TEMP B-TREE" not in plan, f"{plan}\n{sql}"
