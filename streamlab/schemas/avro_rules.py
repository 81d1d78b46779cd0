"""Can a reader with one Avro schema read what a writer with another wrote? Every reason why not, by path.

The rules are those of "Schema Resolution" in the Avro specification, numbered as they are checked:

1. a writer's union: every branch must be readable
2. a reader's union: its first branch that matches the writer's type is resolved against it
3. primitives: the same, or int → long → float → double, string ↔ bytes
4. array: its items; map: its values
5. fixed: names match, sizes are equal
6. enum: names match; a symbol that the reader lacks needs the reader's default
7. record: names match; a reader's field that the writer lacks, under its name and its aliases, needs a default;
   no field of either side stands for two of the other
8. decimal: precision and scale are equal

Names match when they are equal without their namespaces, or when an alias of the reader's is the writer's full name.
The `avro` package has a checker, which finds most of this but names neither path nor reason of each, and misses rule 8.
"""

from __future__ import annotations

from typing import Any

from .avro_schema import NAMED, AvroSchema
from .model import Incompatibility

Tree = Any

_PROMOTED = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


_STEPS = 2_000_000
"""Branches of unions that are held against each other; some seconds."""


class _TooComplex(Exception):
    """Raised when there are more."""


def incompatibilities(reader: AvroSchema, writer: AvroSchema) -> list[Incompatibility]:
    """Empty when the reader can read everything that the writer can write."""
    try:
        return _Check(reader, writer).run()
    except _TooComplex:
        return [Incompatibility("TOO_COMPLEX", "/", "The schemas' unions are too large to be compared.")]


