"""What a list of JSON Schemas that all hold says about a value: its types, its bounds, its finite set of values.

The rules ask these questions about what was written; everything they answer is certain, and what is not certain
they leave open.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

from .patterns import pattern

Schema = dict[str, Any]

TYPES = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))
ALL_TYPES = TYPES - {"integer"}
"""Where nothing is said: an integer is a number."""


def types_of(schema: Schema) -> frozenset[str]:
    """The types that a schema's own `type` lets through.

    >>> sorted(types_of({"type": ["integer", "null"]}))
    ['integer', 'null']
    """
    given = schema.get("type")
    if given is None:
        return ALL_TYPES
    found = frozenset([given] if isinstance(given, str) else given)
    return found - {"integer"} if "number" in found else found


def both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """
    >>> sorted(both(frozenset(["number", "null"]), frozenset(["integer", "string"])))
    ['integer']
    """
    found = one & other
    if "integer" in one | other and {"number", "integer"} & one and {"number", "integer"} & other:
        found |= {"integer"}
    return found


def types(schemas: Sequence[Schema]) -> frozenset[str]:
    """That a value may have when all of the schemas hold."""
    return reduce(both, map(types_of, schemas), ALL_TYPES)


def values(schemas: Sequence[Schema]) -> list[Any] | None:
    """Every value that may fit, perhaps some too many; None: too many to list."""
    for schema in schemas:
        if "const" in schema:
            return [schema["const"]]
        if "enum" in schema:
            return list(schema["enum"])
    possible = types(schemas)
    if possible <= {"null", "boolean"}:
        return ([None] if "null" in possible else []) + ([True, False] if "boolean" in possible else [])
    return None


def most(schemas: Sequence[Schema], keyword: str) -> Any | None:
    """The strictest upper limit (`maxLength`, `maxItems`, …); None: there is none."""
    return min((schema[keyword] for schema in schemas if keyword in schema), default=None)


def least(schemas: Sequence[Schema], keyword: str) -> Any | None:
    """The strictest lower limit."""
    return max((schema[keyword] for schema in schemas if keyword in schema), default=None)


class Bound(NamedTuple):
    """One end of a range of numbers."""

    value: float
    open: bool  # the value itself is outside


def upper(schemas: Sequence[Schema]) -> Bound | None:
    """
    >>> upper([{"maximum": 5}, {"exclusiveMaximum": 5}])
    Bound(value=5, open=True)
    """
    return min(
        _bounds(schemas, "maximum", "exclusiveMaximum"), key=lambda b: (b.value, not b.open), default=None
    )


def lower(schemas: Sequence[Schema]) -> Bound | None:
    return max(_bounds(schemas, "minimum", "exclusiveMinimum"), key=lambda b: (b.value, b.open), default=None)


def _bounds(schemas: Sequence[Schema], closed: str, exclusive: str) -> list[Bound]:
    """`exclusiveMaximum` is a number, in draft 4 a flag beside `maximum`."""
    found = []
    for schema in schemas:
        flag = schema.get(exclusive)
        if closed in schema:
            found.append(Bound(schema[closed], flag is True))
        if flag is not None and not isinstance(flag, bool):
            found.append(Bound(flag, True))
    return found


def required(schemas: Sequence[Schema]) -> set[str]:
    return {name for schema in schemas for name in _list(schema.get("required"))}


def matching(schema: Schema, name: str) -> list[Any]:
    """The schemas that one schema holds a property of that name against."""
    found = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    found += [s for text, s in schema.get("patternProperties", {}).items() if pattern(text).is_in(name)]
    return found or [schema.get("additionalProperties", True)]


def property_schemas(schemas: Sequence[Schema], name: str) -> list[Any]:
    """All that a property of that name must fit."""
    return [found for schema in schemas for found in matching(schema, name)]


class Items(NamedTuple):
    """What the elements of an array must fit: the first ones each, then all others."""

    first: list[Any]
    rest: Any

    def at(self, index: int) -> Any:
        return self.first[index] if index < len(self.first) else self.rest


def items(schema: Schema) -> Items:
    """In the words of draft 2020 (`prefixItems`, `items`) and of those before (`items`, `additionalItems`)."""
    if "prefixItems" in schema:
        return Items(schema["prefixItems"], schema.get("items", True))
    given = schema.get("items", True)
    if isinstance(given, list):
        return Items(given, schema.get("additionalItems", True))
    return Items([], given)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []  # draft 3 had a flag there
