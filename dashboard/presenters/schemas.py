"""Subjects and versions in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamlab.schemas.model import Version

from .figures import Figure, count, moment
from .payload import visible
from .schema_diff import Difference, differences

VALUE = "-value"


@dataclass(frozen=True)
class SubjectRow:
    subject: str
    type: str
    versions: Figure
    id: int  # of the latest schema
    level: str
    own_level: bool  # its own, not the one of all subjects
    registered: Figure
    topic: str  # that it is the values' schema of, by its name; "" for others


def subject_row(
    versions: Sequence[Version], level: str, own: bool, topics: set[str], now_ms: int
) -> SubjectRow:
    latest = versions[-1]
    topic = latest.subject.removesuffix(VALUE)
    return SubjectRow(
        subject=latest.subject,
        type=str(latest.schema.type),
        versions=count(len(versions), "versions"),
        id=latest.id,
        level=level,
        own_level=own,
        registered=moment(latest.registered_ms or None, now_ms),
        topic=topic if latest.subject.endswith(VALUE) and topic in topics else "",
    )


@dataclass(frozen=True)
class VersionRow:
    version: int
    id: int
    registered: Figure
    text: str  # laid out for reading
    differences: list[Difference]  # from the version before
    references: list[str]


def version_rows(versions: Sequence[Version], now_ms: int) -> list[VersionRow]:
    """The newest first."""
    rows, before = [], None
    for version in versions:
        tree = tree_of(version.schema.text)
        rows.append(
            VersionRow(
                version=version.version,
                id=version.id,
                registered=moment(version.registered_ms or None, now_ms),
                text=laid_out(version.schema.text),
                differences=differences(before, tree) if before is not None else [],
                references=[f"{r.name}: {r.subject} version {r.version}" for r in version.schema.references],
            )
        )
        before = tree
    return rows[::-1]


def tree_of(text: str) -> Any:
    """The schema as JSON; an Avro primitive may be a bare word."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def laid_out(text: str) -> str:
    """
    >>> print(laid_out('{"type":"string"}'))
    {
      "type": "string"
    }
    """
    tree = tree_of(text)
    return visible(text if isinstance(tree, str) else json.dumps(tree, indent=2, ensure_ascii=False))
