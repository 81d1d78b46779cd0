"""The whole way: a worker gives records up, an operator replays them, the worker says what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from streamlab.broker import Broker
from streamlab.delivery.dead_letter import LetterAddress, record_id
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.letter_filter import LetterFilter
from streamlab.delivery.letter_states import LetterState
from streamlab.delivery.policy import RetryPolicy
from streamlab.delivery.replay import Replays
from streamlab.delivery.replay_jobs import ReplayState
from streamlab.events import EVENTS_TOPIC, recorded_of
from streamlab.events.of_records import RecordEvent
from streamlab.model import OffsetAndMetadata, TopicPartition
from tests.builders import a_topic, numbered
from tests.dead_letter_builders import GROUP, records_of_topic
from tests.waiting import until

TWICE = RetryPolicy(max_attempts=2, base_ms=5, jitter="none")


class Shop:
    """Fails while it is closed."""

    def __init__(self) -> None:
        self.open = False
        self.booked: list[tuple[str, int, bytes]] = []

    def book(self, record: Any) -> None:
        if not self.open:
            raise ValueError(f"the shop is closed, order {record.offset}")
        self.booked.append((record.topic, record.offset, record.value))


@contextmanager
def working(broker: Broker, *topics: str, handler: Callable[..., Any], group: str = GROUP) -> Iterator[None]:
    worker = broker.worker(*topics, group_id=group, handler=handler, retry=TWICE)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def all_dead(broker: Broker, topic: str, count: int) -> DeadLetters:
    letters = DeadLetters(broker.connection, topic, GROUP)

    def enough() -> bool:
        try:
            return letters.counts().dead >= count
        except Exception:
            return False  # there is no dead letter yet

    until(enough, 60, f"{count} dead letters")
    return letters


def produce_orders(broker: Broker, topic: str, count: int) -> None:
    with broker.producer() as producer:
        for n, value in enumerate(numbered(count)):
            producer.send(topic, value, b"17841", [("ce_id", b"order-%d" % n)], partition=0)


@pytest.mark.both_engines
@pytest.mark.parametrize("to", ["group", "source"])
def test_what_is_handled_after_a_replay_is_recovered(broker: Broker, to: str) -> None:
    topic, shop = a_topic(broker), Shop()
    produce_orders(broker, topic, 5)
    replays = Replays(broker.connection)
    with working(broker, topic, handler=shop.book):
        letters = all_dead(broker, topic, 5)
        shop.open = True
        job = replays.run(replays.draft(replays.plan(letters, to=to), by="ann").id)
        until(lambda: letters.counts().recovered == 5, 60, "all are recovered")
    assert sorted(value for _, _, value in shop.booked) == numbered(5)
    counts = replays.jobs.get(job.id).counts
    assert (counts.sent, counts.recovered, counts.failed_again) == (5, 5, 0)


def test_what_dies_again_is_a_new_letter_and_the_old_one_names_it(broker: Broker) -> None:
    topic, shop = a_topic(broker), Shop()
    produce_orders(broker, topic, 1)
    replays = Replays(broker.connection)
    with working(broker, topic, handler=shop.book):
        letters = all_dead(broker, topic, 1)
        job = replays.run(replays.draft(replays.plan(letters), by="ann").id)
        until(lambda: letters.counts().failed_again == 1, 60, "it died again")
    old, new = letters.get((0, 0)), letters.get((0, 1))
    assert old is not None and new is not None
    assert old.status.successor == new.address == LetterAddress(letters.dlq, 0, 1)
    assert (new.letter.previous, new.letter.replays, new.letter.replay_id) == (old.address, 1, job.id)
    assert [a.attempt for a in new.letter.attempts] == [1, 2, 3, 4]
    assert replays.jobs.get(job.id).counts.failed_again == 1


def test_a_record_that_dies_anew_after_a_reset_is_replayed_anew(broker: Broker) -> None:
    topic, shop = a_topic(broker), Shop()
    produce_orders(broker, topic, 1)
    replays = Replays(broker.connection)
    for died in (1, 2):
        with working(broker, topic, handler=shop.book):
            letters = all_dead(broker, topic, died)
        broker.admin().alter_group_offsets(GROUP, {TopicPartition(topic, 0): OffsetAndMetadata(0)})
    broker.admin().alter_group_offsets(GROUP, {TopicPartition(topic, 0): OffsetAndMetadata(1)})
    shop.open = True
    for number in (0, 1):
        only = LetterFilter(letters=[letters.get((0, number)).address])
        replays.run(replays.draft(replays.plan(letters, only), by="ann").id)
    with working(broker, topic, handler=shop.book):
        until(lambda: letters.counts().recovered == 2, 60, "both are recovered")
    assert len(shop.booked) == 2


def test_a_record_keeps_its_id_on_every_way_back_to_its_group(broker: Broker) -> None:
    topic, shop, ids = a_topic(broker), Shop(), []

    def book(record: Any, context: Any) -> None:
        ids.append((record_id(record), context.record_id))
        shop.book(record)

    with broker.producer() as producer:
        producer.send(topic, b"no event, so its place is its id", partition=0)
    replays = Replays(broker.connection)
    with working(broker, topic, handler=book):
        letters = all_dead(broker, topic, 1)
        replays.run(replays.draft(replays.plan(letters, to="source"), by="ann").id)
        until(lambda: letters.counts().failed_again == 1 and letters.counts().dead == 1, 60, "it died again")
        shop.open = True
        replays.run(replays.draft(replays.plan(letters, to="group"), by="ann").id)
        until(lambda: letters.counts().recovered == 1, 60, "it is recovered")
    assert set(ids) == {(f"{topic}/0@0", f"{topic}/0@0")}


def test_other_groups_of_the_topic_have_no_say_about_a_letter(broker: Broker) -> None:
    topic, shop, seen = a_topic(broker), Shop(), []
    produce_orders(broker, topic, 2)
    with working(broker, topic, handler=shop.book):
        letters = all_dead(broker, topic, 2)
    replays = Replays(broker.connection)
    with working(broker, topic, handler=seen.append, group="another"):
        replays.run(replays.draft(replays.plan(letters, to="source"), by="ann").id)
        until(lambda: len(seen) == 4, 60, "the other group has read them")
    assert letters.counts().replaying == 2


def test_whoever_handles_a_record_of_another_topic_settles_its_letter(broker: Broker) -> None:
    topic, repaired, shop, seen = a_topic(broker), a_topic(broker), Shop(), []
    produce_orders(broker, topic, 3)
    with working(broker, topic, handler=shop.book):
        letters = all_dead(broker, topic, 3)
    replays = Replays(broker.connection)
    with working(broker, repaired, handler=seen.append, group="repair"):
        replays.run(replays.draft(replays.plan(letters, to=repaired), by="ann").id)
        until(lambda: letters.counts().recovered == 3, 60, "all are recovered")
    assert len(seen) == 3


def test_the_guard_stops_a_replay_to_a_worker_that_still_fails(broker: Broker) -> None:
    topic, shop = a_topic(broker), Shop()
    produce_orders(broker, topic, 400)
    replays = Replays(broker.connection)
    with working(broker, topic, handler=shop.book):
        letters = all_dead(broker, topic, 400)
        plan = replays.plan(letters, rate=50, guard_percent=10, guard_sample=5)
        job = replays.run(replays.draft(plan, by="ann").id)
    assert job.state is ReplayState.STOPPED and job.counts.sent < 400
    assert job.reason is not None and "failed again" in job.reason


def test_one_record_id_tells_the_whole_way(broker: Broker) -> None:
    topic, shop = a_topic(broker), Shop()
    produce_orders(broker, topic, 3)
    replays = Replays(broker.connection)
    with working(broker, topic, handler=shop.book):
        letters = all_dead(broker, topic, 3)
        shop.open = True
        mine = LetterFilter(record_ids=["order-1"])
        replays.run(replays.draft(replays.plan(letters, mine), by="ann").id)
        until(lambda: letters.counts().recovered == 1, 60, "it is recovered")
        [record] = [r for r in records_of_topic(broker, topic) if r.header("ce_id") == b"order-1"]
        until(lambda: "record.recovered" in told(broker, "order-1"), 60, "it was told")
    assert (record.partition, record.offset) == (0, 1)
    assert told(broker, "order-1") == [
        "record.retried",
        "record.dead_lettered",
        "dead_letter.replayed",
        "record.recovered",
    ]
    assert letters.get((0, 1)).status.state is LetterState.RECOVERED  # type: ignore[union-attr]


def told(broker: Broker, record_id: str) -> list[str]:
    """What the broker's history says of a record, in the order of its moments."""
    events = [recorded_of(record).event for record in records_of_topic(broker, EVENTS_TOPIC)]
    mine = [e for e in events if isinstance(e, RecordEvent) and e.record_id == record_id]
    names = {(e.at_ms, n): e.type.removeprefix("streamlab.") for n, e in enumerate(mine)}
    return [name for _, name in sorted(names.items())]
