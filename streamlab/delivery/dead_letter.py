"""The dead letter: a record that a group gave up, with everything that is known about why.

A dead letter is a record on the topic `<topic>.<group>.dlq`. Key, value and headers are the failed record's, byte
for byte; behind its headers stand those of `letter_headers.py`, in the names that Spring Kafka, Kafka Connect, Kafka
Streams (KIP-1034) and share groups (KIP-1191) write, and in ours.

The coordinates are those of the record as it was first produced. A letter that was replayed into a topic and died there
again still names them; where it was read then stands in `read_*`.
"""

from __future__ import annotations

import msgspec

from ..model import CREATE_TIME, ConsumerRecord, Headers
from . import letter_headers as names
from .fingerprint import call_site, class_name, fingerprint, message_of, root_cause, traceback_of
from .letter_parts import Attempt, Cause, LetterAddress, Origin

__all__ = [
    "UNKNOWN",
    "Attempt",
    "Cause",
    "DeadLetter",
    "LetterAddress",
    "Origin",
    "dead_letter_of",
    "headers_of",
    "letter_for",
    "origin_of",
    "record_id",
]

UNKNOWN = -1
"""A partition, offset or time that a letter of another tool does not tell."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter. Everything but the record itself may be unknown when another tool wrote it."""

    # the record, untouched
    key: bytes | None
    value: bytes | None
    headers: Headers = []
    # where it was first produced
    topic: str
    partition: int
    offset: int
    timestamp: int = UNKNOWN  # ms since 1970
    timestamp_type: int = CREATE_TIME
    record_id: str
    # where the group read it; differs only after a replay into a topic
    read_topic: str
    read_partition: int
    read_offset: int
    # who gave it up, and why
    group: str
    member: str = ""
    cause: Cause = Cause.REJECTED
    error_class: str = ""  # with its module; "" when no exception was involved
    error_message: str = ""
    error_root: str = ""  # class of the exception that the chain began with; "" when there is no chain
    traceback: str = ""
    call_site: str = ""  # file:function of the innermost frame
    fingerprint: str = ""
    attempts: list[Attempt] = []  # every attempt, oldest first
    died_ms: int = UNKNOWN
    schema: str = ""  # subject that the record was decoded with; "" for none
    schema_version: int | None = None
    # replays
    replays: int = 0  # how often it had been replayed when it died
    replay_id: str | None = None  # the job of the last replay
    previous: LetterAddress | None = None  # the letter of its death before


def record_id(record: ConsumerRecord) -> str:
    """The CloudEvents id of a record, else where it stands. The same through retries, death and replays.

    >>> record_id(ConsumerRecord("orders", 3, 41, 0, None, None))
    'orders/3@41'
    """
    return origin_of(record).record_id


def origin_of(record: ConsumerRecord) -> Origin:
    """Where a record that a group reads was first produced.

    Its own place, unless its headers tell of another: a replay brought it here, or it is a dead letter itself (or was
    one, wherever it was copied to). Later hops never overwrite what the first one wrote.
    """
    told = names.named(record.headers)
    topic = names.text(told, names.ORIGINAL_TOPIC, names.SPRING_TOPIC)
    partition = names.number(told, names.ORIGINAL_PARTITION, names.SPRING_PARTITION)
    offset = names.number(told, names.ORIGINAL_OFFSET, names.SPRING_OFFSET)
    event_id = names.text(told, names.CLOUD_EVENT_ID)
    if topic is None or partition is None or offset is None or not 0 <= partition < 2**31:
        return Origin(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            timestamp_type=record.timestamp_type,
            record_id=event_id or f"{record.topic}/{record.partition}@{record.offset}",
        )
    sent_ms = names.number(told, names.ORIGINAL_TIMESTAMP, names.SPRING_TIMESTAMP)
    replayed = names.ORIGINAL_TOPIC in told
    return Origin(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=record.timestamp if sent_ms is None else sent_ms,
        timestamp_type=record.timestamp_type,
        record_id=names.text(told, names.RECORD_ID) or event_id or f"{topic}/{partition}@{offset}",
        replays=names.number(told, names.REPLAYS) or 0,
        replay_id=names.text(told, names.REPLAY_ID) if replayed else None,
        letter=_address(told) if replayed else None,
        letter_group=names.text(told, names.REPLAY_GROUP),
        letter_key=names.text(told, names.LETTER_KEY) if replayed else None,
    )


