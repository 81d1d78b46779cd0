"""JSON schemas drawn by chance, values that they describe, and ways to change them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Tree = dict[str, Any]
NAMES = ("a", "b", "c")


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> Tree:
    kinds = ["string", "integer", "number", "boolean", "enum", "nullable"] + (
        ["object", "array"] * 2 if depth else []
    )
    kind = draw(st.sampled_from(kinds))
    if kind == "string":
        return {"type": "string", **draw(st.sampled_from([{}, {"maxLength": 4}, {"minLength": 2}]))}
    if kind in ("integer", "number"):
        return {"type": kind, **draw(st.sampled_from([{}, {"maximum": 10}, {"minimum": -10}]))}
    if kind == "boolean":
        return {"type": "boolean"}
    if kind == "enum":
        return {"enum": ["red", "green", "blue"][: draw(st.integers(2, 3))]}
    if kind == "nullable":
        return {"type": ["string", "null"]}
    if kind == "array":
        return {
            "type": "array",
            "items": draw(schemas(depth - 1)),
            **draw(st.sampled_from([{}, {"maxItems": 3}])),
        }
    return draw(objects(depth - 1))


@st.composite
def objects(draw: st.DrawFn, depth: int = 2) -> Tree:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    made: Tree = {"type": "object", "properties": {name: draw(schemas(depth)) for name in names}}
    required = draw(st.lists(st.sampled_from(names), unique=True))
    made |= {"required": required} if required else {}
    return made | draw(
        st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": {"type": "string"}}])
    )


_ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3))


def values(tree: Tree) -> st.SearchStrategy[Any]:
    """Everything that fits, about."""
    if "enum" in tree:
        return st.sampled_from(tree["enum"])
    if isinstance(tree["type"], list):
        return st.one_of(st.none(), st.text(max_size=5))
    if tree["type"] == "string":
        return st.text(min_size=tree.get("minLength", 0), max_size=tree.get("maxLength", 6))
    if tree["type"] in ("integer", "number"):
        low, high = tree.get("minimum", -100), tree.get("maximum", 100)
        return st.integers(low, high) if tree["type"] == "integer" else st.floats(low, high)
    if tree["type"] == "boolean":
        return st.booleans()
    if tree["type"] == "array":
        return st.lists(values(tree["items"]), max_size=tree.get("maxItems", 4))
    return _objects_of(tree)


@st.composite
def _objects_of(draw: st.DrawFn, tree: Tree) -> dict[str, Any]:
    found = {
        name: draw(values(inner))
        for name, inner in tree["properties"].items()
        if name in tree.get("required", ()) or draw(st.booleans())
    }
    rest = tree.get("additionalProperties", True)
    if rest is not False and draw(st.booleans()):
        name = draw(st.sampled_from(["other", "added", *(n for n in NAMES if n not in tree["properties"])]))
        found[name] = draw(_ANYTHING if rest is True else values(rest))
    return found


Path = tuple[str, ...]


def places(tree: Tree, path: Path = ()) -> list[Path]:
    found = [path]
    if "items" in tree:
        found += places(tree["items"], (*path, "items"))
    for name, inner in tree.get("properties", {}).items():
        found += places(inner, (*path, "properties", name))
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
    """A value that has every property and an element in every array."""
    if "enum" in tree:
        return tree["enum"][0]
    if isinstance(tree["type"], list):
        return "x"
    if tree["type"] == "array":
        return [some(tree["items"])]
    if tree["type"] == "object":
        return {name: some(inner) for name, inner in tree["properties"].items()}
    return {"string": "xyz", "integer": 1, "number": 1.5, "boolean": True}[tree["type"]]


def with_at(tree: Tree, path: Path, value: Any) -> Any:
    """A value of the schema that holds `value` at the place."""
    if not path:
        return value
    whole = some(tree)
    if path[0] == "items":
        return [with_at(tree["items"], path[1:], value)]
    whole[path[1]] = with_at(tree["properties"][path[1]], path[2:], value)
    return whole


class Change:
    """One way to change a schema at one place."""

    def fits(self, tree: Tree) -> bool:
        return tree.get("type") == "object"

    def make(self, tree: Tree) -> Tree:
        raise NotImplementedError

    def witness(self, tree: Tree) -> Any:
        """A value that fits the old one and not the new one; NONE when the change is compatible."""
        return NONE


NONE = object()


class Nothing(Change):
    def fits(self, tree):
        return True

    def make(self, tree):
        return {**tree, "title": "new", "description": "words"}


class AnotherType(Change):
    def fits(self, tree):
        return True

    def make(self, tree):
        return {"type": "string"} if tree.get("type") == "boolean" else {"type": "boolean"}

    def witness(self, tree):
        return some(tree)


class ToNumber(Change):
    def fits(self, tree):
        return tree.get("type") == "integer"

    def make(self, tree):
        return {**tree, "type": "number"}


class ToInteger(Change):
    def fits(self, tree):
        return tree.get("type") == "number"

    def make(self, tree):
        return {**tree, "type": "integer"}

    def witness(self, tree):
        return 1.5


class Nullable(Change):
    def fits(self, tree):
        return isinstance(tree.get("type"), str)

    def make(self, tree):
        return {**tree, "type": [tree["type"], "null"]}


class NoLongerNullable(Change):
    def fits(self, tree):
        return isinstance(tree.get("type"), list)

    def make(self, tree):
        return {"type": "string"}

    def witness(self, tree):
        return None


class Bound(Change):
    """A limit made tighter or looser."""

    def __init__(self, kind: str, keyword: str, limit: Any, compatible: bool, witness: Any = NONE):
        self._kind, self._keyword, self._limit = kind, keyword, limit
        self._compatible, self._witness = compatible, witness

    def fits(self, tree):
        return tree.get("type") == self._kind and (not self._compatible or self._keyword in tree)

    def make(self, tree):
        return {**tree, self._keyword: self._limit}

    def witness(self, tree):
        return self._witness


class EnumExtended(Change):
    def fits(self, tree):
        return "enum" in tree

    def make(self, tree):
        return {"enum": ["new", *tree["enum"]]}


class EnumNarrowed(EnumExtended):
    def make(self, tree):
        return {"enum": tree["enum"][1:]}

    def witness(self, tree):
        return tree["enum"][0]


def _rest(tree: Tree) -> Any:
    return tree.get("additionalProperties", True)


class AddProperty(Change):
    """Of a number: open models may have had it with any value, partly open ones as a string."""

    def make(self, tree):
        return {**tree, "properties": {**tree["properties"], "added": {"type": "integer"}}}

    def witness(self, tree):
        return NONE if _rest(tree) is False else {**some(tree), "added": "text"}


class AddString(AddProperty):
    def make(self, tree):
        return {**tree, "properties": {**tree["properties"], "added": {"type": "string"}}}

    def witness(self, tree):
        return {**some(tree), "added": 5} if _rest(tree) is True else NONE


class AddAnything(AddProperty):
    def make(self, tree):
        return {**tree, "properties": {**tree["properties"], "added": {}}}

    def witness(self, tree):
        return NONE


class AddRequired(AddProperty):
    def make(self, tree):
        return {**AddProperty.make(self, tree), "required": [*tree.get("required", ()), "added"]}

    def witness(self, tree):
        return some(tree)


class AddRequiredWithDefault(AddRequired):
    """Readable because readers fill the default in."""

    def fits(self, tree):
        return tree.get("type") == "object" and _rest(tree) is False

    def make(self, tree):
        made = AddRequired.make(self, tree)
        made["properties"]["added"] = {"type": "integer", "default": 0}
        return made

    def witness(self, tree):
        return NONE


class RemoveProperty(Change):
    """Open models take it all the same, closed ones do not, partly open ones take it when it is a string."""

    def make(self, tree):
        gone = next(iter(tree["properties"]))
        made = {**tree, "properties": {n: s for n, s in tree["properties"].items() if n != gone}}
        return made | {"required": [name for name in tree.get("required", ()) if name != gone]}

    def witness(self, tree):
        gone = next(iter(tree["properties"].values()))
        rest = _rest(tree)
        if rest is True or (rest is not False and (gone.get("type") == "string" or "enum" in gone)):
            return NONE
        nullable = isinstance(gone.get("type"), list)
        return (
            {**some(tree), next(iter(tree["properties"])): None}
            if rest is not False and nullable
            else some(tree)
        )


class Close(Change):
    def make(self, tree):
        return {**tree, "additionalProperties": False}

    def witness(self, tree):
        return NONE if _rest(tree) is False else {**some(tree), "other": "x"}


class Open(Change):
    def make(self, tree):
        return {name: value for name, value in tree.items() if name != "additionalProperties"}


class Require(Change):
    def fits(self, tree):
        return tree.get("type") == "object" and set(tree["properties"]) != set(tree.get("required", ()))

    def make(self, tree):
        return {**tree, "required": sorted(tree["properties"])}

    def witness(self, tree):
        return {name: value for name, value in some(tree).items() if name in tree.get("required", ())}


class RequireNothing(Change):
    def make(self, tree):
        return {name: value for name, value in tree.items() if name != "required"}


CHANGES: list[Change] = [
    Nothing(), AnotherType(), ToNumber(), ToInteger(), Nullable(), NoLongerNullable(), EnumExtended(), EnumNarrowed(),
    AddProperty(), AddString(), AddAnything(), AddRequired(), AddRequiredWithDefault(), RemoveProperty(), Close(),
    Open(), Require(), RequireNothing(),
    Bound("string", "maxLength", 3, False, "abcd"), Bound("string", "maxLength", 9, True),
    Bound("string", "minLength", 3, False, "ab"), Bound("string", "minLength", 1, True),
    Bound("integer", "maximum", 9, False, 10), Bound("integer", "maximum", 11, True),
    Bound("number", "minimum", -9, False, -10), Bound("number", "minimum", -11, True),
    Bound("array", "maxItems", 9, True),
]  # fmt: skip


@st.composite
def evolutions(draw: st.DrawFn) -> tuple[Tree, Tree, Any]:
    """An old schema, a new one, and a value of the old one that the new one refuses, or NONE."""
    old = draw(objects())
    path = draw(st.sampled_from(places(old)))
    target = deepcopy(at(old, path))
    change = draw(st.sampled_from([change for change in CHANGES if change.fits(target)]))
    witness = change.witness(target)
    new = put(deepcopy(old), path, change.make(deepcopy(target)))
    return old, new, NONE if witness is NONE else with_at(old, path, witness)
