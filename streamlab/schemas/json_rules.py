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

import re
from collections.abc import Iterator, Sequence
from typing import Any

from . import json_facts as facts
from .json_facts import Schema
from .json_schema import JsonSchema
from .json_written import Alternatives, TooComplex, Written, same
from .model import Incompatibility

_OPAQUE = (
    ("not",), ("if", "then", "else"), ("contains", "minContains", "maxContains"), ("propertyNames",),
    ("dependentSchemas",), ("$dynamicRef",), ("$recursiveRef",),
)  # fmt: skip
"""Keywords that are compared only as a whole, with those that mean something only together."""
_SEE_ALL = ("unevaluatedProperties", "unevaluatedItems")
"""Keywords that mean something only together with everything beside them."""
_STEPS = 100_000

Found = list[Incompatibility]


def incompatibilities(reader: JsonSchema, writer: JsonSchema) -> Found:
    """Empty when the reader accepts everything that the writer does (with defaults filled in)."""
    if reader.canonical == writer.canonical and "$ref" not in reader.canonical:
        return []
    try:
        return _Check(reader, writer).run()
    except TooComplex:
        return [Incompatibility("TOO_COMPLEX", "/", "The schemas branch too often to be compared.")]


class _Check:
    def __init__(self, reader: JsonSchema, writer: JsonSchema):
        self._reader = reader
        self._read = Alternatives(reader)
        self._write = Alternatives(writer)
        self._entered: set[tuple[int, frozenset[int]]] = set()
        self._steps = 0

    def run(self) -> Found:
        return self._covers(self._read.root, [self._write.root], "", True)

    def _covers(self, new: Written, old: Sequence[Written], path: str, fills: bool) -> Found:
        """Everything that fits all of `old` fits `new`. `fills`: a reader fills in defaults here."""
        self._steps += 1
        if self._steps > _STEPS:
            raise TooComplex
        pair = (new.identity, frozenset(part.identity for part in old))
        if pair in self._entered:
            return []  # holds if it holds for the smaller values inside
        self._entered.add(pair)
        try:
            parts = self._read.parts(new)
            if parts == []:
                return []
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
        found: Found = []
        for rule in (_types, _enum, _strings, _numbers):
            found += rule(new.schema, plain, path)
        found += _opaque(new, old, path)
        if found and found[0].kind.startswith("TYPE"):
            return found
        found += self._branches(new, old, path)
        possible = facts.both(facts.types(plain), facts.types_of(new.schema))
        if "object" in possible:
            found += self._objects(new, old, plain, path, fills)
        if "array" in possible:
            found += self._arrays(new, old, plain, path, fills)
        return found

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
        found = list(_object_limits(new.schema, plain, path))
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
        for pattern, schema in new.schema.get("patternProperties", {}).items():
            at = f"{path}/patternProperties/{pattern}"
            target = new.child(schema)
            for before in self._write.others(old, pattern):
                found += self._covers(target, before, at, False)
            for name in _names(plain):
                if re.search(pattern, name):
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
        counted = any(
            k in new.schema
            for k in ("maxProperties", "dependencies", "dependentRequired", "dependentSchemas")
        )
        if not isinstance(schema, dict) or "default" not in schema or counted:
            return False
        return self._read.accepts(new.child(schema), schema["default"])

    # -- arrays ---------------------------------------------------------------------------------------------------

    def _arrays(self, new: Written, old: list[Written], plain: list[Schema], path: str, fills: bool) -> Found:
        found = list(_array_limits(new.schema, plain, path))
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


def _types(new: Schema, old: Sequence[Schema], path: str) -> Found:
    before, now = facts.types(old), facts.types_of(new)
    lost = sorted(kind for kind in before if kind not in now and not (kind == "integer" and "number" in now))
    if not lost:
        return []
    kind = "TYPE_NARROWED" if facts.both(before, now) else "TYPE_CHANGED"
    allowed = ", ".join(sorted(now))
    return [
        Incompatibility(kind, f"{path}/type", f"{', '.join(lost)} was accepted; now it must be {allowed}.")
    ]


def _enum(new: Schema, old: Sequence[Schema], path: str) -> Found:
    for keyword in ("enum", "const"):
        if keyword in new:  # what the old one lists was looked at value by value
            return [
                Incompatibility(
                    "ENUM_ARRAY_NARROWED", f"{path}/{keyword}", "Only the values listed are accepted now."
                )
            ]
    return []


def _limit(
    new: Schema, old: Sequence[Schema], keyword: str, path: str, *, at_most: bool
) -> Iterator[Incompatibility]:
    if keyword not in new:
        return
    before = facts.most(old, keyword) if at_most else facts.least(old, keyword)
    now = new[keyword]
    if before is None and not at_most and now <= 0:
        return
    if before is None or (now < before if at_most else now > before):
        word = "".join(f"_{c}" if c.isupper() else c.upper() for c in keyword).upper()
        change = "ADDED" if before is None else "DECREASED" if at_most else "INCREASED"
        was = "was not limited" if before is None else f"was {before}"
        yield Incompatibility(f"{word}_{change}", f"{path}/{keyword}", f"{keyword} is {now} now and {was}.")


