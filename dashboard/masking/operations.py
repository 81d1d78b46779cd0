"""An operation as it may be shown. Its row keeps what was asked for, for the worker needs it; nobody reads it there."""

from __future__ import annotations

from typing import Any

from dashboard.operations.models import Operation
from dashboard.operations.registry import KINDS

from .rules import shield_of
from .shield import HIDDEN


def hidden(kind_name: str, spec: dict[str, Any]) -> bool:
    """Whether masking rules hold for the records that such an operation is about, now."""
    kind = KINDS.get(kind_name)
    if kind is None or kind.contents is None:
        return False
    return shield_of(*kind.contents.topic(spec)).active


def shown_spec(kind_name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, without what records hold where masking rules hide that."""
    kind = KINDS.get(kind_name)
    if kind is None or kind.contents is None or not hidden(kind_name, spec):
        return spec
    return {name: HIDDEN if name in kind.contents.spec else value for name, value in spec.items()}


def shown_preview(operation: Operation) -> dict[str, Any]:
    kind, preview = KINDS.get(operation.kind), operation.preview
    if kind is None or kind.contents is None or not hidden(operation.kind, operation.spec):
        return preview
    contents = kind.contents
    facts = [[name, HIDDEN if name in contents.facts else text] for name, text in preview.get("facts", [])]
    return {**preview, "facts": facts, "table": _without(preview.get("table"), contents.columns)}


def shown_detail(subject: str, detail: dict[str, Any]) -> dict[str, Any]:
    """The detail of an audit entry: that of a confirmation holds what was asked for."""
    if not isinstance(detail.get("spec"), dict):
        return detail
    return {**detail, "spec": shown_spec(subject.partition(":")[0], detail["spec"])}


def _without(table: dict[str, Any] | None, columns: Any) -> dict[str, Any] | None:
    if not table:
        return table
    gone = [head in columns for head in table["heads"]]
    rows = [[HIDDEN if out else cell for cell, out in zip(row, gone, strict=True)] for row in table["rows"]]
    return {**table, "rows": rows}
