"""The headers of a dead letter: every name, who reads it, and how its value is written.

`TABLE` is the contract; docs/dead-letters.md shows it, and a test holds the two together.

Spring writes numbers as big-endian binary (int32, int64), everybody else as decimal text. Text is UTF-8; what a string
holds that UTF-8 cannot is written as a backslash escape.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from ..model import CREATE_TIME, Headers

CLOUD_EVENT_ID = "ce_id"

Named = Mapping[str, bytes | None]


class Encoding(StrEnum):
    TEXT = "text"
    DECIMAL = "decimal text"
    INT32 = "int32, big-endian"
    INT64 = "int64, big-endian"
    JSON = "JSON"


class Header(NamedTuple):
    name: str
    encoding: Encoding
    holds: str


# Spring Kafka: KafkaHeaders.DLT_*, as DeadLetterPublishingRecoverer writes them
SPRING_TOPIC = "kafka_dlt-original-topic"
SPRING_PARTITION = "kafka_dlt-original-partition"
SPRING_OFFSET = "kafka_dlt-original-offset"
SPRING_TIMESTAMP = "kafka_dlt-original-timestamp"
SPRING_TIMESTAMP_TYPE = "kafka_dlt-original-timestamp-type"
SPRING_GROUP = "kafka_dlt-original-consumer-group"
SPRING_CLASS = "kafka_dlt-exception-fqcn"
SPRING_ROOT = "kafka_dlt-exception-cause-fqcn"
SPRING_MESSAGE = "kafka_dlt-exception-message"
SPRING_TRACE = "kafka_dlt-exception-stacktrace"

# Kafka Connect: DeadLetterQueueReporter
CONNECT_TOPIC = "__connect.errors.topic"
CONNECT_PARTITION = "__connect.errors.partition"
CONNECT_OFFSET = "__connect.errors.offset"
CONNECT_NAME = "__connect.errors.connector.name"
CONNECT_STAGE = "__connect.errors.stage"
CONNECT_CLASS = "__connect.errors.exception.class.name"
CONNECT_MESSAGE = "__connect.errors.exception.message"
CONNECT_TRACE = "__connect.errors.exception.stacktrace"

# Kafka Streams since 4.2: KIP-1034
STREAMS_TOPIC = "__streams.errors.topic"
STREAMS_PARTITION = "__streams.errors.partition"
STREAMS_OFFSET = "__streams.errors.offset"
STREAMS_EXCEPTION = "__streams.errors.exception"
STREAMS_MESSAGE = "__streams.errors.message"
STREAMS_TRACE = "__streams.errors.stacktrace"

# share groups: KIP-1191
SHARE_TOPIC = "__dlq.errors.topic"
SHARE_PARTITION = "__dlq.errors.partition"
SHARE_OFFSET = "__dlq.errors.offset"
SHARE_GROUP = "__dlq.errors.group"
SHARE_COUNT = "__dlq.errors.delivery.count"
SHARE_MESSAGE = "__dlq.errors.message"

# ours
OWN_HEADERS = "sl-headers"
CAUSE = "sl-cause"
MEMBER = "sl-member"
ATTEMPTS = "sl-attempts"
FINGERPRINT = "sl-fingerprint"
CALL_SITE = "sl-call-site"
DIED = "sl-died-ms"
SCHEMA = "sl-schema"
SCHEMA_VERSION = "sl-schema-version"
READ_TOPIC = "sl-read-topic"
READ_PARTITION = "sl-read-partition"
READ_OFFSET = "sl-read-offset"
RECORD_ID = "sl-record-id"
REPLAYS = "sl-replays"
REPLAY_ID = "sl-replay-id"
PREVIOUS = "sl-dead-letter"

# ours, on a record that a replay puts into a topic
ORIGINAL_TOPIC = "sl-original-topic"
ORIGINAL_PARTITION = "sl-original-partition"
ORIGINAL_OFFSET = "sl-original-offset"
ORIGINAL_TIMESTAMP = "sl-original-timestamp"
REPLAY_GROUP = "sl-replay-group"
LETTER_KEY = "sl-letter"
REPLAY_EDIT = "sl-replay-edit"

_T, _D, _4, _8, _J = Encoding.TEXT, Encoding.DECIMAL, Encoding.INT32, Encoding.INT64, Encoding.JSON

TABLE = (
    Header(SPRING_TOPIC, _T, "topic that the record was first produced to"),
    Header(SPRING_PARTITION, _4, "its partition there"),
    Header(SPRING_OFFSET, _8, "its offset there"),
    Header(SPRING_TIMESTAMP, _8, "its timestamp, ms since 1970"),
    Header(SPRING_TIMESTAMP_TYPE, _T, "CreateTime or LogAppendTime"),
    Header(SPRING_GROUP, _T, "group that gave the record up"),
    Header(SPRING_CLASS, _T, "exception class with its module"),
    Header(SPRING_ROOT, _T, "class of the exception that the chain began with, when there is a chain"),
    Header(SPRING_MESSAGE, _T, "exception message, at most 4,000 characters"),
    Header(SPRING_TRACE, _T, "traceback, shortened in the middle to 16,000 characters"),
    Header(CONNECT_TOPIC, _T, "as above"),
    Header(CONNECT_PARTITION, _D, "as above"),
    Header(CONNECT_OFFSET, _D, "as above"),
    Header(CONNECT_NAME, _T, "the group"),
    Header(
        CONNECT_STAGE, _T, "VALUE_CONVERTER when it could not be decoded or breaks its schema, else TASK_PUT"
    ),
    Header(CONNECT_CLASS, _T, "exception class"),
    Header(CONNECT_MESSAGE, _T, "exception message"),
    Header(CONNECT_TRACE, _T, "traceback"),
    Header(STREAMS_TOPIC, _T, "as above"),
    Header(STREAMS_PARTITION, _D, "as above"),
    Header(STREAMS_OFFSET, _D, "as above"),
    Header(STREAMS_EXCEPTION, _T, "exception class, a colon, the message"),
    Header(STREAMS_MESSAGE, _T, "exception message"),
    Header(STREAMS_TRACE, _T, "traceback"),
    Header(SHARE_TOPIC, _T, "as above"),
    Header(SHARE_PARTITION, _D, "as above"),
    Header(SHARE_OFFSET, _D, "as above"),
    Header(SHARE_GROUP, _T, "the group"),
    Header(SHARE_COUNT, _D, "attempts made"),
    Header(SHARE_MESSAGE, _T, "the cause in a share group's words"),
    Header(OWN_HEADERS, _D, "how many of the headers in front are the record's own"),
    Header(CAUSE, _T, "exhausted, rejected, deserialization, schema or expired"),
    Header(MEMBER, _T, "member of the group that had the record"),
    Header(ATTEMPTS, _J, "every attempt with planned and actual time"),
    Header(
        FINGERPRINT,
        _T,
        "the same for the same failure: exception class, call site, message without variables",
    ),
    Header(CALL_SITE, _T, "file:function of the innermost frame"),
    Header(DIED, _D, "when it was given up, ms since 1970"),
    Header(SCHEMA, _T, "subject that the record was decoded with"),
    Header(SCHEMA_VERSION, _D, "version of that subject"),
    Header(READ_TOPIC, _T, "topic where the group read it, when that is not the first one"),
    Header(READ_PARTITION, _D, "partition there"),
    Header(READ_OFFSET, _D, "offset there"),
    Header(RECORD_ID, _T, "CloudEvents id of the record, else topic/partition@offset; the same all its life"),
    Header(REPLAYS, _D, "how often the record was replayed so far"),
    Header(REPLAY_ID, _T, "job of the last replay"),
    Header(PREVIOUS, _T, "dead letter of the last replay, as topic/partition@offset"),
)
"""On a record of a dead-letter topic. A header that has nothing to say is left out."""

REPLAY_TABLE = (
    Header(ORIGINAL_TOPIC, _T, "topic that the record was first produced to"),
    Header(ORIGINAL_PARTITION, _D, "its partition there"),
    Header(ORIGINAL_OFFSET, _D, "its offset there"),
    Header(ORIGINAL_TIMESTAMP, _D, "its timestamp, ms since 1970"),
    Header(RECORD_ID, _T, "as in the dead letter"),
    Header(REPLAYS, _D, "how often the record was replayed, this time included"),
    Header(REPLAY_ID, _T, "the replay job"),
    Header(PREVIOUS, _T, "the dead letter that was replayed"),
    Header(LETTER_KEY, _T, "that letter in the history: replays before its death, a colon, its group"),
    Header(REPLAY_GROUP, _T, "in the source topic: the group whose dead letter it was"),
    Header(REPLAY_EDIT, _J, "what was changed: value, key, and the names of headers"),
)
"""On a record that a replay appends to a topic, behind the record's own headers."""

