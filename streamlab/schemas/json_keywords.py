"""What a single keyword of JSON Schema demands, and whether what was written fulfils it already.

Each rule is given the new schema and the old ones that all hold, and finds what the new one refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from . import json_facts as facts
from .json_facts import Schema
from .json_written import Written, same
from .model import Incompatibility

Found = list[Incompatibility]

_OPAQUE = (
    ("not",), ("if", "then", "else"), ("contains", "minContains", "maxContains"), ("propertyNames",),
    ("dependentSchemas",), ("$dynamicRef",), ("$recursiveRef",),
)  # fmt: skip
"""Keywords that are compared only as a whole, with those that mean something only together."""
_SEE_ALL = ("unevaluatedProperties", "unevaluatedItems")
"""Keywords that mean something only together with everything beside them."""


def types(new: Schema, old: Sequence[Schema], path: str) -> Found:
    before, now = facts.types(old), facts.types_of(new)
    lost = sorted(kind for kind in before if kind not in now and not (kind == "integer" and "number" in now))
    if not lost:
        return []
    kind = "TYPE_NARROWED" if facts.both(before, now) else "TYPE_CHANGED"
    allowed = ", ".join(sorted(now))
    return [
        Incompatibility(kind, f"{path}/type", f"{', '.join(lost)} was accepted; now it must be {allowed}.")
    ]


def enum(new: Schema, old: Sequence[Schema], path: str) -> Found:
    for keyword in ("enum", "const"):
        if keyword in new:  # what the old one lists was looked at value by value
            return [
                Incompatibility(
                    "ENUM_ARRAY_NARROWED", f"{path}/{keyword}", "Only the values listed are accepted now."
                )
            ]
    return []


def limit(
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


def strings(new: Schema, old: Sequence[Schema], path: str) -> Found:
    if "string" not in facts.types(old):
        return []
    found = [
        *limit(new, old, "maxLength", path, at_most=True),
        *limit(new, old, "minLength", path, at_most=False),
    ]
    pattern = new.get("pattern")
    if pattern is not None and not any(part.get("pattern") == pattern for part in old):
        changed = any("pattern" in part for part in old)
        kind = "PATTERN_CHANGED" if changed else "PATTERN_ADDED"
        found.append(Incompatibility(kind, f"{path}/pattern", f"Strings must match {pattern!r} now."))
    return found


def numbers(new: Schema, old: Sequence[Schema], path: str) -> Found:
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
    return found + list(multiples(new, old, possible, path))


def multiples(
    new: Schema, old: Sequence[Schema], possible: frozenset[str], path: str
) -> Iterator[Incompatibility]:
    step = new.get("multipleOf")
    if step is None:
        return
    before = [part["multipleOf"] for part in old if "multipleOf" in part]
    before += [1] if "number" not in possible else []
    if not any(_is_multiple(given, step) for given in before):
        yield Incompatibility(
            "MULTIPLE_OF_CHANGED" if before else "MULTIPLE_OF_ADDED",
            f"{path}/multipleOf",
            f"Numbers must be multiples of {step} now.",
        )


def _is_multiple(given: float, step: float) -> bool:
    """Exactly, and to a validator as well, which divides floating point numbers.

    >>> _is_multiple(1, 0.1), _is_multiple(10**17, 3), _is_multiple(0.3, 0.1)
    (True, False, False)
    """
    exact = Fraction(str(given)) / Fraction(str(step))
    return exact.denominator == 1 and float(given / step).is_integer()


def object_limits(
    new: Schema, old: Sequence[Schema], path: str, one_draft: bool
) -> Iterator[Incompatibility]:
    """`one_draft`: both are written in the same one, so the same words mean the same."""
    yield from limit(new, old, "maxProperties", path, at_most=True)
    sure = len(facts.required(old))
    known = [*old, {"minProperties": sure}] if sure else old
    yield from limit(new, known, "minProperties", path, at_most=False)
    for keyword in ("dependentRequired", "dependencies"):
        for name, wanted in new.get(keyword, {}).items():
            if wanted is True or any(
                part.get(keyword, {}).get(name) == wanted
                for part in old
                if isinstance(wanted, list) or (one_draft and "$ref" not in repr(wanted))
            ):
                continue
            before = {n for part in old for n in names_in(part.get(keyword, {}).get(name))} | facts.required(
                old
            )
            if isinstance(wanted, list) and set(wanted) <= before | {name}:
                continue
            yield Incompatibility(
                "DEPENDENCY_ADDED",
                f"{path}/{keyword}/{name}",
                f"Objects with {name} must fulfil more than before.",
            )


def names_in(wanted: Any) -> list[str]:
    return wanted if isinstance(wanted, list) else []


def array_limits(new: Schema, old: Sequence[Schema], path: str) -> Iterator[Incompatibility]:
    yield from limit(new, old, "maxItems", path, at_most=True)
    yield from limit(new, old, "minItems", path, at_most=False)
    short = (facts.most(old, "maxItems") or 2) <= 1
    if new.get("uniqueItems") and not short and not any(part.get("uniqueItems") for part in old):
        yield Incompatibility(
            "UNIQUE_ITEMS_ADDED", f"{path}/uniqueItems", "Elements must differ from each other now."
        )


def opaque(new: Written, old: Sequence[Written], path: str) -> Found:
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
