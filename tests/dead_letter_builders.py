"""Dead letters as a worker writes them, without a worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from streamlab.broker import Broker
from streamlab.delivery.dead_letter import Attempt, Cause, DeadLetter, headers_of, letter_for
from streamlab.delivery.dead_letter_topics import DEAD_LETTER_PRODUCER, DeadLetterTopics
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.log import PartitionLog
from streamlab.model import ConsumerRecord, TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic, produce

GROUP = "revenue"
DIED_MS = 1_700_000_000_000


class OutOfStock(Exception):
    """An error of a shop."""


def an_error(message: str = "no stock for order 536365", kind: type[Exception] = OutOfStock) -> Exception:
    """Raised, so that it has a traceback."""
    try:
        raise kind(message)
    except Exception as error:
        return error


def a_record(**fields: Any) -> ConsumerRecord:
    named: dict[str, Any] = {
        "topic": "orders",
        "partition": 3,
        "offset": 41,
        "timestamp": DIED_MS - 5_000,
        "key": b"17841",
        "value": b'{"quantity": 3}',
        "_headers": [("ce_id", b"536365-1"), ("empty", b""), ("null", None)],
    } | fields
    return ConsumerRecord(**named)


def a_letter(record: ConsumerRecord | None = None, **fields: Any) -> DeadLetter:
    named: dict[str, Any] = {
        "group": GROUP,
        "cause": Cause.EXHAUSTED,
        "died_ms": DIED_MS,
        "member": "worker-1",
        "error": an_error(),
        "attempts": [
            Attempt(
                attempt=1, planned_ms=DIED_MS - 3_000, actual_ms=DIED_MS - 2_990, error_class="OutOfStock"
            ),
            Attempt(attempt=2, planned_ms=DIED_MS - 1_000, actual_ms=DIED_MS - 998, error_class="OutOfStock"),
        ],
    } | fields
    return letter_for(record or a_record(), **named)


def bury(broker: Broker, letters: Iterable[DeadLetter], retention_ms: int | None = None) -> str:
    """Write letters where a worker would: same partition as the record was read from. Returns their topic."""
    dlq = ""
    topics = DeadLetterTopics(broker.connection)
    with broker.producer(**DEAD_LETTER_PRODUCER) as producer:
        futures = []
        for letter in letters:
            dlq = topics.ensure(letter.read_topic, letter.group)
            futures.append(
                producer.send(
                    dlq, letter.value, letter.key, headers_of(letter), partition=letter.read_partition
                )
            )
        for future in futures:
            future.get(60)
    return dlq


def records_of_topic(broker: Broker, topic: str) -> list[ConsumerRecord]:
    """All records, partition by partition, in order of offsets."""
    log = PartitionLog(broker.connection, Topics(broker.connection))
    ends = log.offsets(
        TopicPartition(topic, n) for n in range(Topics(broker.connection).require(topic).partitions)
    )
    consumer = broker.consumer(enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign(list(ends))
    consumer.seek_to_beginning()
    found: list[ConsumerRecord] = []
    while any(consumer.position(p) < o.log_end for p, o in ends.items()):
        for records in consumer.poll(200).values():
            found.extend(records)
    consumer.close()
    return sorted(found, key=lambda r: (r.partition, r.offset))


def dead_orders(
    broker: Broker,
    count: int = 10,
    partitions: int = 2,
    value: bytes = b'{"quantity": 3}',
    errors: Sequence[Exception] | None = None,
) -> DeadLetters:
    """A new topic with `count` records, all of which a group has given up."""
    topic = a_topic(broker, partitions)
    for partition in range(partitions):
        share = range(partition, count, partitions)
        produce(broker, topic, [value for _ in share], partition=partition, key=b"17841")
    errors = errors or [an_error()]
    letters = [
        a_letter(record, error=errors[n % len(errors)], died_ms=DIED_MS + n)
        for n, record in enumerate(records_of_topic(broker, topic))
    ]
    bury(broker, letters)
    return DeadLetters(broker.connection, topic, GROUP)
