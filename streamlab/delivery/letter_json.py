"""A dead letter as JSON: one object, every byte of the record kept.

Bytes that are UTF-8 stand as text (`key`, `value`), others as base64 (`key_base64`, `value_base64`); null is null. So a
line of an export says exactly what the record was.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from ..model import Headers
from .letter_reader import Letter


def letter_json(letter: Letter, with_record: bool = True) -> dict[str, Any]:
    """Everything that is known about a letter; for an overview without the record's value and the traceback."""
    dead, status = letter.letter, letter.status
    told: dict[str, Any] = {
        "letter": str(letter.address),
        "state": str(status.state),
        "state_at_ms": status.at_ms,
        "by": status.by,
        "reason": status.reason,
        "decision": status.decision,
        "to": status.to,
        "successor": None if status.successor is None else str(status.successor),
        "group": dead.group,
        "member": dead.member or None,
        "died_ms": dead.died_ms,
        "cause": str(dead.cause),
        "error": {
            "class": dead.error_class or None,
            "message": dead.error_message or None,
            "root": dead.error_root or None,
            "call_site": dead.call_site or None,
        },
        "fingerprint": dead.fingerprint,
        "attempts": len(dead.attempts),
        "schema": dead.schema or None,
        "schema_version": dead.schema_version,
        "replays": max(dead.replays, status.replays),
        "replay_id": status.replay_id or dead.replay_id,
        "previous": None if dead.previous is None else str(dead.previous),
        "record_id": dead.record_id,
        "record": {
            "topic": dead.topic,
            "partition": dead.partition,
            "offset": dead.offset,
            "timestamp_ms": dead.timestamp,
            **bytes_json("key", dead.key),
        },
    }
    if (dead.read_topic, dead.read_partition, dead.read_offset) != (dead.topic, dead.partition, dead.offset):
        told["read"] = {
            "topic": dead.read_topic,
            "partition": dead.read_partition,
            "offset": dead.read_offset,
        }
    if with_record:
        told["record"] |= bytes_json("value", dead.value) | {"headers": headers_json(dead.headers)}
        told["error"]["traceback"] = dead.traceback or None
        told["attempts"] = msgspec.to_builtins(dead.attempts)
    return told


def bytes_json(name: str, data: bytes | None) -> dict[str, str | None]:
    """
    >>> bytes_json("key", b"17841"), bytes_json("key", b"\\xff"), bytes_json("key", None)
    ({'key': '17841'}, {'key_base64': '/w=='}, {'key': None})
    """
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


def headers_json(headers: Headers) -> list[dict[str, str | None]]:
    """In their order, repeats and all.

    >>> headers_json([("a", b"1"), ("a", None)])
    [{'name': 'a', 'value': '1'}, {'name': 'a', 'value': None}]
    """
    return [{"name": name, **bytes_json("value", value)} for name, value in headers]