REPLAY_NAMES = frozenset(header.name for header in REPLAY_TABLE)
LETTER_NAMES = frozenset(header.name for header in TABLE)
_BINARY = {h.name: ">i" if h.encoding is _4 else ">q" for h in TABLE if h.encoding in (_4, _8)}

TIMESTAMP_TYPES = {CREATE_TIME: "CreateTime", 1: "LogAppendTime"}


def encoded(name: str, value: str | int) -> bytes:
    """
    >>> encoded(SPRING_PARTITION, 3), encoded(CONNECT_PARTITION, 3)
    (b'\\x00\\x00\\x00\\x03', b'3')
    """
    layout = _BINARY.get(name)
    if layout and isinstance(value, int):
        return struct.pack(layout, value)
    return str(value).encode("utf-8", "backslashreplace")


def named(headers: Headers) -> Named:
    """By name; of several headers of one name the last, as Kafka's `lastHeader`."""
    return dict(headers)


def text(headers: Named, *names: str) -> str | None:
    """The first of these headers that is there; bytes that are no UTF-8 as backslash escapes."""
    for name in names:
        data = headers.get(name)
        if data is not None:
            return data.decode("utf-8", "backslashreplace")
    return None


def number(headers: Named, *names: str) -> int | None:
    """The first of these headers that is a number as its name writes it; None when none is."""
    for name in names:
        found = _number(name, headers.get(name))
        if found is not None:
            return found
    return None


def _number(name: str, data: bytes | None) -> int | None:
    if data is None:
        return None
    layout = _BINARY.get(name)
    if layout and len(data) == struct.calcsize(layout):
        found: int = struct.unpack(layout, data)[0]
        return found
    try:
        value = int(data) if len(data) <= 20 else None  # some producers write Spring's numbers as text
    except ValueError:
        return None
    return value if value is not None and abs(value) < 2**63 else None


def parted(headers: Headers) -> tuple[Headers, Named]:
    """A dead letter's headers: as the failed record had them, and what stands behind them.

    The count says exactly where they part, so nobody forges a letter by sending such headers. A letter of another tool
    has no count; the record's own are then those that such tools do not add.
    """
    count = number(named(headers), OWN_HEADERS)
    if count is not None and 0 <= count <= len(headers):
        return headers[:count], named(headers[count:])
    return [header for header in headers if header[0] not in LETTER_NAMES], named(headers)
