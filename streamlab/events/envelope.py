"""An event as a record of the internal topic: CloudEvents 1.0 in binary mode, the fields as JSON in the value."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from ..model import Headers
from .base import Event

EVENTS_TOPIC = "__streamlab.events"
PARTITIONS = 6
RETENTION_MS = 30 * 86_400_000
"""Projections can be rebuilt as far back as this. Change it as that of any topic: retention.ms."""

LARGEST_BYTES = 16 << 20
"""Of an event. A rebalance of ten thousand partitions takes a tenth of it."""

CONTENT_TYPE = b"application/json"


class Letter(msgspec.Struct, frozen=True):
    """What is sent: the arguments of Producer.send()."""

    key: bytes
    value: bytes
    headers: Headers
    at_ms: int


def letter_of(event: Event, id: str | None = None) -> Letter:
    """`id` None: the event's own. Another one is given by who carries it from an outbox."""
    return letter(
        id or event.id, event.type, event.source, event.subject, event.order_key, event.at_ms, _json(event)
    )


def letter(id: str, type: str, source: str, subject: str, order_key: str, at_ms: int, value: bytes) -> Letter:
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode("utf-8", "replace")),
        ("ce_source", uri(source).encode()),
        ("ce_type", type.encode()),
        ("ce_time", time_text(at_ms).encode()),
        ("ce_subject", subject.encode("utf-8", "replace")),
        ("content-type", CONTENT_TYPE),
    ]
    return Letter(order_key.encode("utf-8", "replace"), value, headers, max(0, at_ms))


_json = msgspec.json.Encoder().encode


def time_text(ms: int) -> str:
    """
    >>> time_text(1291191960500)
    '2010-12-01T08:26:00.500Z'
    """
    try:
        second, rest = divmod(ms, 1000)
        return f"{_second(second)}.{rest:03d}Z"
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00.000Z"


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


_UNSAFE = re.compile(r"[^A-Za-z0-9._~/:@!$&'()*+,;=-]")


@lru_cache(maxsize=1024)
def uri(path: str) -> str:
    """A URI reference; whatever may not stand in one is percent-encoded.

    >>> uri("/streamlab/groups/my group")
    '/streamlab/groups/my%20group'
    """
    return _UNSAFE.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "replace")), path)
