"""Fields that several kinds ask for, and small pieces of their previews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django import forms

from dashboard.presenters.commands import PYTHON
from dashboard.presenters.words import plural
from streamlab.broker import Broker
from streamlab.model import TopicPartition
from streamlab.topics import is_internal

from ..kind import Table

MOST_ROWS = 200
"""Rows of an effect that are kept and shown; the rest is counted."""


def topic_field() -> forms.ChoiceField:
    return forms.ChoiceField(label="Topic")


def offer_topics(field: forms.Field, broker: Broker, first: tuple[str, str] | None = None) -> None:
    """Let the field choose among the topics that exist, those of users before the internal ones."""
    names = sorted(broker.admin().list_topics(), key=lambda name: (is_internal(name), name))
    field.choices = ([first] if first else []) + [(n, n) for n in names]  # type: ignore[attr-defined]


def offer_groups(field: forms.Field, broker: Broker) -> None:
    names = sorted(group["group_id"] for group in broker.admin().list_groups())
    field.choices = [(name, name) for name in names]  # type: ignore[attr-defined]


def partitions_of(broker: Broker, topic: str) -> list[TopicPartition]:
    """Raises UnknownTopicOrPartitionError."""
    return sorted(broker.admin().list_partition_offsets(topic))


def shortened(heads: Iterable[str], rows: list[list[Any]]) -> Table:
    return Table(list(heads), rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS))


def some(sentences: Sequence[str], most: int = 20) -> list[str]:
    """
    >>> some(["a", "b", "c"], most=2)
    ['a', 'b', '… and 1 more.']
    """
    left = len(sentences) - most
    return [*sentences[:most], *([f"… and {left:,} more."] if left > 0 else [])]


def iso(ms: int) -> str:
    """As commands take a moment.

    >>> iso(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def for_field(ms: int) -> str:
    """As a field for a moment takes it, in UTC.

    >>> for_field(1_700_000_000_000), for_field(1_700_000_000_123)
    ('2023-11-14T22:13:20', '2023-11-14T22:13:20.123')
    """
    return iso(ms).removesuffix("Z").removesuffix(".000")


def shell(*words: str) -> str:
    """A line for a shell in the project's directory; the words are quoted already."""
    return " ".join((f"{PYTHON} -m streamlab", *words))


__all__ = [
    "for_field",
    "iso",
    "offer_groups",
    "offer_topics",
    "partitions_of",
    "plural",
    "shell",
    "shortened",
    "some",
    "topic_field",
]
