"""Avro evolution, by chance: what is called readable is read by fastavro, what is refused has a value that is not.

A schema is drawn, then one change is made at one place of it, then values are drawn that the old schema writes. Each
kind of change knows what the verdict must be. For a refusal one of two values is the witness, which between them lead
to every place of the schema.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
from fastavro.validation import validate
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.schemas.avro_rules import incompatibilities
from streamlab.schemas.avro_schema import AvroSchema, parse
from tests.unit.avro_changes import Names, Tree, evolutions, records, some, types, values


def schema(tree: Tree) -> AvroSchema:
    return parse(json.dumps(tree))


def reads(reader: AvroSchema, writer: AvroSchema, value: Any) -> bool:
    """fastavro makes something of it that the reader's schema describes, and leaves no byte."""
    out = BytesIO()
    fastavro.schemaless_writer(out, writer.parsed, value)
    out.seek(0)
    try:
        read = fastavro.schemaless_reader(out, writer.parsed, reader.parsed)
    except Exception:
        return False
    return out.tell() == len(out.getvalue()) and bool(validate(read, reader.parsed, raise_errors=False))


def witnesses(tree: Tree) -> list[Any]:
    """Values that between them reach every place: the plain one, and the one with null in every union."""
    plain = some(tree)
    return [plain, _with_nulls(tree)]


def _with_nulls(tree: Tree) -> Any:
    if isinstance(tree, list):
        return None
    if isinstance(tree, dict) and tree["type"] == "array":
        return [_with_nulls(tree["items"])]
    if isinstance(tree, dict) and tree["type"] == "map":
        return {"k": _with_nulls(tree["values"])}
    if isinstance(tree, dict) and tree["type"] == "record":
        return {field["name"]: _with_nulls(field["type"]) for field in tree["fields"]}
    return some(tree)


@settings(max_examples=250)
@given(evolutions(), st.data())
def test_what_is_called_readable_is_read_and_what_is_refused_is_not(evolution, data):
    old, new, expected = evolution
    writer, reader = schema(old), schema(new)
    found = incompatibilities(reader, writer)
    assert (not found) == expected, found
    if found:
        assert any(not reads(reader, writer, value) for value in witnesses(old))
    else:
        assert reads(reader, writer, data.draw(values(old)))


@settings(max_examples=60)
@given(st.data())
def test_a_schema_reads_what_it_wrote_and_is_one_with_its_own_canonical_form(data):
    tree = data.draw(records(Names(), 2))
    one = schema(tree)
    assert incompatibilities(one, one) == []
    assert parse(one.canonical).canonical == one.canonical
    assert parse(one.canonical).parsing_canonical_form == one.parsing_canonical_form
    assert reads(parse(one.canonical), one, data.draw(values(tree)))


@settings(max_examples=120)
@given(st.data())
def test_any_two_schemas_called_readable_are_read(data):
    """Two unrelated types of one name: a verdict of readable is never wrong."""
    names = ["A", "B"]
    inner = [data.draw(types(Names(), 1)) for _ in names]
    old, new = ({"type": "record", "name": "R", "fields": [{"name": "f", "type": tree}]} for tree in inner)
    writer, reader = schema(old), schema(new)
    value = data.draw(values(old))
    if not incompatibilities(reader, writer) and "bytes" not in json.dumps(old):  # not all bytes are text
        assert reads(reader, writer, value)