def letter_for(
    record: ConsumerRecord,
    *,
    group: str,
    cause: Cause,
    died_ms: int,
    member: str = "",
    error: BaseException | None = None,
    attempts: list[Attempt] | None = None,
    schema: str = "",
    schema_version: int | None = None,
    origin: Origin | None = None,
) -> DeadLetter:
    """The dead letter of a record that `group` read as `record` (bytes as they were stored) and gives up.

    `origin` is given for a record that a replay put back into the group's retry queue, whose headers do not tell it;
    else it is taken from the record. `error` is what the last attempt raised.
    """
    origin = origin or origin_of(record)
    kind, message, trace = ("", "", "") if error is None else _told(error)
    root = None if error is None else root_cause(error)
    site = call_site(trace)
    return DeadLetter(
        key=record.key,
        value=record.value,
        headers=list(record.headers),
        topic=origin.topic,
        partition=origin.partition,
        offset=origin.offset,
        timestamp=origin.timestamp,
        timestamp_type=origin.timestamp_type,
        record_id=origin.record_id,
        read_topic=record.topic,
        read_partition=record.partition,
        read_offset=record.offset,
        group=group,
        member=member,
        cause=cause,
        error_class=kind,
        error_message=message,
        error_root="" if root is None else class_name(root),
        traceback=trace,
        call_site=site,
        fingerprint=fingerprint(kind or str(cause), site, message),
        attempts=list(attempts or []),
        died_ms=died_ms,
        schema=schema,
        schema_version=schema_version,
        replays=origin.replays,
        replay_id=origin.replay_id,
        previous=origin.letter_of(group),
    )


def _told(error: BaseException) -> tuple[str, str, str]:
    return class_name(error), message_of(error), traceback_of(error)


def headers_of(letter: DeadLetter) -> Headers:
    """The headers of the letter's record on the dead-letter topic: the failed record's own, then what happened."""
    return letter.headers + [
        (name, names.encoded(name, value))
        for name, value in _told_of(letter)
        if value not in (None, "", UNKNOWN)
    ]


def _told_of(letter: DeadLetter) -> list[tuple[str, str | int | None]]:
    undecodable = letter.cause in (Cause.DESERIALIZATION, Cause.SCHEMA)
    moved = (letter.read_topic, letter.read_partition, letter.read_offset) != (
        letter.topic,
        letter.partition,
        letter.offset,
    )
    named = bool(letter.error_class)
    return [
        (names.SPRING_TOPIC, letter.topic),
        (names.SPRING_PARTITION, letter.partition),
        (names.SPRING_OFFSET, letter.offset),
        (names.SPRING_TIMESTAMP, letter.timestamp),
        (names.SPRING_TIMESTAMP_TYPE, names.TIMESTAMP_TYPES.get(letter.timestamp_type)),
        (names.SPRING_GROUP, letter.group),
        (names.SPRING_CLASS, letter.error_class),
        (names.SPRING_ROOT, letter.error_root),
        (names.SPRING_MESSAGE, letter.error_message),
        (names.SPRING_TRACE, letter.traceback),
        (names.CONNECT_TOPIC, letter.topic),
        (names.CONNECT_PARTITION, letter.partition),
        (names.CONNECT_OFFSET, letter.offset),
        (names.CONNECT_NAME, letter.group),
        (names.CONNECT_STAGE, "VALUE_CONVERTER" if undecodable else "TASK_PUT"),
        (names.CONNECT_CLASS, letter.error_class),
        (names.CONNECT_MESSAGE, letter.error_message),
        (names.CONNECT_TRACE, letter.traceback),
        (names.STREAMS_TOPIC, letter.topic),
        (names.STREAMS_PARTITION, letter.partition),
        (names.STREAMS_OFFSET, letter.offset),
        (names.STREAMS_EXCEPTION, f"{letter.error_class}: {letter.error_message}" if named else None),
        (names.STREAMS_MESSAGE, letter.error_message),
        (names.STREAMS_TRACE, letter.traceback),
        (names.SHARE_TOPIC, letter.topic),
        (names.SHARE_PARTITION, letter.partition),
        (names.SHARE_OFFSET, letter.offset),
        (names.SHARE_GROUP, letter.group),
        (names.SHARE_COUNT, len(letter.attempts) or None),
        (names.SHARE_MESSAGE, _SHARE_MESSAGES[letter.cause]),
        (names.OWN_HEADERS, len(letter.headers)),
        (names.CAUSE, letter.cause),
        (names.MEMBER, letter.member),
        (names.ATTEMPTS, _attempts_json(letter.attempts)),
        (names.FINGERPRINT, letter.fingerprint),
        (names.CALL_SITE, letter.call_site),
        (names.DIED, letter.died_ms),
        (names.SCHEMA, letter.schema),
        (names.SCHEMA_VERSION, letter.schema_version),
        (names.READ_TOPIC, letter.read_topic if moved else None),
        (names.READ_PARTITION, letter.read_partition if moved else None),
        (names.READ_OFFSET, letter.read_offset if moved else None),
        (names.RECORD_ID, letter.record_id),
        (names.REPLAYS, letter.replays),
        (names.REPLAY_ID, letter.replay_id),
        (names.PREVIOUS, str(letter.previous) if letter.previous else None),
    ]


