"""Appends dead letters to their topics: each once, in the order of their numbers.

A letter is appended as the record of a producer whose name is that of the group and partition, and whose sequence is
the letter's number. So the topic knows a number that it has had. The number alone does not say whether it was this
letter's: numbers begin anew with a topic or a group that was made anew, and a failover may take some back. Then the
last letters are looked through, and what is not there is sent under new numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from redis.exceptions import ResponseError

from .. import keys
from ..connection import Call, Connection
from ..errors import translate
from ..model import TopicPartition
from ..replies import pairs
from ..sender import SEQUENCES
from ..topics import Topics, TopicSpec
from .dead_letter_topics import DeadLetterTopics
from .outbox import Item, Name, by_queue
from .partition_retries import Numbering, PartitionRetries

log = logging.getLogger(__name__)

_AT_ONCE = 10
"""Letters of one partition on the way together: what append.lua remembers of a producer."""
_OF_NUMBERS = ("DUPLICATE", "OUT_OF_ORDER", "PRODUCER_FENCED")
_TRIES = 5
_LOOKED_AT = 400
"""Newest letters among which one is looked for; twice as many as are appended before they are said to be there."""
_LETTERS_A_LOOK = 50


class Place(NamedTuple):
    """Where a dead letter is."""

    topic: str
    partition: int
    offset: int | None  # None: nobody knows any more


class LetterSender:
    """Used by one thread, but for know()."""

    def __init__(self, connection: Connection, topics: Topics):
        self._connection = connection
        self._topics = topics
        self._letter_topics = DeadLetterTopics(connection, topics)
        self._numberings: dict[tuple[str, TopicPartition], Numbering] = {}

    def know(self, retries: PartitionRetries, numbering: Numbering) -> None:
        """What an owner found when it took the partition."""
        self._numberings[retries.group_id, retries.partition] = numbering

    def send(self, letters: Iterable[Item]) -> dict[Name, Place]:
        """Append them; where each one is. Those of a topic that was deleted go where its other letters are; where there
        are none they are left out, for their outbox is gone with the topic.

        Raises StreamlabErrors; those that were appended until then are known when they come again.
        """
        places: dict[Name, Place] = {}
        for retries, items in by_queue(letters):
            target = self._target(retries)
            if target is None:
                log.error(
                    "%d dead letters were on their way when %s was deleted.", len(items), retries.partition
                )
                continue
            items.sort(key=lambda item: item.number)
            for start in range(0, len(items), _AT_ONCE):
                offsets = self._append(target, retries, items[start : start + _AT_ONCE])
                places |= {name: Place(*target, offset) for name, offset in offsets.items()}
        return places

    # -- how ------------------------------------------------------------------------------------------------------

    def _target(self, retries: PartitionRetries) -> TopicPartition | None:
        source, number = retries.partition
        if not self._is_gone(retries.partition):
            return TopicPartition(self._letter_topics.ensure(source, retries.group_id), number)
        topic = self._letter_topics.find(source, retries.group_id)
        target = None if topic is None else TopicPartition(topic, number)
        return None if target is None or self._is_gone(target) else target

    def _is_gone(self, partition: TopicPartition) -> bool:
        def known(specs: Mapping[str, TopicSpec]) -> bool:
            return partition.topic in specs and partition.partition < specs[partition.topic].partitions

        return not known(self._topics.all()) and not known(self._topics.all(fresh=True))

    def _append(
        self, target: TopicPartition, retries: PartitionRetries, items: list[Item]
    ) -> dict[Name, int | None]:
        """Where they are."""
        offsets: dict[Name, int | None] = {}
        left, error = items, None
        for _ in range(_TRIES):
            found, error = self._try(target, retries, left)
            offsets |= found
            left = [item for item in left if item.name not in offsets]
            if not left:
                return offsets
            numbering = self._numbering(retries)
            self.know(retries, retries.renumber(self._connection, numbering.epoch, left[0].number))
        raise translate(error or ResponseError(f"{target} had another letter under number {left[0].number}"))

    def _try(
        self, target: TopicPartition, retries: PartitionRetries, items: list[Item]
    ) -> tuple[dict[Name, int | None], Exception | None]:
        """Where those are that are there now, and what was said against the others' numbers. Raises StreamlabErrors
        that other numbers do not help against."""
        offsets: dict[Name, int | None] = {}
        doubtful: list[Item] = []
        error: Exception | None = None
        calls = [self._call(target, retries, item) for item in items]
        for item, reply in zip(items, self._connection.run_many(calls), strict=True):
            if not isinstance(reply, Exception) and not reply[2]:
                offsets[item.name] = int(reply[0])
                continue
            doubtful.append(item)  # also when a letter of this number is there: is it this one?
            if isinstance(reply, Exception):
                self._check(reply)
                error = error or reply
        return offsets | self._look_for(target, doubtful), error

    def _numbering(self, retries: PartitionRetries) -> Numbering:
        return self._numberings.get((retries.group_id, retries.partition), Numbering(0, 0))

    def _call(self, target: TopicPartition, retries: PartitionRetries, item: Item) -> Call:
        numbering = self._numbering(retries)
        producer = f"dlq:{retries.partition}:{retries.group_id}"
        sequence = (item.number - numbering.first) % SEQUENCES
        places = [keys.log(*target), keys.meta(*target), keys.producers(*target)]
        return Call("append", places, [producer, numbering.epoch, sequence, 1, item.parcel.batch])

    def _check(self, error: Exception) -> None:
        """Raises what other numbers do not help against."""
        if isinstance(error, ResponseError) and str(error).startswith(_OF_NUMBERS):
            return
        if str(error).startswith("UNKNOWN_PARTITION"):
            self._topics.all(fresh=True)
        raise translate(error)

    def _look_for(self, target: TopicPartition, items: list[Item]) -> dict[Name, int | None]:
        """Where those of these are that are there.

        One that is neither among the last letters nor in the outbox any more was carried by somebody else, who has
        told of it.
        """
        if not items:
            return {}
        there = self._among_the_last(target, {item.parcel.batch for item in items})
        offsets: dict[Name, int | None] = {
            item.name: there[item.parcel.batch] for item in items if item.parcel.batch in there
        }
        missing = [item for item in items if item.name not in offsets]
        kept = self._connection.execute_many([item.retries.in_outbox(item.field) for item in missing])
        gone = [item for item, packed in zip(missing, kept, strict=True) if packed != item.packed]
        return offsets | {item.name: None for item in gone}

    def _among_the_last(
        self, target: TopicPartition, batches: Collection[bytes | None]
    ) -> dict[bytes | None, int]:
        """Batch → offset."""
        found: dict[bytes | None, int] = {}
        newest = "+"
        for _ in range(_LOOKED_AT // _LETTERS_A_LOOK):
            [entries] = self._connection.execute_many(
                [("XREVRANGE", keys.log(*target), newest, "-", "COUNT", _LETTERS_A_LOOK)]
            )
            for id, fields in entries:
                if (batch := dict(pairs(fields)).get(b"b")) in batches:
                    found.setdefault(batch, int(id.rpartition(b"-")[2]))
                newest = f"({id.decode()}"
            if len(entries) < _LETTERS_A_LOOK or len(found) == len(batches):
                break
        return found
