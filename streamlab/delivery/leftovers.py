"""What the workers of a group had not told yet when they ended: carried on, so that the group can be forgotten.

Dead letters and events lie beside the partition until they have arrived, which the partition's next owner sees to.
A group that is to be deleted will have none, and what is in its outbox is in no other place.
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
from ..server_defaults import pairs
from ..topics import Topics
from .outbox import Item
from .partition_retries import Numbering, PartitionRetries
from .relay import Relay

log = logging.getLogger(__name__)

_AT_ONCE = 200


def carry_on(connection: Connection, topics: Topics, group_id: str) -> int:
    """Bring everything where it belongs; how many dead letters and events that were.

    The group has no running members. Raises StreamlabError: then the rest is where it was.
    """
    carried = 0
    with closing(Journal(connection)) as journal:
        relay = Relay(connection, journal, topics, group_id)
        for partition in _with_outbox(connection, topics, group_id):
            carried += _carry(connection, relay, PartitionRetries(group_id, partition, "", 0))
    return carried


def _with_outbox(connection: Connection, topics: Topics, group_id: str) -> Iterable[TopicPartition]:
    every = [
        TopicPartition(t, n) for t, spec in topics.all(fresh=True).items() for n in range(spec.partitions)
    ]
    waiting = connection.execute_many([("EXISTS", keys.retry("outbox", *p, group_id)) for p in every])
    return [partition for partition, exists in zip(every, waiting, strict=True) if exists]


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
    in_order = sorted(pairs(outbox), key=lambda pair: (len(pair[0]), pair[0]))
    items = [item for field, packed in in_order if (item := _read(retries, field.decode(), packed))]
    for start in range(0, len(items), _AT_ONCE):
        relay.carry(items[start : start + _AT_ONCE])
    return len(items)


def _read(retries: PartitionRetries, field: str, packed: bytes) -> Item | None:
    try:
        return Item.of(retries, field, packed)
    except msgspec.MsgspecError as error:
        log.error("What lies in an outbox cannot be read, and goes with its group: %s", error)
        return None
