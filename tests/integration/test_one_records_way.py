"""One id tells a record's whole way, through real workers: produced, attempts, dead, replayed, recovered."""

from __future__ import annotations

import threading

import pytest

from dashboard.projections.models import DeadLetter, FailureGroup, LetterState, RecordEvent
from dashboard.projections.projector import Projector
from streamlab import RetryPolicy
from streamlab.broker import Broker
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.replay import Replays
from streamlab.events.history import trace
from tests.builders import a_topic, numbered, produce
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

GROUP, RECORD = "revenue", "536365-1"
WAY = [
    "record.retried",
    "record.retried",
    "record.dead_lettered",
    "dead_letter.replayed",
    "record.retried",
    "record.recovered",
]


class OutOfStock(Exception):
    """What goes wrong here."""


class Shop:
    """A handler that fails for one record: until it dies, and once more after its replay."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.failed = 0

    def book(self, record) -> None:
        if record.header("ce_id") is None:
            return
        if self.failed < (4 if self.open.is_set() else 10**6):
            self.failed += 1
            raise OutOfStock(f"no stock for order {self.failed}")


def test_one_id_tells_it_all_and_so_do_the_tables(broker: Broker):
    topic, shop = a_topic(broker, partitions=2), Shop()
    produce(broker, topic, numbered(20))
    produce(broker, topic, [b"x"], key=b"17841", headers=[("ce_id", RECORD.encode())])
    policy = RetryPolicy(max_attempts=3, base_ms=20, cap_ms=50)
    worker = broker.worker(
        topic, group_id=GROUP, handler=shop.book, retry=policy, auto_offset_reset="earliest"
    )
    with worker:
        letters = DeadLetters(broker.connection, topic, GROUP)
        until(lambda: _is_dead(letters), 60, "the record is a dead letter")
        shop.open.set()
        replays = Replays(broker.connection)
        replays.run(replays.draft(replays.plan(letters), by="ann").id)
        until(lambda: [step.name for step in _steps(broker)] == WAY, 60, "the record's way is told")

    [way] = trace(broker, RECORD)
    assert way.produced.key == b"17841"
    assert [step.event.attempt for step in way.steps if step.name.startswith("record.")] == [1, 2, 3, 4, 5]
    times = [way.produced.timestamp, *(step.at_ms for step in way.steps)]
    assert times == sorted(times)

    projector = Projector(broker, group_id=None)
    projector.catch_up()
    projector.close()
    assert [row.kind for row in RecordEvent.objects.timeline(RECORD)] == WAY
    [letter] = DeadLetter.objects.all()
    assert (letter.state, letter.record_id, letter.attempts) == (LetterState.RECOVERED, RECORD, 3)
    assert letter.replayed_by == "ann"
    [failures] = FailureGroup.objects.all()
    assert (failures.message, failures.recovered) == ("no stock for order <n>", 1)
    assert failures.call_site == "tests/integration/test_one_records_way.py:book"
    prints = set(RecordEvent.objects.exclude(exception="").values_list("fingerprint", flat=True))
    assert prints == {failures.fingerprint}, "attempts and dead letter have one fingerprint"


def _is_dead(letters: DeadLetters) -> bool:
    try:
        return letters.counts().dead == 1
    except Exception:  # its topic is not there yet
        return False


def _steps(broker: Broker):
    ways = trace(broker, RECORD)
    return ways[0].steps if ways else []
