"""Avro schemas: read, checked by both libraries, made self-contained, and brought into canonical form.

fastavro accepts what the `avro` package refuses (a field twice, two branches of one type in a union) and the other
way round (a default that does not fit), and both accept names that no other language takes. So a schema must please
both, and the specification's rule for names.

Two forms are called canonical. The *Parsing Canonical Form* of the specification leaves out what does not change how
data is written: defaults, aliases, documentation. The registry must not leave out defaults and aliases, which change
how data is read; so the same schema is found again by a canonical form that keeps everything and only forgets spelling.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import avro.errors
import avro.name
import avro.schema
import fastavro.schema

from . import canonical
from .errors import InvalidSchemaError

Tree = Any  # JSON: str, list or dict

PRIMITIVES = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
NAMED = frozenset(("record", "error", "enum", "fixed"))
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_ERRORS = (
    ValueError, KeyError, TypeError, AttributeError, RecursionError, AssertionError,
    avro.errors.AvroException, fastavro.schema.SchemaParseException, fastavro.schema.UnknownType,
)  # fmt: skip


class AvroSchema:
    """A parsed Avro schema that needs no other: what it referred to stands inside."""

    __slots__ = ("__weakref__", "canonical", "names", "parsed", "tree")

    def __init__(self, tree: Tree, names: dict[str, Tree]):
        self.tree = tree  # full names everywhere, each named type spelled out where it is first met
        self.names = names  # full name → definition, of every named type in it
        self.parsed = fastavro.schema.parse_schema(tree)
        _bytes_defaults(self.parsed)
        self.canonical = canonical.dump(_plain(tree))

    @property
    def parsing_canonical_form(self) -> str:
        """The form of the specification, of the schema with its references spelled out."""
        return fastavro.schema.to_parsing_canonical_form(self.tree)

    def fingerprint(self, algorithm: str = "SHA-256") -> str:
        """Of the Parsing Canonical Form, in hex; `CRC-64-AVRO` is the specification's Rabin fingerprint."""
        return fastavro.schema.fingerprint(self.parsing_canonical_form, algorithm)

    @property
    def full_name(self) -> str | None:
        """Of the record, enum or fixed that it is; None for anything else."""
        return self.tree.get("name") if isinstance(self.tree, dict) else None


def parse(text: str, references: Iterable[AvroSchema] = ()) -> AvroSchema:
    """`references` are the schemas it uses. Raises InvalidSchemaError, which says what is wrong.

    >>> schema = parse('{"type": "record", "name": "a.B", "fields": [{"name": "n", "type": "int"}]}')
    >>> schema.parsing_canonical_form
    '{"name":"a.B","type":"record","fields":[{"name":"n","type":"int"}]}'
    """
    known = {name: tree for schema in references for name, tree in schema.names.items()}
    try:
        raw = canonical.load(text)
        resolved = fastavro.schema.parse_schema(raw, dict(known), _write_hint=False)
        tree = _inlined(resolved, known, set())
        names: dict[str, Tree] = {}
        _check(tree, names)
        _read_by_avro(tree)
        return AvroSchema(tree, names)
    except _ERRORS as error:
        raise InvalidSchemaError(f"This is not an Avro schema: {_said(error)}") from error


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    if isinstance(error, fastavro.schema.UnknownType):
        return f"{error.args[0]!r} is not known; refer to the schema that defines it."
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing."
    return f"{str(error)[:500].rstrip('.')}."


def _read_by_avro(tree: Tree) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logical types that it does not know: they are annotations
        avro.schema.make_avsc_object(tree, avro.name.Names())


def _inlined(node: Tree, known: Mapping[str, Tree], met: set[str]) -> Tree:
    """The tree with the definitions of referred types put where they are first used."""
    if isinstance(node, list):
        return [_inlined(branch, known, met) for branch in node]
    if isinstance(node, str):
        if node in PRIMITIVES or node in met or node not in known:
            return node
        return _inlined(known[node], known, met)
    node = dict(node)
    if node["type"] in NAMED:
        met.add(node["name"])
        node["aliases"] = [_full(alias, node["name"]) for alias in node.get("aliases", [])]
        if not node["aliases"]:
            del node["aliases"]
    for inner in ("items", "values"):
        if inner in node and node["type"] in ("array", "map"):
            node[inner] = _inlined(node[inner], known, met)
    if "fields" in node:
        node["fields"] = [{**f, "type": _inlined(f["type"], known, met)} for f in node["fields"]]
    return node


def _full(alias: str, owner: str) -> str:
    """An alias without a namespace is in the namespace of the type that it is an alias of.

    >>> _full("Old", "shop.Order"), _full("Old", "Order"), _full("a.Old", "shop.Order")
    ('shop.Old', 'Old', 'a.Old')
    """
    namespace = owner.rpartition(".")[0]
    return f"{namespace}.{alias}" if namespace and "." not in alias else alias


def _check(node: Tree, names: dict[str, Tree]) -> None:
    """What neither library checks: names, and defaults of enums. Collects the named types."""
    if isinstance(node, list):
        for branch in node:
            if isinstance(branch, list):
                raise ValueError("a union stands directly in a union")
            _check(branch, names)
        return
    if not isinstance(node, dict):
        return
    if node["type"] in NAMED:
        _check_names(node)
        names[node["name"]] = node
    for inner in ("items", "values"):
        _check(node.get(inner), names)
    for field in node.get("fields", ()):
        _check(field["type"], names)


def _check_names(node: Mapping[str, Any]) -> None:
    fields = [field["name"] for field in node.get("fields", ())]
    for name in (node["name"], *fields, *node.get("aliases", ()), *node.get("symbols", ())):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name: use letters, digits and underscores")
    for name, times in Counter(fields).items():
        if "." in name or times > 1:
            raise ValueError(
                f"{name!r} cannot name a field: it {'has a dot' if '.' in name else 'stands twice'}"
            )
    if node["type"] == "enum" and "default" in node and node["default"] not in node["symbols"]:
        raise ValueError(f"the default {node['default']!r} of {node['name']} is not one of its symbols")


def _bytes_defaults(node: Tree) -> None:
    """Defaults of bytes stand in JSON as text, one letter a byte; fastavro would hand out the text."""
    if isinstance(node, list):
        for branch in node:
            _bytes_defaults(branch)
    if not isinstance(node, dict):
        return
    for inner in ("items", "values"):
        _bytes_defaults(node.get(inner))
    for field in node.get("fields", ()):
        kind = field["type"][0] if isinstance(field["type"], list) and field["type"] else field["type"]
        name = kind["type"] if isinstance(kind, dict) else kind
        if name in ("bytes", "fixed") and isinstance(field.get("default"), str):
            field["default"] = field["default"].encode("latin-1")
        _bytes_defaults(field["type"])


def _plain(node: Tree) -> Tree:
    """`{"type": "string"}` is "string"; sets in order. Everything that means something stays."""
    if isinstance(node, list):
        return [_plain(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    plain = {key: value for key, value in node.items() if not key.startswith("__")}
    if plain.keys() == {"type"}:
        return _plain(plain["type"])
    for inner in ("items", "values"):
        if inner in plain:
            plain[inner] = _plain(plain[inner])
    if "fields" in plain:
        plain["fields"] = [{**f, "type": _plain(f["type"])} for f in plain["fields"]]
    return plain
