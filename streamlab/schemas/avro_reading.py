"""Reading Avro that strangers wrote, so that no bytes of theirs can end or stop the process that reads them.

Two things that the specification allows, and a fast reader falls for:

- a schema that refers to itself: each byte may nest one level deeper, and a reader in C runs out of stack, which ends
  the process. Such schemas are read by fastavro's reader in Python: slower, but too deep is an exception there;
- an array of items that take no bytes (`null`, a record without fields): ten bytes may claim any number of them.
  Such a value is refused.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any
from weakref import WeakKeyDictionary

import fastavro
from fastavro import _read_py

from .avro_schema import NAMED, AvroSchema

Tree = Any


class EndlessArrayError(ValueError):
    """Raised for a value whose schema has arrays of items that take no bytes."""


def read(stream: BytesIO, writer: AvroSchema, reader: AvroSchema | None = None) -> Any:
    """The value at the stream's position. Raises whatever the bytes make fastavro stumble over."""
    kind = _KINDS.get(writer)
    if kind is None:
        kind = _KINDS[writer] = refers_to_itself(writer), has_endless_arrays(writer)
    nests, endless = kind
    if endless:
        raise EndlessArrayError("Its arrays may claim any number of items in a few bytes.")
    parsed = None if reader is None else reader.parsed
    if nests:
        return _read_py.schemaless_reader(stream, writer.parsed, parsed, False)
    return fastavro.schemaless_reader(stream, writer.parsed, parsed)


_KINDS: WeakKeyDictionary[AvroSchema, tuple[bool, bool]] = WeakKeyDictionary()


def refers_to_itself(schema: AvroSchema) -> bool:
    """Whether a value can nest without end.

    >>> from .avro_schema import parse
    >>> refers_to_itself(parse('{"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}'))
    True
    >>> refers_to_itself(parse('["null", {"type": "array", "items": "long"}]'))
    False
    """
    return _refers(schema.tree, frozenset())


def _refers(node: Tree, around: frozenset[str]) -> bool:
    if isinstance(node, str):
        return node in around
    if isinstance(node, list):
        return any(_refers(branch, around) for branch in node)
    if node["type"] in NAMED:
        around |= {node["name"]}
    inner = [node[name] for name in ("items", "values") if name in node]
    inner += [field["type"] for field in node.get("fields", ())]
    return any(_refers(part, around) for part in inner)


def has_endless_arrays(schema: AvroSchema) -> bool:
    """Whether it has an array of items that take no bytes.

    >>> from .avro_schema import parse
    >>> has_endless_arrays(parse('{"type": "array", "items": "null"}'))
    True
    >>> has_endless_arrays(parse('{"type": "array", "items": ["null", "long"]}'))
    False
    """
    return _has_endless(schema.tree, schema)


def _has_endless(node: Tree, schema: AvroSchema) -> bool:
    if isinstance(node, str):
        return False
    if isinstance(node, list):
        return any(_has_endless(branch, schema) for branch in node)
    if node["type"] == "array" and _takes_nothing(node["items"], schema, frozenset()):
        return True
    inner = [node[name] for name in ("items", "values") if name in node]
    inner += [field["type"] for field in node.get("fields", ())]
    return any(_has_endless(part, schema) for part in inner)


def _takes_nothing(node: Tree, schema: AvroSchema, met: frozenset[str]) -> bool:
    node = schema.names.get(node, node) if isinstance(node, str) else node
    if not isinstance(node, dict):
        return bool(node == "null")
    if node["type"] == "null":
        return True
    if node["type"] == "fixed":
        return bool(node["size"] == 0)
    if node["type"] not in ("record", "error") or node["name"] in met:
        return False
    met |= {node["name"]}
    return all(_takes_nothing(field["type"], schema, met) for field in node["fields"])
