"""One chunk of a replay, brought to where it belongs: once, however often it is tried.

To the group: each record goes into the retry queue under its offset and the number of its replay, and the queue knows
what it was given before. Into a topic: the records of one partition are appended as batches of a producer whose id
follows from the job and the partition of the letters, and whose epoch is the number of the chunk. So the log itself
recognises a chunk that a killed process had appended already, and refuses a process that was overtaken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from .. import exactly_once
from ..connection import Connection
from ..errors import ProducerFencedError
from ..events import DeadLetterReplayed, Journal, key_text
from ..exactly_once import Numbered, producer_id
from ..model import Headers, TopicPartition
from ..topics import Topics
from . import letter_headers as names
from .dead_letter import DeadLetter, Origin
from .letter_reader import Letter
from .replay_jobs import ReplayJob
from .replay_plan import router
from .replay_spec import EditedRecord, Target
from .replay_target import ReplayTarget
from .retry_queue import QueuedRecord, RetryQueue

BATCH_BYTES = 512 * 1024
"""Of keys and values in one batch; a larger record has a batch of its own."""


class Outgoing(NamedTuple):
    """A letter that is to be sent now."""

    letter: Letter
    number: int  # of this replay of the record: 1 is the first
    record: EditedRecord


class ChunkSender:
    """Sends the chunks of one job, and tells the broker's history."""

    def __init__(self, connection: Connection, job: ReplayJob, journal: Journal):
        self._connection = connection
        self._job = job
        self._journal = journal
        self._topics = Topics(connection)
        self._queue = RetryQueue(connection)
        self._target = ReplayTarget(connection, self._topics, job.spec)
        self._target_is_there = False

    def send(
        self, chunk: int, width: int, place: TopicPartition, letters: Sequence[Outgoing], taken_ms: int
    ) -> None:
        """Everything is where it belongs, and told, when this returns. `taken_ms` is the time of the history, also when
        it is said again: what comes of the letters comes later, and may have come already.

        Raises StreamlabError; what was sent until then is recognised when it is sent again. UnknownTopicOrPartition
        is raised only when nothing was sent.
        """
        if self._job.spec.goes_to is None:
            self._queue.enqueue(self._job.spec.group, [self._queued(one) for one in letters])
        else:
            self._append(chunk, width, place, letters)
        for one in letters:
            self._journal.write(self._event(one, taken_ms))
        self._journal.store()

    # -- to the group ---------------------------------------------------------------------------------------------

    def _queued(self, one: Outgoing) -> QueuedRecord:
        dead = one.letter.letter
        edited = [(names.REPLAY_EDIT, _json(one.record.changed))] if one.record.changed else []
        read = (dead.read_topic, dead.read_partition, dead.read_offset)
        moved = [] if read == (dead.topic, dead.partition, dead.offset) else _encoded(_first_place(dead))
        return QueuedRecord(
            topic=dead.read_topic,
            partition=dead.read_partition,
            offset=dead.read_offset,
            timestamp=max(0, dead.timestamp),
            timestamp_type=dead.timestamp_type,
            key=one.record.key,
            value=one.record.value,
            headers=[*one.record.headers, *moved, *edited],
            attempts=dead.attempts,
            before=len(dead.attempts),
            origin=Origin(
                topic=dead.topic,
                partition=dead.partition,
                offset=dead.offset,
                timestamp=dead.timestamp,
                timestamp_type=dead.timestamp_type,
                record_id=dead.record_id,
                replays=one.number,
                replay_id=self._job.id,
                letter=one.letter.address,
                letter_key=self._letter_key(dead),
            ),
        )

    # -- into a topic ---------------------------------------------------------------------------------------------

    def _append(self, chunk: int, width: int, place: TopicPartition, letters: Sequence[Outgoing]) -> None:
        if not self._target_is_there:  # partitions are made below, which those of a deleted topic must not be
            self._topics.all(fresh=True)
        route = router(self._topics, self._job.spec, width)
        by_partition: dict[TopicPartition, list[Outgoing]] = {}
        for one in letters:
            by_partition.setdefault(route(one.letter, one.record.key), []).append(one)
        if not self._target_is_there:  # a partition that a crash left unmade comes into being now
            self._topics.make_partitions((target.topic, n) for target in by_partition for n in range(width))
            self._target_is_there = True
        batches = [
            Numbered(target, chunk, first, [self._outgoing(one) for one in share])
            for target, letters in by_partition.items()
            for first, share in self._batches(letters)
        ]
        producer = producer_id(f"{self._job.id} {place}")
        for error in exactly_once.append(self._connection, producer, batches, self._target.append_time):
            if isinstance(error, ProducerFencedError):
                raise ProducerFencedError(
                    f"Another process has gone on with replay {self._job.id}."
                ) from error
            if error is not None:
                raise error

    def _batches(self, letters: list[Outgoing]) -> Iterator[tuple[int, list[Outgoing]]]:
        """With the number of the first of each, within the chunk."""
        first = 0
        for batch in _batches(letters, min(BATCH_BYTES, self._target.largest_bytes)):
            yield first, batch
            first += len(batch)

    def _outgoing(self, one: Outgoing) -> exactly_once.Outgoing:
        record = one.record
        return exactly_once.Outgoing(
            one.letter.letter.timestamp, record.key, record.value, self._headers(one)
        )

    def _headers(self, one: Outgoing) -> Headers:
        dead = one.letter.letter
        told: list[tuple[str, Any]] = [
            *_first_place(dead),
            (names.REPLAYS, one.number),
            (names.REPLAY_ID, self._job.id),
            (names.PREVIOUS, one.letter.address),
            (names.LETTER_KEY, self._letter_key(dead)),
        ]
        if (
            self._job.spec.target is Target.SOURCE
        ):  # the topic's other groups have nothing to say about the letter
            told.append((names.REPLAY_GROUP, self._job.spec.group))
        headers = _encoded(told)
        if one.record.changed:
            headers.append((names.REPLAY_EDIT, _json(one.record.changed)))
        return one.record.headers + headers

    # -- the history ----------------------------------------------------------------------------------------------

    def _event(self, one: Outgoing, taken_ms: int) -> DeadLetterReplayed:
        dead, address, spec = one.letter.letter, one.letter.address, self._job.spec
        return DeadLetterReplayed(
            at_ms=taken_ms,
            group=spec.group,
            topic=dead.topic,
            partition=dead.partition,
            offset=dead.offset,
            record_id=dead.record_id,
            key=key_text(dead.key),
            attempt=dead.attempts[-1].attempt if dead.attempts else 0,
            replays=one.number,
            dlq_topic=address.topic,
            dlq_partition=address.partition,
            dlq_offset=address.offset,
            by=self._job.by,
            replay_id=self._job.id,
            fingerprint=dead.fingerprint or None,
            target=str(spec.target),
            to_topic=spec.goes_to,
            edited=bool(one.record.changed),
            letter=self._letter_key(dead),
        )

    def _letter_key(self, dead: DeadLetter) -> str:
        return f"{dead.replays}:{self._job.spec.group}"


def _first_place(dead: DeadLetter) -> list[tuple[str, Any]]:
    """Where the record was first produced, for whoever reads it in another place."""
    return [
        (names.ORIGINAL_TOPIC, dead.topic),
        (names.ORIGINAL_PARTITION, dead.partition),
        (names.ORIGINAL_OFFSET, dead.offset),
        (names.ORIGINAL_TIMESTAMP, dead.timestamp),
        (names.RECORD_ID, dead.record_id),
    ]


def _encoded(told: list[tuple[str, Any]]) -> Headers:
    return [(name, names.encoded(name, str(value))) for name, value in told]


def _batches(letters: list[Outgoing], most_bytes: int) -> Iterator[list[Outgoing]]:
    batch: list[Outgoing] = []
    held = 0
    for one in letters:
        size = len(one.record.value or b"") + len(one.record.key or b"")
        if batch and held + size > most_bytes:
            yield batch
            batch, held = [], 0
        batch.append(one)
        held += size
    if batch:
        yield batch


def _json(changed: list[str]) -> bytes:
    return msgspec.json.encode(changed)