_SHARE_MESSAGES = {
    Cause.EXHAUSTED: "Offset delivery count exceeded the threshold.",
    Cause.REJECTED: "Offset rejected by client.",
    Cause.DESERIALIZATION: "Offset rejected by client.",
    Cause.SCHEMA: "Offset rejected by client.",
    Cause.EXPIRED: "Offset delivery count exceeded the threshold.",
}
"""KIP-1191 knows two causes, and these two sentences."""

ATTEMPTS_KEPT = 100
"""Of a longer history the first and the last ones are kept; each says its number."""


def _attempts_json(attempts: list[Attempt]) -> str | None:
    if len(attempts) > ATTEMPTS_KEPT:
        attempts = attempts[:1] + attempts[1 - ATTEMPTS_KEPT :]
    return msgspec.json.encode(attempts).decode() if attempts else None


def dead_letter_of(record: ConsumerRecord) -> DeadLetter:
    """The letter that a record of a dead-letter topic is, whichever of the known tools wrote it.

    Never raises for what strangers wrote into headers: what cannot be read is unknown.
    """
    own, told = names.parted(record.headers)
    event_id = names.text(names.named(own), names.CLOUD_EVENT_ID)
    topic = names.text(told, names.SPRING_TOPIC, names.CONNECT_TOPIC, names.STREAMS_TOPIC, names.SHARE_TOPIC)
    partition = _known(
        told,
        names.SPRING_PARTITION,
        names.CONNECT_PARTITION,
        names.STREAMS_PARTITION,
        names.SHARE_PARTITION,
    )
    offset = _known(told, names.SPRING_OFFSET, names.CONNECT_OFFSET, names.STREAMS_OFFSET, names.SHARE_OFFSET)
    error_class = names.text(told, names.SPRING_CLASS, names.CONNECT_CLASS) or ""
    message = names.text(told, names.SPRING_MESSAGE, names.CONNECT_MESSAGE, names.STREAMS_MESSAGE) or ""
    trace = names.text(told, names.SPRING_TRACE, names.CONNECT_TRACE, names.STREAMS_TRACE) or ""
    cause = _cause(names.text(told, names.CAUSE), names.text(told, names.SHARE_MESSAGE))
    site = names.text(told, names.CALL_SITE) or call_site(trace)
    known = names.text(told, names.FINGERPRINT)
    return DeadLetter(
        key=record.key,
        value=record.value,
        headers=own,
        topic=topic or "",
        partition=partition,
        offset=offset,
        timestamp=_known(told, names.SPRING_TIMESTAMP),
        timestamp_type=int(names.text(told, names.SPRING_TIMESTAMP_TYPE) == names.TIMESTAMP_TYPES[1]),
        record_id=names.text(told, names.RECORD_ID) or event_id or f"{topic}/{partition}@{offset}",
        read_topic=names.text(told, names.READ_TOPIC) or topic or "",
        read_partition=_known(told, names.READ_PARTITION, default=partition),
        read_offset=_known(told, names.READ_OFFSET, default=offset),
        group=names.text(told, names.SPRING_GROUP, names.SHARE_GROUP, names.CONNECT_NAME) or "",
        member=names.text(told, names.MEMBER) or "",
        cause=cause,
        error_class=error_class,
        error_message=message,
        error_root=names.text(told, names.SPRING_ROOT) or "",
        traceback=trace,
        call_site=site,
        fingerprint=known or fingerprint(error_class or str(cause), site, message),
        attempts=_attempts(told.get(names.ATTEMPTS)),
        died_ms=_known(told, names.DIED, default=record.timestamp),
        schema=names.text(told, names.SCHEMA) or "",
        schema_version=names.number(told, names.SCHEMA_VERSION),
        replays=names.number(told, names.REPLAYS) or 0,
        replay_id=names.text(told, names.REPLAY_ID),
        previous=_address(told),
    )


def _known(told: names.Named, *headers: str, default: int = UNKNOWN) -> int:
    found = names.number(told, *headers)
    return default if found is None else found


def _cause(ours: str | None, share_groups: str | None) -> Cause:
    try:
        return Cause(ours or "")
    except ValueError:
        exhausted = share_groups == _SHARE_MESSAGES[Cause.EXHAUSTED]
        return Cause.EXHAUSTED if exhausted else Cause.REJECTED


def _attempts(data: bytes | None) -> list[Attempt]:
    try:
        return msgspec.json.decode(data, type=list[Attempt]) if data else []
    except msgspec.MsgspecError:
        return []


def _address(told: names.Named) -> LetterAddress | None:
    try:
        return LetterAddress.parse(names.text(told, names.PREVIOUS) or "")
    except ValueError:
        return None
