"""A schema of either type, parsed with what it refers to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from . import avro_schema, canonical, json_schema
from .avro_schema import AvroSchema
from .compatibility import Parsed
from .errors import InvalidSchemaError, SchemaNotFoundError, SubjectNotFoundError, VersionNotFoundError
from .json_schema import JsonSchema
from .model import Reference, Schema, SchemaType, Version

_MAX_REFERENCES = 200
"""Schemas that one schema may refer to, directly and through others."""

P = TypeVar("P", AvroSchema, JsonSchema)
Resolve = Callable[[Reference], Version]
"""The version that a reference leads to. Raises SubjectNotFoundError, VersionNotFoundError."""


def parse(schema: Schema, resolve: Resolve) -> Parsed:
    """Raises InvalidSchemaError, which says what is wrong."""
    return _parse(schema, resolve, [_MAX_REFERENCES])


def _parse(schema: Schema, resolve: Resolve, left: list[int]) -> Parsed:
    found: dict[str, Parsed] = {}
    for reference in schema.references:
        left[0] -= 1
        if left[0] < 0:
            raise InvalidSchemaError(f"The schema refers to more than {_MAX_REFERENCES} others.")
        found[reference.name] = _parse(_referred(schema, reference, resolve), resolve, left)
    if schema.type is SchemaType.AVRO:
        return avro_schema.parse(schema.text, _only(AvroSchema, found).values())
    return json_schema.parse(schema.text, _only(JsonSchema, found))


def _referred(schema: Schema, reference: Reference, resolve: Resolve) -> Schema:
    try:
        target = resolve(reference).schema
    except (SubjectNotFoundError, VersionNotFoundError, SchemaNotFoundError) as error:
        raise InvalidSchemaError(f"The reference {reference.name!r} leads nowhere: {error}") from error
    if target.type is not schema.type:
        raise InvalidSchemaError(f"The reference {reference.name!r} is {target.type}, not {schema.type}.")
    return target


def _only(kind: type[P], found: Mapping[str, Parsed]) -> dict[str, P]:
    return {name: parsed for name, parsed in found.items() if isinstance(parsed, kind)}


def fingerprint(schema: Schema, parsed: Parsed) -> str:
    """What the same schema is found again by: hex SHA-256 of type, canonical form and references."""
    return canonical.fingerprint(schema.type, parsed.canonical, schema.references)


def normalized(schema: Schema, parsed: Parsed) -> Schema:
    """The same in canonical spelling, where it stands alone; one with references stays as it was written."""
    if schema.references:
        return schema
    return Schema(parsed.canonical, schema.type)
