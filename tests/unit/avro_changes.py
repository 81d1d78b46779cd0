"""Avro schemas drawn by chance, values that they describe, and ways to change them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Tree = Any
PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
WIDER = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
}
_VALUES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=8),
    "string": st.text(max_size=8),
}
_DEFAULTS = {"null": None, "boolean": True, "int": 1, "long": 1, "float": 1.5, "double": 1.5, "string": "d"}


class Names:
    """Names that stand once in a schema."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


@st.composite
def types(draw: st.DrawFn, names: Names, depth: int) -> Tree:
    kinds = ["primitive", "enum", "fixed"] + (["record", "array", "map", "nullable"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "primitive":
        return draw(st.sampled_from(PRIMITIVES))
    if kind == "enum":
        symbols = [f"S{n}" for n in range(draw(st.integers(1, 4)))]
        default = {"default": symbols[0]} if draw(st.booleans()) else {}
        return {"type": "enum", "name": names.new("E"), "symbols": symbols, **default}
    if kind == "fixed":
        return {"type": "fixed", "name": names.new("F"), "size": draw(st.integers(1, 4))}
    if kind == "record":
        return draw(records(names, depth - 1))
    inner = draw(types(names, depth - 1))
    if kind == "array":
        return {"type": "array", "items": inner}
    if kind == "map":
        return {"type": "map", "values": inner}
    return inner if isinstance(inner, list) or inner == "null" else ["null", inner]


@st.composite
def records(draw: st.DrawFn, names: Names, depth: int) -> Tree:
    fields = [
        {"name": names.new("f"), "type": draw(types(names, depth))} for _ in range(draw(st.integers(1, 3)))
    ]
    return {"type": "record", "name": names.new("R"), "fields": fields}


def values(tree: Tree) -> st.SearchStrategy[Any]:
    """Everything that the schema writes."""
    if isinstance(tree, str):
        return _VALUES[tree]
    if isinstance(tree, list):
        return st.one_of([values(branch) for branch in tree])
    if tree["type"] == "enum":
        return st.sampled_from(tree["symbols"])
    if tree["type"] == "fixed":
        return st.binary(min_size=tree["size"], max_size=tree["size"])
    if tree["type"] == "array":
        return st.lists(values(tree["items"]), max_size=3)
    if tree["type"] == "map":
        return st.dictionaries(st.text(max_size=3), values(tree["values"]), max_size=3)
    return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in tree["fields"]})


Path = tuple[Any, ...]


def places(tree: Tree, path: Path = ()) -> list[Path]:
    """The way to every type inside, as keys and indexes of the tree."""
    found = [path]
    if isinstance(tree, list):
        for index, branch in enumerate(tree):
            found += places(branch, (*path, index))
    elif isinstance(tree, dict):
        for inner in ("items", "values"):
            if inner in tree:
                found += places(tree[inner], (*path, inner))
        for index, field in enumerate(tree.get("fields", ())):
            found += places(field["type"], (*path, "fields", index, "type"))
    return found


def at(tree: Tree, path: Path) -> Tree:
    for step in path:
        tree = tree[step]
    return tree


def put(tree: Tree, path: Path, new: Tree) -> Tree:
    if not path:
        return new
    at(tree, path[:-1])[path[-1]] = new
    return tree


def some(tree: Tree) -> Any:
    """One plain value of the schema that goes everywhere: no empty list, no null where there is more."""
    if isinstance(tree, str):
        return {"null": None, "bytes": b"\xff\xfe", "int": 7, "long": 7, "boolean": True, "string": "y"}.get(
            tree, 1.5
        )
    if isinstance(tree, list):
        return some(tree[-1])
    if tree["type"] == "enum":
        return tree["symbols"][-1]
    if tree["type"] == "fixed":
        return b"x" * tree["size"]
    if tree["type"] == "array":
        return [some(tree["items"])]
    if tree["type"] == "map":
        return {"k": some(tree["values"])}
    return {field["name"]: some(field["type"]) for field in tree["fields"]}


@st.composite
def evolutions(draw: st.DrawFn) -> tuple[Tree, Tree, bool]:
    """An old schema, a new one, and whether the new one must read the old one's data."""
    names = Names()
    old = draw(records(names, 2))
    path = draw(st.sampled_from(places(old)))
    target = deepcopy(at(old, path))
    in_union = bool(path) and isinstance(path[-1], int) and isinstance(at(old, path[:-1]), list)
    changes = [change for change in CHANGES if change.fits(target) and not (in_union and change.makes_union)]
    change = draw(st.sampled_from(changes))
    return old, put(deepcopy(old), path, change.make(draw, names, target)), change.readable(target)


