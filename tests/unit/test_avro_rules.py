"""Avro's schema resolution, rule by rule: what is called readable is read by fastavro, what is refused is not.

Each row has a value that the writer wrote. Where the reader is said to read it, fastavro does; where it is refused,
fastavro fails on that very value, or makes of it what the reader's schema does not describe.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import avro.compatibility
import avro.name
import avro.schema
import fastavro
import pytest
from fastavro.validation import validate

from streamlab.schemas.avro_rules import incompatibilities
from streamlab.schemas.avro_schema import AvroSchema, parse
from tests.unit.avro_pairs import ROWS, Row, decimal, field, record


def schema(tree: Any) -> AvroSchema:
    return parse(json.dumps(tree))


def resolved(row: Row) -> Any:
    """What fastavro makes of the written value. Raises when it makes nothing of it, or what does not fit."""
    out = BytesIO()
    writer, reader = schema(row.writer), schema(row.reader)
    fastavro.schemaless_writer(out, writer.parsed, row.written)
    out.seek(0)
    value = fastavro.schemaless_reader(out, writer.parsed, reader.parsed)
    assert out.tell() == len(out.getvalue())
    assert validate(value, reader.parsed, raise_errors=False)
    return value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence)
def test_a_rule_of_the_specification(row: Row):
    found = incompatibilities(schema(row.reader), schema(row.writer))
    assert tuple(f"{one.kind} {one.path}" for one in found) == row.refused
    if row.refused:
        with pytest.raises(Exception):  # noqa: B017 - fastavro has an exception for every occasion
            resolved(row)
    elif row.read is not None:
        assert resolved(row) == row.read
    else:
        resolved(row)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence)
def test_the_avro_package_comes_to_the_same_verdict(row: Row):
    theirs = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(
        *(
            avro.schema.make_avsc_object(schema(side).tree, avro.name.Names())
            for side in (row.reader, row.writer)
        )
    )
    compatible = theirs.compatibility is avro.compatibility.SchemaCompatibilityType.compatible
    assert compatible == (not row.refused if row.theirs is None else row.theirs)


@pytest.mark.parametrize(
    ("reader", "refused"),
    [((6, 2), True), ((4, 1), True), ((4, 2), False)],
    ids=["precision", "scale", "same"],
)
def test_8_decimals_must_have_the_same_precision_and_scale(reader, refused):
    """fastavro reads a decimal by the writer's scale, so it has no witness for this rule; other languages do."""
    found = incompatibilities(schema(decimal(*reader)), schema(decimal(4, 2)))
    assert [one.kind for one in found] == (["DECIMAL_MISMATCH"] if refused else [])


def test_a_union_of_two_records_of_one_name_takes_the_one_of_the_same_namespace_too():
    """The specification takes the first that matches, Java the one of the very same name: both must do."""
    ours = [record("x.A", field("b", "int")), record("y.A", field("a", "int"))]
    found = incompatibilities(schema(ours), schema(record("y.A", field("a", "int"), field("c", "int"))))
    assert [f"{one.kind} {one.path}" for one in found] == ["READER_FIELD_MISSING_DEFAULT_VALUE /0/fields/0"]


def test_a_type_used_in_many_places_is_looked_at_once():
    """Thirty types, each with two fields of the next: a checker that walks every path would never end."""
    deep: Any = "int"
    for depth in range(30):
        again = deep if isinstance(deep, str) else deep["name"]
        deep = record(f"R{depth}", field("a", deep), field("b", again))
    wider = json.loads(json.dumps(deep).replace('"int"', '"long"'))
    assert incompatibilities(schema(wider), schema(deep)) == []


def test_unions_without_end_are_refused_and_not_tried():
    def union(extra):
        return schema([{"type": "record", "name": f"R{n}", "fields": extra} for n in range(1_500)])

    found = incompatibilities(union([field("a", "int", default=1)]), union([]))
    assert [one.kind for one in found] == ["TOO_COMPLEX"]
