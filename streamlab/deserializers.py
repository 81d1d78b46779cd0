"""Bytes to what the application wants, by kafka-python's `key_deserializer` and `value_deserializer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .errors import RecordError
from .model import ConsumerRecord

Deserialize = Callable[[list[ConsumerRecord]], list[ConsumerRecord]]


class Undecodable(RecordError):
    """Raised when a deserializer fails on a record; `readable` are the ones before it. seek() past it to go on."""

    def __init__(self, message: str, readable: list[ConsumerRecord]):
        super().__init__(message)
        self.readable = readable


def deserializers(config: dict[str, Any]) -> Deserialize | None:
    """A function of whole batches; None when records stay bytes. It raises Undecodable."""
    key, value = config["key_deserializer"], config["value_deserializer"]
    if key is None and value is None:
        return None

    def deserialize(records: list[ConsumerRecord]) -> list[ConsumerRecord]:
        done: list[ConsumerRecord] = []
        for record in records:
            try:
                done.append(deserialized(record, key, value))
            except Exception as error:
                raise Undecodable(
                    f"{record.topic_partition} offset {record.offset} cannot be deserialized: "
                    f"{type(error).__name__}: {error}. seek() to {record.offset + 1} to skip it.",
                    done,
                ) from error
        return done

    return deserialize


def deserialized(record: ConsumerRecord, key: Any, value: Any) -> ConsumerRecord:
    """A deserializer is a function of the bytes, or has `deserialize(topic, headers, data)`."""
    changes: dict[str, Any] = {}
    for name, how in (("key", key), ("value", value)):
        data = getattr(record, name)
        if how is not None and data is not None:
            with_topic = getattr(how, "deserialize", None)
            changes[name] = (
                how(data) if with_topic is None else with_topic(record.topic, record.headers, data)
            )
    sizes = (record.serialized_key_size, record.serialized_value_size)
    return msgspec.structs.replace(record, _sizes=sizes, **changes)
