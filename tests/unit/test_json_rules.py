"""JSON Schema compatibility, rule by rule, with the validator as the judge.

Each row has values that fit the old schema. Where the new one is called compatible, all of them fit it (with its
defaults filled in); where it is refused, the first of them does not.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

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
