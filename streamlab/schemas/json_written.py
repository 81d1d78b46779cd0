"""JSON Schemas taken apart: where a reference leads, and which of several alternatives a value may follow.

A value that fits a schema with `anyOf` follows one of its branches; so what was written is a list of *alternatives*,
each of them a list of schemas without branches that all hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import referencing
import referencing.jsonschema

from . import json_facts as facts
from .json_schema import JsonSchema

MAX_ALTERNATIVES = 64
_MAX_HOPS = 50
_COMMENTS = frozenset(
    ("$schema", "$id", "id", "$comment", "$defs", "definitions", "title", "description", "default", "examples",
     "readOnly", "writeOnly", "deprecated", "format", "contentEncoding", "contentMediaType", "$ref", "allOf")
)  # fmt: skip
_OF_TYPE: dict[str, dict[str, str]] = {kind: {"type": kind} for kind in facts.TYPES}
_OF_SOME_DRAFTS = frozenset(
    ("const", "contains", "propertyNames", "if", "prefixItems", "additionalItems", "dependencies", "dependentRequired",
     "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "$recursiveRef", "$dynamicRef")
)  # fmt: skip
"""Validators pass over them in the other drafts."""
_COMPANIONS = {"if": ("then", "else"), "dependentRequired": ("minContains", "maxContains")}
"""Keywords without a validator of their own, by one that came with them."""


class TooComplex(Exception):
    """Raised when two schemas have too many alternatives to be compared."""


class Written:
    """A schema at its place: what its references are relative to, and the draft that it is written in."""

    __slots__ = ("draft", "resolver", "schema")

    def __init__(self, schema: Any, resolver: Any, draft: str):
        self.schema = schema  # bool or dict
        self.resolver = resolver
        self.draft = draft

    @property
    def identity(self) -> int:
        return id(self.schema)  # the trees live as long as the comparison

    def child(self, schema: Any) -> Written:
        """A schema that stands inside this one."""
        if isinstance(schema, dict) and isinstance(schema.get("$id"), str):
            resource = referencing.Resource.from_contents(schema, referencing.jsonschema.DRAFT202012)
            return Written(schema, self.resolver.in_subresource(resource), self.draft)
        return Written(schema, self.resolver, self.draft)


class Alternatives:
    """One side of a comparison."""

    def __init__(self, schema: JsonSchema):
        self._schema = schema
        draft = str(schema.validator.META_SCHEMA.get("$schema", ""))
        self.root = Written(schema.tree, schema.registry.resolver_with_root(schema.resource), draft)
        self._nothing = _meaningless(schema.validator.VALIDATORS)
        self._meant_of: dict[int, tuple[Any, dict[str, Any]]] = {}  # by id: a schema, and what of it counts
        self._ref_alone = "draft-0" in draft  # up to draft 7 what stands beside a $ref means nothing

    def parts(self, written: Written, hops: int = 0) -> list[Written]:
        """Schemas that all must hold: references followed, `allOf` taken apart. Empty: anything fits."""
        schema = written.schema
        if schema is True or schema == {}:
            return []
        if schema is False:
            return [written]
        if hops > _MAX_HOPS:
            raise TooComplex
        found: list[Written] = []
        if isinstance(schema.get("$ref"), str):
            target = written.resolver.lookup(schema["$ref"])
            found += self.parts(Written(target.contents, target.resolver, written.draft), hops + 1)
            if self._ref_alone:
                return found
        for part in schema.get("allOf", ()):
            found += self.parts(written.child(part), hops + 1)
        meant = self._meant(schema)
        if not meant.keys() <= _COMMENTS:
            found.append(written if meant is schema else Written(meant, written.resolver, written.draft))
        return found

    def _meant(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Without what means nothing in this draft; the same object each time."""
        if not self._nothing & schema.keys():
            return schema
        known = self._meant_of.get(id(schema))
        if known is None:
            meant = {name: value for name, value in schema.items() if name not in self._nothing}
            known = self._meant_of[id(schema)] = schema, meant
        return known[1]

    def inner(self, written: Written, keyword: str) -> list[Written]:
        return [written.child(branch) for branch in written.schema[keyword]]

    def alternatives(self, together: Sequence[Written], hops: int = 0) -> list[list[Written]]:
        """Every way in which a value can fit all of them."""
        if hops > _MAX_HOPS:
            raise TooComplex
        ways: list[list[Written]] = [[]]
        for written in together:
            for part in self.parts(written):
                ways = _crossed(ways, self._ways(part, hops))
        return ways

    def _ways(self, part: Written, hops: int) -> list[list[Written]]:
        ways: list[list[Written]] = [[part]]
        if part.schema is False:
            return ways
        for keyword in ("anyOf", "oneOf"):
            if keyword in part.schema:
                branches = self.inner(part, keyword)
                chosen = [way for branch in branches for way in self.alternatives([branch], hops + 1)]
                ways = _crossed(ways, chosen)
        return ways

    def by_type(self, together: Sequence[Written]) -> list[list[Written]]:
        """One alternative for each type that a value may have."""
        possible = facts.types([part.schema for part in together])
        return [[*together, self.root.child(_OF_TYPE[kind])] for kind in sorted(possible)]

    def properties(self, together: Sequence[Written], name: str) -> list[Written]:
        return [
            part.child(s) for part in together for s in facts.matching(part.schema, name) if s is not True
        ]

    def elements(self, together: Sequence[Written], index: int) -> list[Written]:
        found = [(part, facts.items(part.schema).at(index)) for part in together]
        return [part.child(schema) for part, schema in found if schema is not True]

    def others(
        self, together: Sequence[Written], pattern: str | None, kept: Iterable[str] = ()
    ) -> list[list[Written]]:
        """What properties that are not named must fit, in every way in which patterns may match their names.

        With `pattern`: of those whose names match it. Names that match one of `kept` do not count.
        """
        ways: list[list[Written]] = [[]]
        for part in together:
            given = part.schema.get("patternProperties", {})
            if pattern in given:
                chosen = [given[pattern]]
            else:
                chosen = [part.schema.get("additionalProperties", True)]
                chosen += [schema for name, schema in given.items() if name not in kept]
            ways = _crossed(ways, [[part.child(schema)] for schema in chosen])
        return ways

    def accepts(self, written: Written, value: Any) -> bool:
        validator = self._schema.validator.evolve(schema=written.schema, _resolver=written.resolver)
        return bool(validator.is_valid(value))

    def fits(self, value: Any, plain: Sequence[facts.Schema]) -> bool:
        """Whether a listed value fits the schemas; what their references say is not asked."""
        own = [{name: rest for name, rest in schema.items() if name in _OWN} for schema in plain]
        return all(self.accepts(self.root.child(schema), value) for schema in own)

    def excludes(self, written: Written, plain: Sequence[facts.Schema]) -> bool:
        """Nothing that fits all of `plain` fits this one: of another type, or with another constant in a property."""
        return any(
            part.schema is False
            or not facts.both(facts.types(plain), facts.types_of(part.schema))
            or _tells_apart(part.schema, plain)
            for part in self.parts(written)
        )


