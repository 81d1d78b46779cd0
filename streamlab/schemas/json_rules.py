"""Does every value that fits an old JSON Schema fit a new one? Every reason why not, by path.

The rules are Confluent's for open and closed content models, with its words for what is wrong. A content model is
*open* when an object may have properties that the schema does not name (`additionalProperties` absent or true),
*closed* when it may not (false), *partly open* when those must fit a schema.

    change                       open                closed                partly open
    a property is added          no (a)              yes (b)               if what was allowed before fits it
    a property is removed        yes                 no                    if it fits what is allowed now
    a property becomes required  only with a default, which a reader fills in

(a) an old record may have had that property with any value, unless the new one takes any value; (b) none had it.

What is called compatible is proven. What cannot be proven is refused: that is where `not`, `if`, `contains` and the
like changed at all, and `oneOf` whose branches are not seen to exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from . import json_facts as facts
from . import json_keywords as keywords
from .json_facts import Schema
from .json_schema import JsonSchema
from .json_written import Alternatives, TooComplex, Written, same
from .model import Incompatibility
from .patterns import TextTooLong, pattern

_STEPS = 100_000
_SEARCHES_A_STEP = 10
"""For patterns in the names of properties."""
_NOT_FILLED = frozenset(
    ("maxProperties", "dependencies", "dependentRequired", "dependentSchemas", "propertyNames", "patternProperties",
     "uniqueItems", "contains", "enum", "const", "not", "if", "anyOf", "oneOf", "unevaluatedProperties",
     "unevaluatedItems")
)  # fmt: skip
"""Where one of these is asked of a value, filling a default into it, or into what it holds, could break it."""

Found = list[Incompatibility]


def incompatibilities(reader: JsonSchema, writer: JsonSchema) -> Found:
    """Empty when the reader accepts everything that the writer does (with defaults filled in)."""
    if reader.canonical == writer.canonical and "$ref" not in reader.canonical:
        return []
    try:
        return _Check(reader, writer).run()
    except (TooComplex, TextTooLong):
        return [Incompatibility("TOO_COMPLEX", "/", "The schemas branch too often to be compared.")]


class _Check:
    def __init__(self, reader: JsonSchema, writer: JsonSchema):
        self._reader = reader
        self._read = Alternatives(reader)
        self._write = Alternatives(writer)
        self._whole_numbers_differ = (
            "draft-04" in self._read.root.draft and "draft-04" not in self._write.root.draft
        )
        self._one_draft = self._read.root.draft == self._write.root.draft
        self._entered: set[tuple[int, frozenset[int]]] = set()
        self._steps = 0

    def run(self) -> Found:
        return self._covers(self._read.root, [self._write.root], "", True)

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > _STEPS:
            raise TooComplex

    def _covers(self, new: Written, old: Sequence[Written], path: str, fills: bool) -> Found:
        """Everything that fits all of `old` fits `new`. `fills`: a reader fills in defaults here."""
        self._count(1)
        pair = (new.identity, frozenset(part.identity for part in old))
        if pair in self._entered:
            return []  # holds if it holds for the smaller values inside
        self._entered.add(pair)
        try:
            parts = self._read.parts(new)
            if parts == []:
                return []
            fills = fills and len(parts) == 1 and not (_demands(parts[0]) & _NOT_FILLED)
            found: Found = []
            for alternative in self._write.alternatives(old):
                found += self._alternative(parts, alternative, path, fills)
            return _distinct(found)
        finally:
            self._entered.discard(pair)

    def _alternative(self, parts: list[Written], old: list[Written], path: str, fills: bool) -> Found:
        plain = [part.schema for part in old if isinstance(part.schema, dict)]
        if any(part.schema is False for part in old) or not facts.types(plain):
            return []  # nothing fits the old one
        return [one for part in parts for one in self._part(part, old, plain, path, fills)]

    def _part(self, new: Written, old: list[Written], plain: list[Schema], path: str, fills: bool) -> Found:
        if new.schema is False:
            return [Incompatibility("NOTHING_FITS", path or "/", "Nothing is accepted here any more.")]
        values = facts.values(plain)
        if values is not None:
            return self._each(values, new, plain, path)
        found = self._whole_numbers(new.schema, plain, path)
        for rule in (keywords.types, keywords.enum, keywords.strings, keywords.numbers):
            found += rule(new.schema, plain, path)
        found += keywords.opaque(new, old, path)
        if found and found[0].kind.startswith("TYPE"):
            return found
        found += self._branches(new, old, path)
        possible = facts.both(facts.types(plain), facts.types_of(new.schema))
        if "object" in possible:
            found += self._objects(new, old, plain, path, fills)
        if "array" in possible:
            found += self._arrays(new, old, plain, path, fills)
        return found

    def _whole_numbers(self, new: Schema, plain: list[Schema], path: str) -> Found:
        """1.0 is an integer from draft 6 on, and none before."""
        now = facts.types_of(new)
        if (
            not self._whole_numbers_differ
            or "number" in now
            or "integer" not in facts.both(facts.types(plain), now)
        ):
            return []
        return [Incompatibility("TYPE_NARROWED", f"{path}/type", "1.0 is no integer in this schema's draft.")]

    def _each(self, values: list[Any], new: Written, plain: list[Schema], path: str) -> Found:
        """The old one lists what fits: the validator itself says of each whether it still does."""
        refused = [
            value for value in values if self._write.fits(value, plain) and not self._read.accepts(new, value)
        ]
        if not refused:
            return []
        kind = (
            "ENUM_ARRAY_NARROWED"
            if "enum" in new.schema
            else "TYPE_NARROWED"
            if "type" in new.schema
            else "VALUES_NARROWED"
        )
        return [
            Incompatibility(kind, path or "/", f"{', '.join(map(repr, refused[:5]))} is accepted no more.")
        ]

    # -- combinations ---------------------------------------------------------------------------------------------

    def _branches(self, new: Written, old: list[Written], path: str) -> Found:
        found: Found = []
        for keyword in ("anyOf", "oneOf"):
            if keyword not in new.schema or any(same(new, part, (keyword,)) for part in old):
                continue
            branches = self._read.inner(new, keyword)
            for one in self._write.by_type(old):
                tried = [
                    self._covers(branch, one, f"{path}/{keyword}/{i}", False)
                    for i, branch in enumerate(branches)
                ]
                fitting = [i for i, problems in enumerate(tried) if not problems]
                if not fitting:
                    nearest = min(tried, key=len)
                    found.append(
                        Incompatibility(
                            "SUM_TYPE_NARROWED",
                            f"{path}/{keyword}",
                            f"No branch accepts all that was accepted; {nearest[0].message if nearest else ''}",
                        )
                    )
                elif keyword == "oneOf" and not self._alone(fitting[0], branches, one):
                    found.append(
                        Incompatibility(
                            "COMBINED_TYPE_CHANGED",
                            f"{path}/oneOf",
                            "More than one branch may accept the same value, which oneOf refuses.",
                        )
                    )
        return found

    def _alone(self, index: int, branches: list[Written], old: list[Written]) -> bool:
        """No other branch takes anything of what the old one accepts: types exclude each other."""
        plain = [part.schema for part in old if isinstance(part.schema, dict)]
        return all(i == index or self._read.excludes(branch, plain) for i, branch in enumerate(branches))

    # -- objects --------------------------------------------------------------------------------------------------

    def _objects(
        self, new: Written, old: list[Written], plain: list[Schema], path: str, fills: bool
    ) -> Found:
        names = len(_names(plain)) + len(new.schema.get("properties", {}))
        patterns = sum(len(part.get("patternProperties", {})) for part in [*plain, new.schema])
        self._count(names * patterns // _SEARCHES_A_STEP)
        found = list(keywords.object_limits(new.schema, plain, path, self._one_draft))
        found += self._named_properties(new, old, plain, path, fills)
        found += self._pattern_properties(new, old, plain, path)
        found += self._other_properties(new, old, plain, path, fills)
        found += self._required(new, plain, path, fills)
        return found

    def _named_properties(
        self, new: Written, old: list[Written], plain: list[Schema], path: str, fills: bool
    ) -> Found:
        found: Found = []
        for name, schema in new.schema.get("properties", {}).items():
            before = self._write.properties(old, name)
            problems = self._covers(new.child(schema), before, f"{path}/properties/{name}", fills)
            if problems and not any(name in part.get("properties", {}) for part in plain):
                found.append(_property_added(name, plain, path))
            else:
                found += problems
        return found

    def _pattern_properties(self, new: Written, old: list[Written], plain: list[Schema], path: str) -> Found:
        found: Found = []
        for text, schema in new.schema.get("patternProperties", {}).items():
            at = f"{path}/patternProperties/{text}"
            target = new.child(schema)
            for before in self._write.others(old, text):
                found += self._covers(target, before, at, False)
            for name in _names(plain):
                if pattern(text).is_in(name):
                    found += self._covers(target, self._write.properties(old, name), at, False)
        return _distinct(found)

    def _other_properties(
        self, new: Written, old: list[Written], plain: list[Schema], path: str, fills: bool
    ) -> Found:
        rest = new.schema.get("additionalProperties", True)
        if rest is True or rest == {}:
            return []
        target, found = new.child(rest), []
        for name in _names(plain):
            if facts.matching(new.schema, name) == [rest] and name not in new.schema.get("properties", {}):
                problems = self._covers(
                    target, self._write.properties(old, name), f"{path}/properties/{name}", fills
                )
                if problems:
                    found.append(_property_removed(name, rest, path))
        kept = new.schema.get("patternProperties", {})
        for before in self._write.others(old, None, kept):
            if self._covers(target, before, f"{path}/additionalProperties", False):
                kind = "ADDITIONAL_PROPERTIES_REMOVED" if rest is False else "ADDITIONAL_PROPERTIES_NARROWED"
                what = "no" if rest is False else "not any"
                found.append(
                    Incompatibility(
                        kind,
                        f"{path}/additionalProperties",
                        f"Properties that are not named were accepted, and are {what} more.",
                    )
                )
        return _distinct(found)

    def _required(
        self, new: Written, plain: list[Schema], path: str, fills: bool
    ) -> Iterator[Incompatibility]:
        before = facts.required(plain)
        for name in sorted(facts.required([new.schema]) - before):
            if not (fills and self._default_fits(new, name)):
                yield Incompatibility(
                    "REQUIRED_ATTRIBUTE_ADDED",
                    f"{path}/required/{name}",
                    f"{name} is required now and was not before; give it a default, or leave it optional.",
                )

    def _default_fits(self, new: Written, name: str) -> bool:
        schema = new.schema.get("properties", {}).get(name)
        if not isinstance(schema, dict) or "default" not in schema:
            return False
        return self._read.accepts(new.child(schema), schema["default"])

    # -- arrays ---------------------------------------------------------------------------------------------------

    def _arrays(self, new: Written, old: list[Written], plain: list[Schema], path: str, fills: bool) -> Found:
        found = list(keywords.array_limits(new.schema, plain, path))
        wanted = facts.items(new.schema)
        longest = max([len(wanted.first), *(len(facts.items(part).first) for part in plain)])
        at_most = facts.most(plain, "maxItems")
        for index in range(longest + 1):
            if at_most is not None and index >= at_most:
                break
            last = index == longest
            step = "items" if last else f"items/{index}"
            before = self._write.elements(old, index)
            found += self._covers(new.child(wanted.at(index)), before, f"{path}/{step}", fills)
        return found


def _demands(part: Written) -> frozenset[str]:
    return frozenset(part.schema) if isinstance(part.schema, dict) else frozenset()


def _names(plain: Sequence[Schema]) -> list[str]:
    return list(dict.fromkeys(name for part in plain for name in part.get("properties", {})))


def _distinct(found: Found) -> Found:
    return list(dict.fromkeys(found))


def _property_added(name: str, plain: Sequence[Schema], path: str) -> Incompatibility:
    is_open = all(part.get("additionalProperties", True) in (True, {}) for part in plain)
    model = "OPEN" if is_open else "PARTIALLY_OPEN"
    kind = (
        "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
        if is_open
        else "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    )
    why = "with any value" if model == "OPEN" else "with a value that does not fit"
    return Incompatibility(
        kind,
        f"{path}/properties/{name}",
        f"{name} is new, and older records may have a property of that name {why}.",
    )


def _property_removed(name: str, rest: Any, path: str) -> Incompatibility:
    kind = (
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"
        if rest is False
        else "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
    )
    return Incompatibility(
        kind,
        f"{path}/properties/{name}",
        f"{name} is gone, and older records that have it are not accepted any more.",
    )
