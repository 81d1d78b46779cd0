"""JSON Schema evolution, by chance: what is called compatible takes old values, what is refused has one it does not.

A schema is drawn, open and closed objects among it, then one change is made at one place of it. Each kind of change
knows what the verdict must be, and for a refusal the value that the changed place takes no more.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.schemas.json_defaults import Filler
from streamlab.schemas.json_rules import incompatibilities
from streamlab.schemas.json_schema import JsonSchema, parse
from tests.unit.json_changes import NONE, evolutions, schemas, values


def schema(tree: Any) -> JsonSchema:
    return parse(json.dumps(tree))


def takes(new: JsonSchema, value: Any) -> bool:
    """As a reader does, with defaults filled in."""
    return new.accepts(Filler(new).fill(deepcopy(value)))


@settings(max_examples=150)
@given(evolutions(), st.data())
def test_what_is_called_compatible_takes_old_values_and_what_is_refused_does_not(evolution, data):
    before, after, witness = evolution
    old, new = schema(before), schema(after)
    found = incompatibilities(new, old)
    assert bool(found) == (witness is not NONE), found
    if found:
        assert old.accepts(witness)
        assert not takes(new, witness)
    else:
        value = data.draw(values(before))
        assert old.accepts(value)
        assert takes(new, value)


@settings(max_examples=150)
@given(schemas(), schemas(), st.data())
def test_any_two_schemas_called_compatible_take_each_others_values(before, after, data):
    old, new = schema(before), schema(after)
    value = data.draw(values(before))
    if not incompatibilities(new, old):
        assert takes(new, value)


@settings(max_examples=150)
@given(schemas(1), schemas(1), schemas(1), st.sampled_from(["anyOf", "oneOf", "allOf"]), st.data())
def test_combinations_are_never_called_compatible_wrongly(one, other, third, keyword, data):
    old, new = schema({keyword: [one, other]}), schema({keyword: [one, other, third]})
    value = data.draw(st.one_of(values(one), values(other)))
    for reader, writer in ((old, new), (new, old)):
        if writer.accepts(value) and not incompatibilities(reader, writer):
            assert takes(reader, value)


@settings(max_examples=100)
@given(schemas())
def test_a_schema_is_compatible_with_itself_and_with_its_own_canonical_form(tree):
    one = schema(tree)
    assert incompatibilities(one, one) == []
    assert parse(one.canonical).canonical == one.canonical
    assert incompatibilities(parse(one.canonical), schema({**tree, "title": "other"})) == []
