"""JSON Schemas: read, checked against the meta-schema of their draft; references lead only to registered ones.

Nothing is ever fetched from the network: a `$ref` leads into the text itself or to a reference by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema
import jsonschema.validators
import referencing
import referencing.exceptions
import referencing.jsonschema
from referencing import Registry, Resource

from . import canonical, patterns
from .errors import InvalidSchemaError
from .json_validators import guarded

Tree = Any  # JSON: bool or dict

DEFAULT_DRAFT = jsonschema.Draft7Validator
"""Of a text without `$schema`, as in Confluent's registry."""
MAX_PATTERN = 1_000
_SETS = ("required", "enum", "type")  # whose order means nothing
_ERRORS = (
    ValueError, TypeError, RecursionError, re.error,
    jsonschema.exceptions.SchemaError, jsonschema.exceptions.UnknownType, referencing.exceptions.Unresolvable,
)  # fmt: skip


class JsonSchema:
    """A parsed JSON Schema, and what its references lead to."""

    __slots__ = ("canonical", "registry", "resource", "tree", "validator")

    def __init__(self, tree: Tree, references: Mapping[str, Tree]):
        kind = jsonschema.validators.validator_for(tree, default=DEFAULT_DRAFT)
        if kind is jsonschema.Draft3Validator:
            raise ValueError("draft 3 is not offered; write it in draft 4 or later")
        kind.check_schema(tree)
        default = _specification(kind)
        self.tree = tree
        self.registry: Registry[Any] = Registry().with_resources(
            (name, Resource.from_contents(contents, default)) for name, contents in references.items()
        )
        self.resource: Resource[Any] = Resource.from_contents(tree, default)
        self.validator: Any = guarded(kind)(tree, registry=self.registry)
        self.canonical = canonical.dump(_in_order(tree))

    def error(self, value: Any) -> tuple[str, str] | None:
        """What is wrong with a value: JSON pointer into it, and a sentence; None when nothing is."""
        try:
            error = jsonschema.exceptions.best_match(self.validator.iter_errors(value))
        except RecursionError:  # of a schema that refers to itself without end, or of a value without end
            return "/", "It is nested too deeply to be looked at."
        if error is None:
            return None
        pointer = "".join(f"/{part}" for part in error.absolute_path)
        return pointer or "/", f"{error.message[:500].rstrip('.')}."

    def accepts(self, value: Any) -> bool:
        try:
            return bool(self.validator.is_valid(value))
        except RecursionError:
            return False

    @property
    def title(self) -> str | None:
        """What RecordNameStrategy calls it."""
        title = self.tree.get("title") if isinstance(self.tree, dict) else None
        return title if isinstance(title, str) else None


def parse(text: str, references: Mapping[str, JsonSchema] | None = None) -> JsonSchema:
    """`references` are the schemas it uses, by the names it uses. Raises InvalidSchemaError, which says what is wrong.

    >>> parse('{"type": "object", "required": ["b", "a"]}').canonical
    '{"required":["a","b"],"type":"object"}'
    """
    trees = {name: schema.tree for name, schema in (references or {}).items()}
    for schema in (references or {}).values():
        trees = {str(uri): schema.registry.contents(uri) for uri in schema.registry} | trees
    try:
        tree = canonical.load(text)
        if not isinstance(tree, (dict, bool)):
            raise ValueError("it is neither an object nor true or false")
        schema = JsonSchema(tree, trees)
        _check_patterns(tree)
        _check_references(schema)
        return schema
    except _ERRORS as error:
        raise InvalidSchemaError(f"This is not a JSON Schema: {_said(error)}") from error


def _said(error: Exception) -> str:
    if isinstance(error, jsonschema.exceptions.SchemaError):
        path = "".join(f"/{part}" for part in error.absolute_path) or "/"
        return f"at {path}, {error.message[:500].rstrip('.')}."
    if isinstance(error, referencing.exceptions.Unresolvable):
        return f"{error.ref!r} leads nowhere; refer to the schema of that name."
    return f"{str(error)[:500].rstrip('.')}."


def _specification(kind: Any) -> Any:
    return referencing.jsonschema.specification_with(
        kind.META_SCHEMA.get("$schema") or kind.META_SCHEMA["id"]
    )


def _check_patterns(tree: Tree) -> None:
    """They are run on every record, so they must compile, be short, and end."""
    for node in _nodes(tree):
        if isinstance(node.get("items"), bool) and "additionalItems" in node:
            raise ValueError(
                "additionalItems means nothing beside items: true or false"
            )  # validators fail on it
        found = [node["pattern"]] if isinstance(node.get("pattern"), str) else []
        found += list(node["patternProperties"]) if isinstance(node.get("patternProperties"), dict) else []
        for pattern in found:
            if len(pattern) > MAX_PATTERN:
                raise ValueError(f"the pattern {pattern[:40]!r}… is longer than {MAX_PATTERN} characters")
            bounded = patterns.pattern(pattern)
            if bounded.longest < patterns.SHORT and "unevaluatedProperties" in repr(tree):
                raise ValueError(f"the pattern {pattern[:40]!r} is too slow beside unevaluatedProperties")


def _check_references(schema: JsonSchema) -> None:
    resolver = schema.registry.resolver_with_root(schema.resource)
    for node in _nodes(schema.tree):
        if isinstance(node.get("$ref"), str) and "$id" not in node:
            resolver.lookup(node["$ref"])


def _nodes(tree: Tree) -> Iterable[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _in_order(tree: Tree) -> Tree:
    if isinstance(tree, list):
        return [_in_order(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    found = {name: _in_order(value) for name, value in tree.items()}
    for name in _SETS:
        if isinstance(found.get(name), list):
            found[name] = sorted(found[name], key=canonical.dump)
    return found
