"""A broker on which every page has something to show: traffic, letters, retries, schemas, operations, alerts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import streamlab
from streamlab import Permanent, RetryPolicy
from streamlab.broker import Broker
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.lab.experiments import notes
from streamlab.metrics.telemetry import read_states
from streamlab.schemas import AvroSerializer, Schema, SchemaRegistry, SchemaType
from tests.e2e.conftest import Stack
from tests.integration.test_experiment_pages import a_plan, an_outcome
from tests.waiting import until

ORDER = json.dumps(
    {"type": "record", "name": "Order", "fields": [{"name": "country", "type": "string"}]}, indent=2
)
FIXTURES = """
from django.utils import timezone
from dashboard.alerts.models import Firing
from dashboard.audit.trail import Actor
from dashboard.operations import life
from dashboard.operations.registry import KINDS
fired = Firing.objects.create(rule_name="Late", condition="group-lag", subject="group revenue", severity="critical",
    opened_says="The lag of group revenue is 400", opened_at=timezone.now())
drafted = life.draft(KINDS["purge"], {"topic": "avro", "before_ms": None}, Actor(None))
print("made", fired.pk, drafted.pk)
"""


@dataclass
class Busy:
    """What stands where. `worker` runs until `stop`."""

    stack: Stack
    broker: Broker
    client: str = ""
    alert: int = 0
    operation: int = 0
    letter: str = ""  # "0/0": partition and offset of the first dead letter
    experiment: str = "1a2b-cd"
    _stop: list[Callable[[], None]] = field(default_factory=list)

    def stop(self) -> None:
        for stop in reversed(self._stop):
            stop()


def moody(record) -> None:
    """Gives one record in ten up, and lets one in ten wait for a while."""
    number = record.offset % 10
    if number == 3:
        raise Permanent("The card has expired")
    if number == 7:
        raise TimeoutError("The bank did not answer")


def make_busy(stack: Stack) -> Busy:
    """Starts what is missing beside sampler and web; everything is there when it returns."""
    broker = streamlab.connect(str(stack.server.url))
    busy = Busy(stack, broker, _stop=[broker.close])
    stack.run("projector", "manage.py", "project")
    broker.admin().create_topics({"orders": {"num_partitions": 3}, "avro": {"num_partitions": 1}})
    _schemas(busy)
    _flow(busy)
    notes.keep(broker.connection, an_outcome(a_plan("orders"), {"throughput": [1.0, 1.5]}, busy.experiment))
    made = stack.manage("shell", "-v", "0", "-c", FIXTURES)
    busy.alert, busy.operation = (int(number) for number in made.split("made ")[1].split()[:2])
    until(lambda: "orders.revenue.dlq" in broker.admin().list_topics(), 60, "a record died")
    letters = DeadLetters(broker.connection, "orders", "revenue")
    where = until(lambda: next(letters.all(), None), 30, "a letter").address
    busy.letter = f"{where.partition}/{where.offset}"
    busy.client = until(lambda: next(iter(read_states(broker.connection)), ""), 30, "a client is known")
    return busy


def _schemas(busy: Busy) -> None:
    with SchemaRegistry(busy.broker.connection) as registry:
        registry.register("avro-value", Schema(ORDER, SchemaType.AVRO))
        with busy.broker.producer(value_serializer=AvroSerializer(registry, ORDER)) as producer:
            producer.send("avro", {"country": "Norway"}).get(30)


def _flow(busy: Busy) -> None:
    producer = busy.broker.producer(client_id="till")
    policy = RetryPolicy(base_ms=60_000, cap_ms=60_000, max_attempts=3)
    worker = busy.broker.worker("orders", group_id="revenue", handler=moody, retry=policy)
    worker.start()
    ended = threading.Event()

    def send() -> None:
        number = 0
        while not ended.wait(0.2):  # more would fill the retries with rows that only take the browser time
            producer.send("orders", b'{"total": 12.5, "n": %d}' % number, key=b"c-%d" % (number % 7))
            number += 1

    thread = threading.Thread(target=send)
    thread.start()

    def stop() -> None:
        ended.set()
        thread.join(60)
        worker.stop()
        producer.close()

    busy._stop.append(stop)