_OWN = ("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minLength", "maxLength", "pattern")  # fmt: skip


def _tells_apart(schema: facts.Schema, plain: Sequence[facts.Schema]) -> bool:
    if facts.types(plain) != {"object"}:
        return False
    for name in facts.required(plain):
        before = facts.values([s for s in facts.property_schemas(plain, name) if isinstance(s, dict)])
        now = facts.values([s for s in facts.matching(schema, name) if isinstance(s, dict)])
        if before is not None and now is not None and not any(value in now for value in before):
            return True
    return False


def _crossed(one: list[list[Written]], other: list[list[Written]]) -> list[list[Written]]:
    if len(one) * len(other) > MAX_ALTERNATIVES:
        raise TooComplex
    return [a + b for a, b in product(one, other)]


def same(one: Written, other: Written, keywords: Sequence[str]) -> bool:
    """Whether both have the same of these keywords and mean the same by them, wherever references lead.

    In another draft the same words may mean something else.
    """
    if not isinstance(other.schema, dict) or one.draft != other.draft:
        return False
    left = {name: one.schema[name] for name in keywords if name in one.schema}
    right = {name: other.schema[name] for name in keywords if name in other.schema}
    return _equal(one.child(left), other.child(right), set())


def _equal(one: Written, other: Written, met: set[tuple[int, int]]) -> bool:
    left, right = one.schema, other.schema
    if isinstance(left, dict) and isinstance(right, dict):
        pair = (id(left), id(right))
        if pair in met:
            return True
        met.add(pair)
        if left.keys() != right.keys():
            return False
        if (
            isinstance(left.get("$ref"), str)
            and isinstance(right.get("$ref"), str)
            and not _refer_alike(one, other, met)
        ):
            return False
        return all(
            name == "$ref" or _equal(one.child(left[name]), other.child(right[name]), met) for name in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            _equal(one.child(a), other.child(b), met) for a, b in zip(left, right, strict=True)
        )
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _refer_alike(one: Written, other: Written, met: set[tuple[int, int]]) -> bool:
    left, right = one.resolver.lookup(one.schema["$ref"]), other.resolver.lookup(other.schema["$ref"])
    return _equal(
        Written(left.contents, left.resolver, one.draft),
        Written(right.contents, right.resolver, other.draft),
        met,
    )


def _meaningless(known: Iterable[str]) -> frozenset[str]:
    """The keywords that a draft which knows these passes over."""
    unknown = _OF_SOME_DRAFTS.difference(known)
    return unknown.union(*(_COMPANIONS.get(keyword, ()) for keyword in unknown))