def _strings(new: Schema, old: Sequence[Schema], path: str) -> Found:
    if "string" not in facts.types(old):
        return []
    found = [
        *_limit(new, old, "maxLength", path, at_most=True),
        *_limit(new, old, "minLength", path, at_most=False),
    ]
    pattern = new.get("pattern")
    if pattern is not None and not any(part.get("pattern") == pattern for part in old):
        changed = any("pattern" in part for part in old)
        kind = "PATTERN_CHANGED" if changed else "PATTERN_ADDED"
        found.append(Incompatibility(kind, f"{path}/pattern", f"Strings must match {pattern!r} now."))
    return found


def _numbers(new: Schema, old: Sequence[Schema], path: str) -> Found:
    possible = facts.types(old)
    if not {"number", "integer"} & possible:
        return []
    found: Found = []
    for name, bound, sign in (("MAXIMUM", facts.upper, 1), ("MINIMUM", facts.lower, -1)):
        now, before = bound([new]), bound(old)
        if now is None:
            continue
        loose = before is None or sign * now.value < sign * before.value
        if loose or (before is not None and now.value == before.value and now.open and not before.open):
            change = "ADDED" if before is None else "DECREASED" if sign > 0 else "INCREASED"
            word = f"EXCLUSIVE_{name}" if now.open else name
            limit = (
                f"{'below' if sign > 0 else 'above'} {now.value}"
                if now.open
                else f"at {'most' if sign > 0 else 'least'} {now.value}"
            )
            found.append(
                Incompatibility(f"{word}_{change}", f"{path}/{name.lower()}", f"Numbers must be {limit} now.")
            )
    return found + list(_multiples(new, old, possible, path))


def _multiples(
    new: Schema, old: Sequence[Schema], possible: frozenset[str], path: str
) -> Iterator[Incompatibility]:
    step = new.get("multipleOf")
    if step is None:
        return
    before = [part["multipleOf"] for part in old if "multipleOf" in part]
    before += [1] if "number" not in possible else []
    if not any(float(given / step).is_integer() for given in before):
        yield Incompatibility(
            "MULTIPLE_OF_CHANGED" if before else "MULTIPLE_OF_ADDED",
            f"{path}/multipleOf",
            f"Numbers must be multiples of {step} now.",
        )


def _object_limits(new: Schema, old: Sequence[Schema], path: str) -> Iterator[Incompatibility]:
    yield from _limit(new, old, "maxProperties", path, at_most=True)
    sure = len(facts.required(old))
    known = [*old, {"minProperties": sure}] if sure else old
    yield from _limit(new, known, "minProperties", path, at_most=False)
    for keyword in ("dependentRequired", "dependencies"):
        for name, wanted in new.get(keyword, {}).items():
            if wanted is True or any(
                part.get(keyword, {}).get(name) == wanted for part in old if "$ref" not in repr(wanted)
            ):
                continue
            before = {n for part in old for n in _names_in(part.get(keyword, {}).get(name))} | facts.required(
                old
            )
            if isinstance(wanted, list) and set(wanted) <= before | {name}:
                continue
            yield Incompatibility(
                "DEPENDENCY_ADDED",
                f"{path}/{keyword}/{name}",
                f"Objects with {name} must fulfil more than before.",
            )


def _names_in(wanted: Any) -> list[str]:
    return wanted if isinstance(wanted, list) else []


def _array_limits(new: Schema, old: Sequence[Schema], path: str) -> Iterator[Incompatibility]:
    yield from _limit(new, old, "maxItems", path, at_most=True)
    yield from _limit(new, old, "minItems", path, at_most=False)
    short = (facts.most(old, "maxItems") or 2) <= 1
    if new.get("uniqueItems") and not short and not any(part.get("uniqueItems") for part in old):
        yield Incompatibility(
            "UNIQUE_ITEMS_ADDED", f"{path}/uniqueItems", "Elements must differ from each other now."
        )


def _opaque(new: Written, old: Sequence[Written], path: str) -> Found:
    changed = [
        group[0]
        for group in _OPAQUE
        if group[0] in new.schema and not any(same(new, part, group) for part in old)
    ]
    everything = tuple(new.schema)
    changed += [
        keyword
        for keyword in _SEE_ALL
        if keyword in new.schema
        and not any(
            isinstance(part.schema, dict)
            and part.schema.keys() == new.schema.keys()
            and same(new, part, everything)
            for part in old
        )
    ]
    return [
        Incompatibility(f"{word.strip('$').upper()}_CHANGED", f"{path}/{word}", f"{word} is not what it was.")
        for word in changed
    ]
