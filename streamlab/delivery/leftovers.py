"""What workers had not told yet when they ended: carried on, so that a group or a topic can be forgotten.

Dead letters and events lie beside the partition until they have arrived, which the partition's next owner sees to.
A group that is to be deleted will have none, and what is in its outbox is in no other place. Of a topic that is to be
deleted the partition goes itself; its dead letters are records of another topic, and stay.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing

import msgspec

from .. import keys
from ..connection import Connection
from ..events import Journal
from ..model import TopicPartition
from ..topics import Topics
from .outbox import Item
from .partition_retries import Numbering, PartitionRetries, parse_outbox
from .relay import Relay
from .retry_queue import groups_of

log = logging.getLogger(__name__)

_AT_ONCE = 200

Queue = tuple[str, TopicPartition]
"""Of a group."""


def carry_on(connection: Connection, topics: Topics, group_id: str) -> int:
    """Bring everything of a group where it belongs; how many dead letters and events that were.

    The group has no running members. Raises StreamlabError: then the rest is where it was.
    """
    every = [
        TopicPartition(t, n) for t, spec in topics.all(fresh=True).items() for n in range(spec.partitions)
    ]
    return _carry_all(connection, topics, [(group_id, partition) for partition in every])


def carry_on_from(connection: Connection, topics: Topics, topic: str) -> int:
    """Likewise what lies beside the partitions of a topic, whichever group's it is. Workers may run: what they carry at
    the same time arrives once."""
    spec = topics.get(topic)
    every = [TopicPartition(topic, n) for n in range(0 if spec is None else spec.partitions)]
    return _carry_all(connection, topics, groups_of(connection, every))


def _carry_all(connection: Connection, topics: Topics, queues: Iterable[Queue]) -> int:
    asked = list(queues)
    waiting = connection.execute_many([("EXISTS", keys.retry("outbox", *p, group)) for group, p in asked])
    carried = 0
    with closing(Journal(connection, of="leftovers")) as journal:
        relay = Relay(connection, journal, topics, "leftovers")
        for (group_id, partition), exists in zip(asked, waiting, strict=True):
            if exists:
                carried += _carry(connection, relay, PartitionRetries(group_id, partition, "", 0))
    return carried


def _carry(connection: Connection, relay: Relay, retries: PartitionRetries) -> int:
    queue = (*retries.partition, retries.group_id)
    outbox, numbering = connection.execute_many(
        [
            ("HGETALL", keys.retry("outbox", *queue)),
            ("HMGET", keys.retry("counts", *queue), "letter_epoch", "letter_base"),
        ]
    )
    epoch, first = numbering
    relay.know(retries, Numbering(int(epoch or 0), int(first or 0)))
    found = parse_outbox(outbox).items()
    items = [item for field, packed in found if (item := _read(retries, field, packed))]
    for start in range(0, len(items), _AT_ONCE):
        relay.carry(items[start : start + _AT_ONCE])
    return len(items)


def _read(retries: PartitionRetries, field: str, packed: bytes) -> Item | None:
    try:
        return Item.of(retries, field, packed)
    except msgspec.MsgspecError as error:
        log.error("What lies in an outbox cannot be read, and goes with it: %s", error)
        return None