class _Check:
    """One comparison. Every step of it must succeed, so a pair of named types is looked at once."""

    def __init__(self, reader: AvroSchema, writer: AvroSchema):
        self._reader, self._writer = reader, writer
        self._met: set[tuple[str, str]] = set()
        self._found: list[Incompatibility] = []
        self._steps = 0

    def run(self) -> list[Incompatibility]:
        if self._reader.tree != self._writer.tree:
            self._resolve(self._reader.tree, self._writer.tree, "")
        return self._found

    def _no(self, kind: str, path: str, message: str) -> None:
        self._found.append(Incompatibility(kind, path or "/", message))

    def _resolve(self, reader: Tree, writer: Tree, path: str) -> None:
        reader, writer = self._defined(reader, self._reader), self._defined(writer, self._writer)
        if isinstance(writer, list):
            for branch in writer:  # rule 1
                self._resolve(reader, branch, path)
        elif isinstance(reader, list):
            self._into_union(reader, writer, path)
        else:
            self._same_kind(reader, writer, path)

    @staticmethod
    def _defined(node: Tree, schema: AvroSchema) -> Tree:
        return schema.names.get(node, node) if isinstance(node, str) else node

    def _into_union(self, reader: list[Tree], writer: Tree, path: str) -> None:
        """Rule 2. Libraries differ in whether a branch of the very same name goes before the first one that matches, so
        where these are two, both must do."""
        self._steps += len(reader)
        if self._steps > _STEPS:
            raise _TooComplex
        branches = [self._defined(branch, self._reader) for branch in reader]
        matching = [i for i, branch in enumerate(branches) if self._matches(branch, writer)]
        if not matching:
            self._no(
                "MISSING_UNION_BRANCH",
                path,
                f"No branch of the reader's union matches the writer's {_called(writer)}.",
            )
            return
        same = [i for i in matching if _called(branches[i]) == _called(writer)]
        for i in dict.fromkeys([matching[0], *same[:1]]):
            self._same_kind(branches[i], writer, f"{path}/{i}")

    def _matches(self, reader: Tree, writer: Tree) -> bool:
        """What the specification calls matching: enough to choose a branch."""
        reader, writer = self._defined(reader, self._reader), self._defined(writer, self._writer)
        if isinstance(reader, list) or isinstance(writer, list):
            return True
        to, of = _type(reader), _type(writer)
        if to != of:
            return to in _PROMOTED.get(of, ())
        if of == "array":
            return self._matches(reader["items"], writer["items"])
        if of == "map":
            return self._matches(reader["values"], writer["values"])
        if of in NAMED:
            return _names_match(reader, writer) and (of != "fixed" or reader["size"] == writer["size"])
        return True

    def _same_kind(self, reader: Tree, writer: Tree, path: str) -> None:
        to, of = _type(reader), _type(writer)
        if to != of:
            if to not in _PROMOTED.get(of, ()):  # rule 3
                self._no(
                    "TYPE_MISMATCH",
                    path,
                    f"The reader's {_called(reader)} cannot read the writer's {_called(writer)}.",
                )
            return
        self._decimals(reader, writer, path)
        if of == "array":
            self._resolve(reader["items"], writer["items"], f"{path}/items")  # rule 4
        elif of == "map":
            self._resolve(reader["values"], writer["values"], f"{path}/values")
        elif of in NAMED:
            self._named(reader, writer, of, path)

    def _named(self, reader: Tree, writer: Tree, kind: str, path: str) -> None:
        pair = (reader["name"], writer["name"])
        if pair in self._met:
            return
        self._met.add(pair)
        if not _names_match(reader, writer):
            self._no(
                "NAME_MISMATCH",
                f"{path}/name",
                f"The writer's {writer['name']} is neither the reader's {reader['name']} nor one of its aliases.",
            )
        if kind == "fixed":
            self._fixed(reader, writer, path)
        elif kind == "enum":
            self._enum(reader, writer, path)
        else:
            self._record(reader, writer, path)

    def _fixed(self, reader: Tree, writer: Tree, path: str) -> None:
        if reader["size"] != writer["size"]:  # rule 5
            self._no(
                "FIXED_SIZE_MISMATCH",
                f"{path}/size",
                f"{reader['name']} has {reader['size']} bytes for the reader, {writer['size']} for the writer.",
            )

    def _enum(self, reader: Tree, writer: Tree, path: str) -> None:
        known = set(reader["symbols"])
        missing = [symbol for symbol in writer["symbols"] if symbol not in known]  # rule 6
        if missing and "default" not in reader:
            self._no(
                "MISSING_ENUM_SYMBOLS",
                f"{path}/symbols",
                f"The reader's {reader['name']} lacks {', '.join(missing[:20])} and has no default.",
            )

    def _record(self, reader: Tree, writer: Tree, path: str) -> None:
        written = {field["name"]: field for field in writer["fields"]}
        taken: dict[str, str] = {}  # the writer's field → the reader's
        for number, field in enumerate(reader["fields"]):  # rule 7
            names = dict.fromkeys((field["name"], *field.get("aliases", ())))
            sources = [name for name in names if name in written]
            at = f"{path}/fields/{number}"
            if len(sources) > 1 or any(name in taken for name in sources):
                self._no(
                    "AMBIGUOUS_ALIAS",
                    at,
                    f"{', '.join(sources)} of the writer and {field['name']} of the reader are not one to one.",
                )
            elif sources:
                taken[sources[0]] = field["name"]
                self._resolve(field["type"], written[sources[0]]["type"], f"{at}/type")
            elif "default" not in field:
                self._no(
                    "READER_FIELD_MISSING_DEFAULT_VALUE",
                    at,
                    f"The reader's field {field['name']} is not in what was written and has no default.",
                )

    def _decimals(self, reader: Tree, writer: Tree, path: str) -> None:
        to, of = _decimal(reader), _decimal(writer)
        if to and of and to != of:  # rule 8
            self._no(
                "DECIMAL_MISMATCH",
                path,
                f"decimal({to[0]}, {to[1]}) of the reader is not the writer's decimal({of[0]}, {of[1]}).",
            )


def _type(node: Tree) -> str:
    name: str = node["type"] if isinstance(node, dict) else node
    return "record" if name == "error" else name


def _called(node: Tree) -> str:
    kind = _type(node)
    return f"{kind} {node['name']}" if kind in NAMED else kind


def _names_match(reader: Tree, writer: Tree) -> bool:
    """
    >>> _names_match({"name": "new.Order"}, {"name": "old.Order"})
    True
    """
    same = reader["name"].rpartition(".")[2] == writer["name"].rpartition(".")[2]
    return same or writer["name"] in reader.get("aliases", ())


def _decimal(node: Tree) -> tuple[int, int] | None:
    if not isinstance(node, dict) or node.get("logicalType") != "decimal" or "precision" not in node:
        return None
    return node["precision"], node.get("scale", 0)
