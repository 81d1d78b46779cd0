"""Under which subject the schema of a record is registered: Confluent's three strategies."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import IllegalArgumentError

SubjectName = Callable[[str, bool, str | None], str]
"""Of topic, whether it is the key, and the schema's own name: an Avro full name, a JSON Schema's title."""


def topic_name(topic: str, is_key: bool, record_name: str | None) -> str:
    """One schema a topic: its values all follow one another.

    >>> topic_name("orders", False, "shop.Order")
    'orders-value'
    """
    return f"{topic}-{'key' if is_key else 'value'}"


def record_name(topic: str, is_key: bool, record_name: str | None) -> str:
    """One subject a type, whatever topics it is on.

    >>> record_name("orders", False, "shop.Order")
    'shop.Order'
    """
    return _named(record_name)


def topic_record_name(topic: str, is_key: bool, record_name: str | None) -> str:
    """One subject a type and topic: several types on one topic, each with its own history.

    >>> topic_record_name("orders", False, "shop.Order")
    'orders-shop.Order'
    """
    return f"{topic}-{_named(record_name)}"


def _named(name: str | None) -> str:
    if not name:
        raise IllegalArgumentError(
            "This strategy needs a schema with a name: an Avro record, or a JSON Schema's title."
        )
    return name
