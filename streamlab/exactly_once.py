"""Appending numbered records: each number is in the log once, however often and by whomever it is appended.

Who keeps records elsewhere (in a database, in a file) numbers them before the first attempt, partition by partition,
and keeps the numbers. The log knows which numbers of a producer it has had, as it does for every idempotent one; so a
process that was killed, or a second one that believes the first to be dead, repeats without doubling.

    append(connection, producer_id("outbox shop"), [Numbered(TopicPartition("orders", 0), 0, 17, records)])

The log forgets a producer that was silent for a day, and a failover may take it back. Then it answers that a number is
out of order, and nothing is known of what came before: begin a new epoch at number 0.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from . import codec, keys
from .connection import Call, Connection
from .errors import OutOfOrderSequenceNumberError, ProducerFencedError, StreamlabError, reply_code, translated
from .log import script_error
from .model import Headers, TopicPartition

COMPRESSION = "lz4"
NUMBERS = 2**31
"""Numbers begin again at 0 behind this one, as Kafka's sequences do."""
_EXPECTED = re.compile(r"expected sequence (\d+)")


class Outgoing(NamedTuple):
    """A record that is to be appended."""

    timestamp: int  # ms since 1970
    key: bytes | None
    value: bytes | None
    headers: Headers


class Numbered(NamedTuple):
    """Records of one partition with consecutive numbers; together one batch."""

    partition: TopicPartition
    epoch: int
    first: int  # number of the first of them
    records: Sequence[Outgoing]


def producer_id(name: str) -> int:
    """Of a producer with this name, in 62 bits.

    >>> producer_id("outbox shop") == producer_id("outbox shop"), producer_id("a") == producer_id("b")
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 2


def append(
    connection: Connection, producer: int, batches: Sequence[Numbered], append_time: bool = False
) -> list[StreamlabError | None]:
    """Of each batch None when all its records are in the log, now or from an earlier attempt; else why not.

    Batches of one partition stand in the order of their numbers. `append_time`: readers see the time of the append.
    OutOfOrderSequenceNumberError: a number before it is missing, or the log has forgotten this producer.
    ProducerFencedError: somebody has begun a newer epoch. Raises a StreamlabError when nothing is known of any.
    """
    outcomes: list[StreamlabError | None] = [None] * len(batches)
    left = dict(enumerate(batches))
    while left:
        with translated():
            replies = connection.run_many([_call(producer, batch, append_time) for batch in left.values()])
        again: dict[int, Numbered] = {}
        refused: dict[int, StreamlabError] = {}
        for (index, batch), reply in zip(left.items(), replies, strict=True):
            if not isinstance(reply, Exception):
                continue
            rest = _rest(batch, reply)
            if rest is None:
                refused[index] = _error(batch, reply)
            elif rest.records:
                again[index] = rest
        completed = {batch.partition for batch in again.values()}
        for index, error in refused.items():
            # behind a batch whose rest is still to come, a number is only early
            early = isinstance(error, OutOfOrderSequenceNumberError) and left[index].partition in completed
            if early:
                again[index] = left[index]
            else:
                outcomes[index] = error
        left = dict(sorted(again.items()))
    return outcomes


def _call(producer: int, batch: Numbered, append_time: bool) -> Call:
    where = [keys.log(*batch.partition), keys.meta(*batch.partition), keys.producers(*batch.partition)]
    packed = codec.encode(
        [max(0, record.timestamp) for record in batch.records],
        [record.key for record in batch.records],
        [record.value for record in batch.records],
        [record.headers for record in batch.records],
        COMPRESSION,
        append_time=append_time,
    )
    return Call("append", where, [producer, batch.epoch, batch.first, len(batch.records), packed])


def _rest(batch: Numbered, reply: Exception) -> Numbered | None:
    """What the log does not have of a batch that was cut differently before; None when that is not the matter."""
    if reply_code(reply) != "DUPLICATE":
        return None
    found = _EXPECTED.search(str(reply))
    there = (int(found[1]) - batch.first) % NUMBERS if found else len(batch.records)
    there = min(there, len(batch.records))
    return batch._replace(first=(batch.first + there) % NUMBERS, records=batch.records[there:])


def _error(batch: Numbered, reply: Exception) -> StreamlabError:
    code = reply_code(reply)
    if code == "OUT_OF_ORDER":
        return OutOfOrderSequenceNumberError(
            f"{batch.partition} does not know what came before {batch.first}."
        )
    if code == "PRODUCER_FENCED":
        return ProducerFencedError(f"Somebody has begun a newer epoch on {batch.partition}.")
    return script_error(reply, batch.partition)
