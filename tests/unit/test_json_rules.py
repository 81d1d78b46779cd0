"""JSON Schema compatibility, rule by rule, with the validator as the judge.

Each row has values that fit the old schema. Where the new one is called compatible, all of them fit it (with its
defaults filled in); where it is refused, the first of them does not.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from streamlab.schemas.errors import InvalidSchemaError
from streamlab.schemas.json_defaults import Filler
from streamlab.schemas.json_rules import incompatibilities
from streamlab.schemas.json_schema import JsonSchema, parse
from tests.unit.json_pairs import INT, ROWS, TEXT, Row


def schema(tree: Any) -> JsonSchema:
    return parse(json.dumps(tree))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence)
def test_a_rule_of_the_content_models(row: Row):
    old, new = schema(row.old), schema(row.new)
    found = incompatibilities(new, old)
    paths = tuple(f"{one.kind} {one.path}" for one in found)
    assert set(row.refused) <= set(paths) and bool(paths) == bool(row.refused), paths
    assert all(old.accepts(value) for value in row.values)
    if row.refused:
        assert not new.accepts(Filler(new).fill(deepcopy(row.values[0])))
    else:
        assert all(new.accepts(Filler(new).fill(deepcopy(value))) for value in row.values)


@pytest.mark.parametrize(
    ("draft", "refused"),
    [
        ("http://json-schema.org/draft-07/schema#", False),
        ("https://json-schema.org/draft/2020-12/schema", True),
    ],
)
def test_what_stands_beside_a_reference_counts_since_2019(draft, refused):
    old = schema({"$schema": draft, "$ref": "#/definitions/t", "definitions": {"t": TEXT}})
    new = schema({"$schema": draft, "$ref": "#/definitions/t", "definitions": {"t": TEXT}, "maxLength": 3})
    assert new.accepts("abcd") is not refused
    assert bool(incompatibilities(new, old)) is refused


def test_draft_2020_tuples_are_prefix_items():
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "array"}
    old, new = ({**draft, "prefixItems": [first], "items": False} for first in (INT, TEXT))
    assert [one.path for one in incompatibilities(schema(new), schema(old))] == ["/items/0/type"]


def test_branches_without_end_are_refused_and_not_tried():
    branch = {"anyOf": [{"maxLength": n} for n in range(10)]}
    found = incompatibilities(schema({"allOf": [branch] * 3, "title": "t"}), schema({"allOf": [branch] * 3}))
    assert [one.kind for one in found] == ["TOO_COMPLEX"]


DRAFT_4, DRAFT_7, DRAFT_2020 = (
    {"$schema": f"http{secure}://json-schema.org/{draft}/schema{end}"}
    for secure, draft, end in (("", "draft-04", "#"), ("", "draft-07", "#"), ("s", "draft/2020-12", ""))
)
TWO_TEXTS = {"contains": TEXT, "minContains": 2}


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ({"prefixItems": [TEXT]}, {"items": [TEXT]}, [1]),
        ({"prefixItems": [TEXT]}, DRAFT_2020 | {"prefixItems": [TEXT]}, [1]),
        (DRAFT_4 | {"const": 5}, DRAFT_4 | {"enum": [5]}, 6),
        (DRAFT_4 | {"not": {"const": 5, "type": "string"}}, {"not": {"const": 5}}, 5),
        (DRAFT_4 | {"if": TEXT, "then": {"not": {}}}, {"if": TEXT, "then": {"not": {}}}, "x"),
        (DRAFT_2020 | {"dependencies": {"a": ["b"]}}, DRAFT_7 | {"dependencies": {"a": ["b"]}}, {"a": 1}),
        (TWO_TEXTS, DRAFT_2020 | TWO_TEXTS, ["a"]),
        ({"type": "integer"}, DRAFT_4 | {"type": "integer"}, 1.0),
        ({"type": "number", "multipleOf": 1}, DRAFT_4 | {"type": "integer"}, 1.0),
        ({"items": {"type": "integer"}}, DRAFT_4 | {"items": {"type": "integer"}}, [1.0]),
    ],
)
def test_a_keyword_counts_only_in_drafts_that_know_it(old, new, value):
    assert schema(old).accepts(value) and not schema(new).accepts(value)
    assert incompatibilities(schema(new), schema(old))


def test_large_multiples_are_compared_exactly():
    old, new = schema({"multipleOf": 10**17}), schema({"multipleOf": 3})
    assert old.accepts(10**17) and not new.accepts(10**17)
    assert incompatibilities(new, old)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"$schema": "http://json-schema.org/draft-03/schema#"}', "draft 3 is not offered"),
        ('{"title": "\\ud800"}', "surrogates not allowed"),
    ],
)
def test_what_cannot_be_compared_or_stored_is_refused(text, why):
    with pytest.raises(InvalidSchemaError, match=why):
        parse(text)


def test_long_lists_of_texts_are_compared_and_checked_at_once():
    codes = [f"code-{n}" for n in range(20_000)]  # one by one, 200 million comparisons
    old, new = schema({"enum": codes}), schema({"enum": [*codes, "one-more", 7]})
    assert incompatibilities(new, old) == []
    [narrowed] = incompatibilities(old, new)
    assert narrowed.message == "'one-more', 7 is accepted no more."
    assert new.accepts(7) and not new.accepts("code")
    assert not schema({"enum": [1]}).accepts(True)
    assert len(new.error("code")[1]) < 500


def test_patterns_and_names_without_end_are_refused_and_not_tried():
    many = {f"^x{n}": {"type": "string", "maxLength": 9} for n in range(600)}
    names = {f"x{n}": {"type": "string"} for n in range(600)}
    tree = {"patternProperties": many, "properties": names}
    found = incompatibilities(schema(tree | {"maxProperties": 9}), schema(tree))
    assert [one.kind for one in found] == ["TOO_COMPLEX"]
