"""Where a value does not fit an Avro schema: for the sentence that somebody reads when a record is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastavro.validation import validate

from .avro_schema import NAMED, AvroSchema

Tree = Any
Misfit = tuple[str, str]
"""JSON pointer into the value, and a sentence."""


def misfit(schema: AvroSchema, value: Any) -> Misfit | None:
    """The first place where the value does not fit; None when it fits.

    >>> from .avro_schema import parse
    >>> order = parse('{"type": "record", "name": "Order", "fields": [{"name": "total", "type": "double"}]}')
    >>> misfit(order, {"total": "12"})
    ('/total', "'12' is not a double.")
    """
    return _misfit(schema.tree, schema.names, value, "")


def _misfit(node: Tree, names: Mapping[str, Tree], value: Any, path: str) -> Misfit | None:
    node = names.get(node, node) if isinstance(node, str) else node
    kind = "union" if isinstance(node, list) else node["type"] if isinstance(node, dict) else node
    inner = _INNER.get(kind)
    if inner is not None:
        return inner(node, names, value, path)
    if _fits(node, value):
        return None
    called = f"{kind} {node['name']}" if kind in NAMED else kind
    if isinstance(node, dict) and "logicalType" in node:
        called = f"{called} ({node['logicalType']})"
    listed = f": one of {', '.join(node['symbols'][:20])}" if kind == "enum" else ""
    article = "an" if called[0] in "aeiou" else "a"
    return path or "/", f"{_short(value)} is not {article} {called}{listed}."


def _in_union(node: Tree, names: Mapping[str, Tree], value: Any, path: str) -> Misfit | None:
    problems = [_misfit(branch, names, value, path) for branch in node]
    if not problems or None in problems:
        return None
    deepest = max((p for p in problems if p), key=lambda problem: len(problem[0]))
    return (
        deepest
        if len(deepest[0]) > len(path or "/")
        else (path or "/", f"{_short(value)} fits no branch of the union.")
    )


def _in_record(node: Tree, names: Mapping[str, Tree], value: Any, path: str) -> Misfit | None:
    if not isinstance(value, Mapping):
        return path or "/", f"{_short(value)} is not a record {node['name']}."
    for field in node["fields"]:
        at = f"{path}/{field['name']}"
        if field["name"] in value:
            problem = _misfit(field["type"], names, value[field["name"]], at)
            if problem:
                return problem
        elif "default" not in field and _misfit(field["type"], names, None, at):
            return at, f"{field['name']} is missing and has no default."
    return None


def _in_array(node: Tree, names: Mapping[str, Tree], value: Any, path: str) -> Misfit | None:
    if not isinstance(value, (list, tuple)):
        return path or "/", f"{_short(value)} is not an array."
    found = (_misfit(node["items"], names, item, f"{path}/{i}") for i, item in enumerate(value))
    return next(filter(None, found), None)


def _in_map(node: Tree, names: Mapping[str, Tree], value: Any, path: str) -> Misfit | None:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return path or "/", f"{_short(value)} is not a map."
    found = (_misfit(node["values"], names, item, f"{path}/{name}") for name, item in value.items())
    return next(filter(None, found), None)


_INNER = {
    "union": _in_union, "record": _in_record, "error": _in_record, "array": _in_array, "map": _in_map,
}  # fmt: skip


def _fits(node: Tree, value: Any) -> bool:
    try:
        return bool(validate(value, node, raise_errors=False))
    except Exception:  # a logical type that cannot make anything of the value
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
