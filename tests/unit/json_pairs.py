"""Pairs of JSON Schemas, an old one and a new one, for every rule of the content models."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Row(NamedTuple):
    sentence: str
    old: Any
    new: Any
    values: list[Any]  # that fit the old one; of a refusal the first is the witness
    refused: tuple[str, ...] = ()


def an_object(*required: str, closed: Any = None, **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    if closed is not None:
        found["additionalProperties"] = closed
    return found


INT, TEXT, ANY = {"type": "integer"}, {"type": "string"}, {}
A = an_object(a=INT)
CLOSED = an_object(a=INT, closed=False)
PARTLY = an_object(a=INT, closed=TEXT)
NODE = {
    "$ref": "#/definitions/node",
    "definitions": {"node": an_object(next={"$ref": "#/definitions/node"}, value=INT, closed=False)},
}
CARD = an_object("kind", kind={"const": "card"}, number=TEXT)
CASH = an_object("kind", kind={"const": "cash"})

ROWS = [
    # content models
    Row(
        "open: a property added",
        A,
        an_object(a=INT, b=TEXT),
        [{"b": 1}],
        ("PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL /properties/b",),
    ),
    Row("open: a property added that takes anything", A, an_object(a=INT, b=ANY), [{"b": 1}, {}]),
    Row("open: a property removed", an_object(a=INT, b=TEXT), A, [{"a": 1, "b": "x"}, {}]),
    Row("closed: a property added", CLOSED, an_object(a=INT, b=TEXT, closed=False), [{"a": 1}, {}]),
    Row(
        "closed: a property removed",
        an_object(a=INT, b=TEXT, closed=False),
        CLOSED,
        [{"b": "x"}],
        ("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL /properties/b",),
    ),
    Row(
        "closed: a property removed that never could be",
        an_object(a=INT, b=False, closed=False),
        CLOSED,
        [{"a": 1}],
    ),
    Row("closed becomes open", CLOSED, A, [{"a": 1}, {}]),
    Row("closed becomes open with a new property", CLOSED, an_object(a=INT, b=TEXT), [{"a": 1}]),
    Row(
        "open becomes closed", A, CLOSED, [{"x": 1}], ("ADDITIONAL_PROPERTIES_REMOVED /additionalProperties",)
    ),
    Row(
        "open becomes partly open",
        A,
        PARTLY,
        [{"x": 1}],
        ("ADDITIONAL_PROPERTIES_NARROWED /additionalProperties",),
    ),
    Row(
        "partly open: a property added that is covered",
        PARTLY,
        an_object(a=INT, b=TEXT, closed=TEXT),
        [{"b": "x"}, {}],
    ),
    Row(
        "partly open: a property added that is not",
        PARTLY,
        an_object(a=INT, b=INT, closed=TEXT),
        [{"b": "x"}],
        ("PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL /properties/b",),
    ),
    Row(
        "partly open: a property removed that is covered",
        an_object(a=TEXT, closed=TEXT),
        {"type": "object", "additionalProperties": TEXT},
        [{"a": "x"}],
    ),
    Row(
        "partly open: a property removed that is not",
        PARTLY,
        {"type": "object", "additionalProperties": TEXT},
        [{"a": 1}],
        ("PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL /properties/a",),
    ),
    Row(
        "partly open becomes closed",
        PARTLY,
        CLOSED,
        [{"x": "y"}],
        ("ADDITIONAL_PROPERTIES_REMOVED /additionalProperties",),
    ),
    Row(
        "partly open, wider",
        an_object(closed=INT),
        an_object(closed={"type": ["integer", "string"]}),
        [{"x": 1}],
    ),
    Row("a property widened", A, an_object(a={"type": "number"}), [{"a": 1}]),
    Row(
        "a property narrowed",
        an_object(a={"type": "number"}),
        A,
        [{"a": 1.5}],
        ("TYPE_NARROWED /properties/a/type",),
    ),
    Row(
        "a property of another type, deep inside",
        an_object(o=an_object(a=INT)),
        an_object(o=an_object(a=TEXT)),
        [{"o": {"a": 1}}],
        ("TYPE_CHANGED /properties/o/properties/a/type",),
    ),
    Row(
        "pattern: kept",
        {"type": "object", "patternProperties": {"^x": INT}},
        {"type": "object", "patternProperties": {"^x": INT}},
        [{"x1": 1, "y": "z"}],
    ),
    Row(
        "pattern: added to open",
        A,
        {**A, "patternProperties": {"^x": TEXT}},
        [{"x": 1}],
        ("TYPE_NARROWED /patternProperties/^x/type",),
    ),
    Row("pattern: added to closed", CLOSED, {**CLOSED, "patternProperties": {"^x": TEXT}}, [{"a": 1}]),
    Row(
        "pattern: catches a named property",
        an_object(xa=INT, closed=False),
        {**an_object(xa=INT, closed=False), "patternProperties": {"^x": TEXT}},
        [{"xa": 1}],
        ("TYPE_CHANGED /patternProperties/^x/type",),
    ),
    # required
    Row("required added", A, an_object("a", a=INT), [{}], ("REQUIRED_ATTRIBUTE_ADDED /required/a",)),
    Row(
        "required added with a default",
        CLOSED,
        an_object("a", a={**INT, "default": 0}, closed=False),
        [{}, {"a": 1}],
    ),
    Row(
        "required added with a default that does not fit",
        CLOSED,
        an_object("a", a={**INT, "default": "x"}, closed=False),
        [{}],
        ("REQUIRED_ATTRIBUTE_ADDED /required/a",),
    ),
    Row(
        "required added with a default that something else forbids",
        an_object(closed=False),
        {
            "allOf": [
                an_object("a", a={**INT, "default": 0}),
                {"additionalProperties": False},
            ]
        },
        [{}],
        ("REQUIRED_ATTRIBUTE_ADDED /required/a",),
    ),
    Row("required removed", an_object("a", a=INT), A, [{"a": 1}]),
    Row(
        "a dependency added",
        A,
        {**A, "dependencies": {"a": ["b"]}},
        [{"a": 1}],
        ("DEPENDENCY_ADDED /dependencies/a",),
    ),
    Row("a dependency removed", {**A, "dependencies": {"a": ["b"]}}, A, [{"a": 1, "b": 2}]),
    Row(
        "a dependency on what is required anyway",
        an_object("b", b=INT),
        {**an_object("b", b=INT), "dependencies": {"a": ["b"]}},
        [{"b": 1, "a": 2}],
    ),
    Row(
        "fewest properties raised",
        A,
        {**A, "minProperties": 1},
        [{}],
        ("MIN_PROPERTIES_ADDED /minProperties",),
    ),
    Row(
        "fewest properties raised to those required",
        an_object("a", a=INT),
        {**an_object("a", a=INT), "minProperties": 1},
        [{"a": 1}],
    ),
    Row(
        "most properties lowered",
        {**A, "maxProperties": 2},
        {**A, "maxProperties": 1},
        [{"a": 1, "b": 2}],
        ("MAX_PROPERTIES_DECREASED /maxProperties",),
    ),
    # types
    Row("a type added", INT, {"type": ["integer", "null"]}, [1]),
    Row("a type removed", {"type": ["integer", "null"]}, INT, [None], ("TYPE_NARROWED /type",)),
    Row("a type changed", INT, TEXT, [1], ("TYPE_CHANGED /type",)),
    Row("anything is accepted", INT, {}, [1]),
    Row("anything was accepted", {}, INT, ["x"], ("TYPE_NARROWED /type",)),
    Row("nothing is accepted any more", INT, False, [1], ("NOTHING_FITS /",)),
    Row("nothing was accepted", False, INT, []),
    # strings
    Row(
        "shorter strings only",
        {**TEXT, "maxLength": 5},
        {**TEXT, "maxLength": 4},
        ["abcde"],
        ("MAX_LENGTH_DECREASED /maxLength",),
    ),
    Row("longer strings too", {**TEXT, "maxLength": 5}, {**TEXT, "maxLength": 6}, ["abcde"]),
    Row("longer strings only", TEXT, {**TEXT, "minLength": 1}, [""], ("MIN_LENGTH_ADDED /minLength",)),
    Row("a shortest length of nothing", TEXT, {**TEXT, "minLength": 0}, [""]),
    Row("a pattern added", TEXT, {**TEXT, "pattern": "^a"}, ["b"], ("PATTERN_ADDED /pattern",)),
    Row(
        "a pattern changed",
        {**TEXT, "pattern": "^b"},
        {**TEXT, "pattern": "^a"},
        ["b"],
        ("PATTERN_CHANGED /pattern",),
    ),
    Row("a pattern removed", {**TEXT, "pattern": "^a"}, TEXT, ["a"]),
    # numbers
    Row(
        "a lower maximum", {**INT, "maximum": 5}, {**INT, "maximum": 4}, [5], ("MAXIMUM_DECREASED /maximum",)
    ),
    Row("a higher maximum", {**INT, "maximum": 5}, {**INT, "maximum": 6}, [5]),
    Row("a maximum added", INT, {**INT, "maximum": 5}, [6], ("MAXIMUM_ADDED /maximum",)),
    Row(
        "a minimum becomes exclusive",
        {"type": "number", "minimum": 0},
        {"type": "number", "exclusiveMinimum": 0},
        [0],
        ("EXCLUSIVE_MINIMUM_INCREASED /minimum",),
    ),
    Row(
        "an exclusive minimum becomes a minimum",
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "number", "minimum": 0},
        [1],
    ),
    Row(
        "coarser steps",
        {**INT, "multipleOf": 2},
        {**INT, "multipleOf": 4},
        [2],
        ("MULTIPLE_OF_CHANGED /multipleOf",),
    ),
    Row("finer steps", {**INT, "multipleOf": 4}, {**INT, "multipleOf": 2}, [4]),
    Row("whole numbers are multiples of a half", INT, {"type": "number", "multipleOf": 0.5}, [3]),
    # values
    Row("an enum extended", {"enum": ["a"]}, {"enum": ["a", "b"]}, ["a"]),
    Row("an enum narrowed", {"enum": ["b", "a"]}, {"enum": ["a"]}, ["b"], ("ENUM_ARRAY_NARROWED /",)),
    Row("an enum added", TEXT, {"enum": ["a"]}, ["b"], ("ENUM_ARRAY_NARROWED /enum",)),
    Row("an enum removed", {"enum": ["a"]}, TEXT, ["a"]),
    Row(
        "an enum becomes something shorter",
        {"enum": ["aa", "b"]},
        {**TEXT, "maxLength": 1},
        ["aa"],
        ("TYPE_NARROWED /",),
    ),
    Row("a constant changed", {"const": 1}, {"const": 2}, [1], ("VALUES_NARROWED /",)),
    Row("true and false are the two booleans", {"type": "boolean"}, {"enum": [True, False]}, [True, False]),
    # arrays
    Row(
        "elements widened",
        {"type": "array", "items": INT},
        {"type": "array", "items": {"type": "number"}},
        [[1]],
    ),
    Row(
        "elements narrowed",
        {"type": "array", "items": {"type": "number"}},
        {"type": "array", "items": INT},
        [[1.5]],
        ("TYPE_NARROWED /items/type",),
    ),
    Row(
        "a tuple's element changed",
        {"type": "array", "items": [INT, TEXT]},
        {"type": "array", "items": [INT, INT]},
        [[1, "x"]],
        ("TYPE_CHANGED /items/1/type",),
    ),
    Row(
        "a tuple closed",
        {"type": "array", "items": [INT]},
        {"type": "array", "items": [INT], "additionalItems": False},
        [[1, 2]],
        ("NOTHING_FITS /items",),
    ),
    Row(
        "elements to an open tuple",
        {"type": "array", "items": [INT]},
        {"type": "array", "items": [INT, TEXT]},
        [[1, 2]],
        ("TYPE_NARROWED /items/1/type",),
    ),
    Row(
        "more elements needed",
        {"type": "array"},
        {"type": "array", "minItems": 1},
        [[]],
        ("MIN_ITEMS_ADDED /minItems",),
    ),
    Row(
        "fewer elements allowed",
        {"type": "array", "maxItems": 3},
        {"type": "array", "maxItems": 2},
        [[1, 2, 3]],
        ("MAX_ITEMS_DECREASED /maxItems",),
    ),
    Row(
        "elements must differ",
        {"type": "array"},
        {"type": "array", "uniqueItems": True},
        [[1, 1]],
        ("UNIQUE_ITEMS_ADDED /uniqueItems",),
    ),
    # combinations
    Row("a branch added to anyOf", {"anyOf": [INT]}, {"anyOf": [INT, TEXT]}, [1]),
    Row(
        "a branch removed from anyOf",
        {"anyOf": [INT, TEXT]},
        {"anyOf": [INT]},
        ["x"],
        ("SUM_TYPE_NARROWED /anyOf",),
    ),
    Row("types become branches", {"type": ["integer", "string"]}, {"anyOf": [TEXT, INT]}, [1, "x"]),
    Row(
        "a branch added to oneOf, told apart by a constant",
        {"oneOf": [CARD]},
        {"oneOf": [CARD, CASH]},
        [{"kind": "card"}],
    ),
    Row(
        "a branch added to oneOf that takes the same",
        {"oneOf": [INT]},
        {"oneOf": [INT, {"type": "number"}]},
        [1],
        ("COMBINED_TYPE_CHANGED /oneOf",),
    ),
    Row(
        "oneOf as it was",
        {"oneOf": [CARD, an_object(a=INT)]},
        {"oneOf": [CARD, an_object(a=INT)]},
        [{"kind": "cash"}],
    ),
    Row(
        "allOf with more",
        {"allOf": [A]},
        {"allOf": [A, {"required": ["a"]}]},
        [{}],
        ("REQUIRED_ATTRIBUTE_ADDED /required/a",),
    ),
    Row("allOf with less", {"allOf": [A, {"required": ["a"]}]}, A, [{"a": 1}]),
    Row("allOf says what one said", an_object("a", a=INT), {"allOf": [A, {"required": ["a"]}]}, [{"a": 1}]),
    Row(
        "not, as it was",
        {"type": "string", "not": {"const": "x"}},
        {"type": "string", "not": {"const": "x"}, "title": "t"},
        ["y"],
    ),
    Row("not, new", TEXT, {"type": "string", "not": {"const": "x"}}, ["x"], ("NOT_CHANGED /not",)),
    Row(
        "if and then, new",
        A,
        {**A, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
        [{"a": 1}],
        ("IF_CHANGED /if",),
    ),
    # references
    Row("a schema that holds itself", NODE, NODE, [{"next": {"value": 1}}]),
    Row(
        "a schema that holds itself, wider",
        NODE,
        json.loads(json.dumps(NODE).replace("integer", "number")),
        [{"next": {"value": 1}}],
    ),
    Row(
        "a schema that holds itself, changed",
        NODE,
        json.loads(json.dumps(NODE).replace("integer", "string")),
        [{"next": {"value": 1}}],
        ("TYPE_CHANGED /properties/value/type",),
    ),
    Row("a definition spelled out", {"$ref": "#/definitions/i", "definitions": {"i": INT}}, INT, [1]),
    # words
    Row(
        "titles and descriptions mean nothing",
        {**INT, "title": "a"},
        {**INT, "title": "b", "description": "c"},
        [1],
    ),
    Row("a default changed", {**INT, "default": 1}, {**INT, "default": 2}, [1]),
]
