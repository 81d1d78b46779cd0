"""Where a record's time goes: what producers, members and workers measure, put together."""

from __future__ import annotations

import msgspec
import pytest

from dashboard.presenters.latency import latency
from tests.advisor_worlds import NOW_MS, a_client

SENDING, FETCHING = "producer-metrics", "consumer-fetch-manager-metrics"


def a_producer(queue: float, request: float, topic: str = "orders"):
    figures = {"record-queue-time-avg": queue, "record-queue-time-p99": 3 * queue}
    figures |= {"request-latency-avg": request, "request-latency-p99": 3 * request}
    return a_client(metrics={SENDING: figures, f"producer-topic-metrics.{topic}": {"record-send-rate": 5.0}})


def a_member(whole: float, **handler: float):
    metrics = {
        FETCHING: {"end-to-end-latency-avg": whole, "end-to-end-latency-p99": 4 * whole},
        "consumer-coordinator-metrics": {"commit-latency-avg": 2.0, "commit-latency-p99": 6.0},
    }
    if handler:
        metrics["worker-metrics"] = {f"handler-latency-{name}-ms": ms for name, ms in handler.items()}
    return a_client("till", "worker" if handler else "consumer", group="revenue", metrics=metrics)


def means(*clients) -> list[str]:
    found = latency(clients, "revenue", ["orders"], NOW_MS)
    return [step.mean.plain for step in found.steps]


def test_a_records_way_is_told_step_by_step_and_the_log_has_what_is_left():
    found = latency([a_producer(10, 5), a_member(60, p50=23, p99=90)], "revenue", ["orders"], NOW_MS)
    assert [step.mean.plain for step in found.steps] == ["10 ms", "5 ms", "45 ms", "23 ms", "2 ms"]
    assert (found.delivery.mean.plain, found.delivery.p99.plain) == ("60 ms", "240 ms")
    assert sum(step.share for step in found.steps) == pytest.approx(1)
    assert found.who == "1 producer, 1 member"


def test_producers_of_other_topics_and_members_of_other_groups_do_not_count():
    elsewhere = a_member(1_000)
    elsewhere = msgspec.structs.replace(elsewhere, group="inventory")
    assert means(a_producer(900, 900, "clicks"), elsewhere, a_member(60)) == ["—", "—", "60 ms", "—", "2 ms"]


def test_a_mean_of_the_log_is_never_below_nothing():
    assert means(a_producer(50, 50), a_member(60))[2] == "0 s"


def test_without_a_member_that_tells_nothing_is_said():
    assert latency([a_producer(10, 5)], "revenue", ["orders"], NOW_MS) is None
