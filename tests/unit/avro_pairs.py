"""Pairs of Avro schemas, a reader's and a writer's, for every rule of the specification."""

from __future__ import annotations

from typing import Any, NamedTuple


class Row(NamedTuple):
    sentence: str
    reader: Any
    writer: Any
    written: Any
    read: Any = None  # what the reader makes of it
    refused: tuple[str, ...] = ()  # "KIND path", when it is not readable
    theirs: bool | None = None  # the avro package's verdict, where it differs


def record(name: str, *fields: Any, **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(name: str, *symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def fixed(name: str, size: int, **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size, **more}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def map_of(values: Any) -> dict[str, Any]:
    return {"type": "map", "values": values}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


A = record("A", field("a", "int"))
NODE = record("Node", field("value", "int"), field("next", ["null", "Node"]))
NODES = {"value": 1, "next": {"value": 2, "next": None}}

SAMPLES: dict[str, Any] = {
    "null": None, "boolean": True, "int": 7, "long": 2**40, "float": 1.5, "double": 2.5, "bytes": b"x", "string": "y",
}  # fmt: skip
PROMOTIONS = {
    ("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"), ("float", "double"),
    ("string", "bytes"), ("bytes", "string"),
}  # fmt: skip

ROWS = [
    Row("1: every branch of a writer's union is read into one type", "long", ["int", "long"], 5, 5),
    Row(
        "1: a branch that the reader cannot read is refused",
        "int",
        ["int", "string"],
        "x",
        None,
        ("TYPE_MISMATCH /",),
    ),
    Row("1: both sides are unions, in another order", ["string", "null"], ["null", "string"], "x", "x"),
    Row(
        "1: the reader's union lacks a branch",
        ["null", "int"],
        ["null", "int", "string"],
        "x",
        None,
        ("MISSING_UNION_BRANCH /",),
    ),
    Row("2: a type into a union that has it", ["null", "string"], "string", "x", "x"),
    Row("2: a type into a union that promotes it", ["null", "double"], "int", 3, 3),
    Row(
        "2: a type into a union without it",
        ["null", "boolean"],
        "string",
        "x",
        None,
        ("MISSING_UNION_BRANCH /",),
    ),
    Row(
        "2: the branch that matches is resolved",
        ["null", record("A", field("b", "int"))],
        A,
        {"a": 1},
        None,
        ("READER_FIELD_MISSING_DEFAULT_VALUE /1/fields/0",),
    ),
    Row("2: of records the branch of that name", ["null", record("B"), A], A, {"a": 1}, {"a": 1}),
    Row("4: arrays by their items", array("long"), array("int"), [1, 2], [1, 2]),
    Row(
        "4: arrays of what cannot be read",
        array("int"),
        array("string"),
        ["x"],
        None,
        ("TYPE_MISMATCH /items",),
    ),
    Row("4: maps by their values", map_of("double"), map_of("float"), {"k": 1.5}, {"k": 1.5}),
    Row(
        "4: maps of what cannot be read",
        map_of("int"),
        map_of("string"),
        {"k": "x"},
        None,
        ("TYPE_MISMATCH /values",),
    ),
    Row("4: an array is no map", map_of("int"), array("int"), [1], None, ("TYPE_MISMATCH /",)),
    Row("5: fixed of one name and size", fixed("F", 2), fixed("F", 2), b"ab", b"ab"),
    Row(
        "5: fixed of another size", fixed("F", 3), fixed("F", 2), b"ab", None, ("FIXED_SIZE_MISMATCH /size",)
    ),
    Row("5: fixed of another name", fixed("G", 2), fixed("F", 2), b"ab", None, ("NAME_MISMATCH /name",)),
    Row("5: fixed of another name with an alias", fixed("G", 2, aliases=["F"]), fixed("F", 2), b"ab", b"ab"),
    Row("6: an enum with more symbols", enum("E", "A", "B", "C"), enum("E", "A", "B"), "B", "B"),
    Row("6: an enum in another order", enum("E", "B", "A"), enum("E", "A", "B"), "B", "B"),
    Row(
        "6: an enum with a symbol less",
        enum("E", "A"),
        enum("E", "A", "B"),
        "B",
        None,
        ("MISSING_ENUM_SYMBOLS /symbols",),
    ),
    Row(
        "6: an enum with a symbol less and a default",
        enum("E", "A", default="A"),
        enum("E", "A", "B"),
        "B",
        "A",
    ),
    Row(
        "6: a default of the writer's enum helps nobody",
        enum("E", "A"),
        enum("E", "A", "B", default="A"),
        "B",
        None,
        ("MISSING_ENUM_SYMBOLS /symbols",),
    ),
    Row("6: an enum of another name", enum("G", "A"), enum("E", "A"), "A", None, ("NAME_MISMATCH /name",)),
    Row("6: an enum is no string", "string", enum("E", "A"), "A", None, ("TYPE_MISMATCH /",)),
    Row(
        "7: a field added with a default",
        record("A", field("a", "int"), field("b", "string", default="x")),
        A,
        {"a": 1},
        {"a": 1, "b": "x"},
    ),
    Row(
        "7: a default of bytes is bytes",
        record("A", field("a", "int"), field("b", "bytes", default="\u00ff")),
        A,
        {"a": 1},
        {"a": 1, "b": b"\xff"},
    ),
    Row(
        "7: a field added without a default",
        record("A", field("a", "int"), field("b", "string")),
        A,
        {"a": 1},
        None,
        ("READER_FIELD_MISSING_DEFAULT_VALUE /fields/1",),
    ),
    Row(
        "7: a nullable field needs a default too",
        record("A", field("a", "int"), field("b", ["null", "string"])),
        A,
        {"a": 1},
        None,
        ("READER_FIELD_MISSING_DEFAULT_VALUE /fields/1",),
    ),
    Row(
        "7: a field removed",
        record("A", field("a", "int")),
        record("A", field("a", "int"), field("b", "string")),
        {"a": 1, "b": "x"},
        {"a": 1},
    ),
    Row(
        "7: fields in another order",
        record("A", field("b", "string"), field("a", "int")),
        record("A", field("a", "int"), field("b", "string")),
        {"a": 1, "b": "x"},
        {"a": 1, "b": "x"},
    ),
    Row(
        "7: a field renamed with an alias",
        record("A", field("c", "int", aliases=["a"])),
        A,
        {"a": 1},
        {"c": 1},
    ),
    Row(
        "7: a field renamed without",
        record("A", field("c", "int")),
        A,
        {"a": 1},
        None,
        ("READER_FIELD_MISSING_DEFAULT_VALUE /fields/0",),
    ),
    Row("7: a field promoted", record("A", field("a", "double")), A, {"a": 1}, {"a": 1}),
    Row(
        "7: a field of another type",
        record("A", field("a", "string")),
        A,
        {"a": 1},
        None,
        ("TYPE_MISMATCH /fields/0/type",),
    ),
    Row(
        "7: an enum's own default is none of its field",
        record("A", field("a", "int"), field("e", enum("E", "X", default="X"))),
        A,
        {"a": 1},
        None,
        ("READER_FIELD_MISSING_DEFAULT_VALUE /fields/1",),
    ),
    Row(
        "7: a record of another name",
        record("B", field("a", "int")),
        A,
        {"a": 1},
        None,
        ("NAME_MISMATCH /name",),
    ),
    Row(
        "7: a record of another namespace",
        record("x.A", field("a", "int")),
        record("y.A", field("a", "int")),
        {"a": 1},
        {"a": 1},
    ),
    Row(
        "7: a record renamed with an alias",
        record("x.B", field("a", "int"), aliases=["x.A"]),
        record("x.A", field("a", "int")),
        {"a": 1},
        {"a": 1},
    ),
    Row(
        "7: an alias without a namespace is in the reader's",
        record("x.B", field("a", "int"), aliases=["A"]),
        record("x.A", field("a", "int")),
        {"a": 1},
        {"a": 1},
    ),
    Row(
        "7: a record inside a record",
        record("O", field("a", record("A", field("a", "long")))),
        record("O", field("a", A)),
        {"a": {"a": 1}},
        {"a": {"a": 1}},
    ),
    Row(
        "7: a fault inside a record inside",
        record("O", field("a", record("A", field("b", "int")))),
        record("O", field("a", A)),
        {"a": {"a": 1}},
        None,
        ("READER_FIELD_MISSING_DEFAULT_VALUE /fields/0/type/fields/0",),
    ),
    Row(
        "7: one alias for two fields of the writer",
        record("A", field("c", "int", aliases=["a", "b"])),
        record("A", field("a", "int"), field("b", "int")),
        {"a": 1, "b": 2},
        None,
        ("AMBIGUOUS_ALIAS /fields/0",),
        theirs=True,
    ),
    Row("7: a record is no map", map_of("int"), A, {"a": 1}, None, ("TYPE_MISMATCH /",)),
    Row("a schema that holds itself", NODE, NODE, NODES, NODES),
    Row(
        "a schema that holds itself, promoted",
        record("Node", field("value", "long"), field("next", ["null", "Node"])),
        NODE,
        NODES,
        NODES,
    ),
    Row(
        "a fault in a schema that holds itself is named once",
        record("Node", field("value", "string"), field("next", ["null", "Node"])),
        NODE,
        NODES,
        None,
        ("TYPE_MISMATCH /fields/0/type",),
    ),
    Row(
        "several faults are all named",
        record("A", field("a", "string"), field("b", "int"), field("c", "int")),
        A,
        {"a": 1},
        None,
        (
            "TYPE_MISMATCH /fields/0/type",
            "READER_FIELD_MISSING_DEFAULT_VALUE /fields/1",
            "READER_FIELD_MISSING_DEFAULT_VALUE /fields/2",
        ),
    ),
]
ROWS += [
    Row(
        f"3: {writer} as {reader}", reader, writer, SAMPLES[writer], None,
        () if writer == reader or (writer, reader) in PROMOTIONS else ("TYPE_MISMATCH /",),
    )
    for writer in SAMPLES
    for reader in SAMPLES
]  # fmt: skip
