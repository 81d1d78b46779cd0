"""JSON Schemas of any keywords at all, changed anyhow: a verdict of compatible is never wrong.

Here nobody knows what the verdict must be. Where it is "compatible", every value out of many that fits the old schema
fits the new one, as a reader sees it with defaults filled in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.schemas.errors import InvalidSchemaError
from streamlab.schemas.json_defaults import Filler
from streamlab.schemas.json_rules import incompatibilities
from streamlab.schemas.json_schema import JsonSchema, parse

NAMES = ("a", "b", "xa")
TYPES = ("object", "object", "array", "integer", "number", "string", ["object", "null"], ["array", "string"])
LEAVES = ({}, True, {"type": "integer"}, {"type": "string"}, {"const": 1}, {"enum": [1, "a", None]})
SCALARS = (None, True, 0, 1, 2, -1, 1.5, 2.0, "", "a", "xa", "bb", "abcd")

Make = Callable[[Random, int], Any]
KEYWORDS: dict[str, Make] = {
    "properties": lambda r, d: {name: schema(r, d) for name in NAMES if r.random() < 0.5},
    "required": lambda r, d: [name for name in NAMES if r.random() < 0.4],
    "additionalProperties": lambda r, d: r.choice([False, False, True, schema(r, d)]),
    "patternProperties": lambda r, d: {r.choice(["^x", "a$"]): schema(r, d)},
    "minProperties": lambda r, d: r.randint(0, 2),
    "maxProperties": lambda r, d: r.randint(0, 3),
    "dependencies": lambda r, d: {r.choice(NAMES): r.choice([[r.choice(NAMES)], schema(r, d)])},
    "items": lambda r, d: r.choice([schema(r, d), [schema(r, d)], [schema(r, d), schema(r, d)]]),
    "additionalItems": lambda r, d: r.choice([False, schema(r, d)]),
    "minItems": lambda r, d: r.randint(0, 2),
    "maxItems": lambda r, d: r.randint(0, 3),
    "uniqueItems": lambda r, d: True,
    "minimum": lambda r, d: r.randint(-2, 2),
    "maximum": lambda r, d: r.randint(-1, 3),
    "exclusiveMinimum": lambda r, d: r.randint(-2, 2),
    "multipleOf": lambda r, d: r.choice([1, 2, 0.5]),
    "minLength": lambda r, d: r.randint(0, 2),
    "maxLength": lambda r, d: r.randint(0, 3),
    "pattern": lambda r, d: r.choice(["a", "^x"]),
    "enum": lambda r, d: r.sample([1, 2, "a", "xa", None, True, {}, {"a": 1}, [1]], r.randint(1, 4)),
    "const": lambda r, d: r.choice([1, "a", {"a": 1}]),
    "anyOf": lambda r, d: [schema(r, d) for _ in range(r.randint(1, 2))],
    "oneOf": lambda r, d: [schema(r, d) for _ in range(r.randint(1, 2))],
    "allOf": lambda r, d: [schema(r, d) for _ in range(r.randint(1, 2))],
    "not": lambda r, d: schema(r, d),
    "if": lambda r, d: schema(r, d),
    "then": lambda r, d: schema(r, d),
    "contains": lambda r, d: schema(r, d),
    "propertyNames": lambda r, d: r.choice([{"maxLength": 1}, {"pattern": "a"}]),
    "default": lambda r, d: r.choice([1, "a", None, {}, {"a": 1}, []]),
}


def schema(r: Random, depth: int) -> Any:
    if depth <= 0:
        return deepcopy(r.choice(LEAVES))
    found: dict[str, Any] = {"type": r.choice(TYPES)} if r.random() < 0.6 else {}
    for keyword, make in KEYWORDS.items():
        if r.random() < 0.13:
            found[keyword] = make(r, depth - 1)
    return found if r.random() < 0.97 else False


def changed(r: Random, tree: Any) -> Any:
    """The same with a keyword or two taken away, put in, or changed somewhere inside."""
    tree = deepcopy(tree)
    if not isinstance(tree, dict):
        return schema(r, 1)
    for _ in range(r.randint(1, 2)):
        chance, inside = r.random(), tree.get("properties")
        if tree and chance < 0.4:
            tree.pop(r.choice(list(tree)))
        elif inside and chance < 0.7:
            name = r.choice(list(inside))
            inside[name] = changed(r, inside[name])
        else:
            keyword = r.choice(list(KEYWORDS))
            tree[keyword] = KEYWORDS[keyword](r, 1)
    return tree


def value(r: Random, depth: int) -> Any:
    chance = r.random()
    if depth <= 0 or chance < 0.5:
        return r.choice(SCALARS)
    if chance < 0.8:
        return {name: value(r, depth - 1) for name in (*NAMES, "q") if r.random() < 0.5}
    return [value(r, depth - 1) for _ in range(r.randint(0, 3))]


VALUES = [value(Random(n), 3) for n in range(150)]


def parsed(tree: Any) -> JsonSchema | None:
    """None: chance made something that is no schema."""
    try:
        return parse(json.dumps(tree))
    except InvalidSchemaError:
        return None


@settings(max_examples=200)
@given(st.integers(0, 2**64))
def test_what_is_called_compatible_takes_every_value(seed: int):
    r = Random(seed)
    tree = schema(r, 3)
    one, other = parsed(tree), parsed(changed(r, tree))
    if one is None or other is None:
        return
    for new, old in ((one, other), (other, one)):
        if incompatibilities(new, old):
            continue
        fill = Filler(new).fill
        for old_value in filter(old.accepts, VALUES):
            assert new.accepts(fill(deepcopy(old_value))), (old.tree, new.tree, old_value)