class Change:
    """One way to change a type at one place."""

    makes_union = False

    def fits(self, tree: Tree) -> bool:
        raise NotImplementedError

    def make(self, draw: st.DrawFn, names: Names, tree: Tree) -> Tree:
        raise NotImplementedError

    def readable(self, tree: Tree) -> bool:
        return True


def kind_of(tree: Tree) -> str:
    return "union" if isinstance(tree, list) else tree if isinstance(tree, str) else tree["type"]


class Nothing(Change):
    def fits(self, tree):
        return True

    def make(self, draw, names, tree):
        return tree


class Promote(Change):
    def fits(self, tree):
        return kind_of(tree) in WIDER

    def make(self, draw, names, tree):
        return draw(st.sampled_from(WIDER[tree]))


class Demote(Change):
    """What was a double, a long, a record, anything, is read as what is never made of it."""

    def fits(self, tree):
        return tree != "null"  # in a union there may be a boolean beside it already

    def make(self, draw, names, tree):
        return (
            {"type": "fixed", "name": names.new("X"), "size": 3} if kind_of(tree) == "boolean" else "boolean"
        )

    def readable(self, tree):
        return False


class Nullable(Change):
    makes_union = True

    def fits(self, tree):
        return kind_of(tree) not in ("null", "union")

    def make(self, draw, names, tree):
        return draw(st.permutations(["null", tree]))


class NoLongerNullable(Change):
    def fits(self, tree):
        return kind_of(tree) == "union"

    def make(self, draw, names, tree):
        return tree[-1]

    def readable(self, tree):
        return False


class AddField(Change):
    def fits(self, tree):
        return kind_of(tree) == "record"

    def make(self, draw, names, tree):
        kind = draw(st.sampled_from(sorted(_DEFAULTS)))
        added = {"name": names.new("n"), "type": kind, "default": _DEFAULTS[kind]}
        place = draw(st.integers(0, len(tree["fields"])))
        tree["fields"].insert(place, added)
        return tree


class AddRequiredField(AddField):
    def make(self, draw, names, tree):
        tree["fields"].append({"name": names.new("n"), "type": draw(st.sampled_from(PRIMITIVES))})
        return tree

    def readable(self, tree):
        return False


class RemoveField(AddField):
    def make(self, draw, names, tree):
        tree["fields"].pop(draw(st.integers(0, len(tree["fields"]) - 1)))
        return tree


class RenameField(AddField):
    def make(self, draw, names, tree):
        field = draw(st.sampled_from(tree["fields"]))
        field["aliases"], field["name"] = [field["name"]], names.new("n")
        return tree


class ShuffleFields(AddField):
    def make(self, draw, names, tree):
        tree["fields"] = list(draw(st.permutations(tree["fields"])))
        return tree


class RenameType(Change):
    def fits(self, tree):
        return kind_of(tree) in ("record", "enum", "fixed")

    def make(self, draw, names, tree):
        return {**tree, "name": names.new("N"), "aliases": [tree["name"]]}


class RenameTypeWithoutAlias(RenameType):
    def make(self, draw, names, tree):
        return {**tree, "name": names.new("N")}

    def readable(self, tree):
        return False


class AddSymbol(Change):
    def fits(self, tree):
        return kind_of(tree) == "enum"

    def make(self, draw, names, tree):
        return {**tree, "symbols": draw(st.permutations([*tree["symbols"], "NEW"]))}


class RemoveSymbol(Change):
    """The last one, which is never the default."""

    def fits(self, tree):
        return kind_of(tree) == "enum" and len(tree["symbols"]) > 1

    def make(self, draw, names, tree):
        return {**tree, "symbols": tree["symbols"][:-1]}

    def readable(self, tree):
        return "default" in tree


class Resize(Change):
    def fits(self, tree):
        return kind_of(tree) == "fixed"

    def make(self, draw, names, tree):
        return {**tree, "size": tree["size"] + draw(st.integers(1, 3))}

    def readable(self, tree):
        return False


CHANGES: list[Change] = [
    Nothing(), Promote(), Demote(), Nullable(), NoLongerNullable(), AddField(), AddRequiredField(), RemoveField(),
    RenameField(), ShuffleFields(), RenameType(), RenameTypeWithoutAlias(), AddSymbol(), RemoveSymbol(), Resize(),
]  # fmt: skip
