"""Levels: which older versions a new schema is held against, and in which direction.

level     the new one must read      who may be upgraded first
BACKWARD  what the latest wrote      readers
FORWARD   – the latest reads it      writers
FULL      both                       either
…_TRANSITIVE: the same with every version that is not deleted, instead of the latest alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from . import avro_rules, json_rules
from .avro_schema import AvroSchema
from .json_schema import JsonSchema
from .model import Incompatibility, Level

Parsed = AvroSchema | JsonSchema


class Older(NamedTuple):
    """A version that a new schema is held against."""

    version: int
    parsed: Parsed


def readable(reader: Parsed, writer: Parsed) -> list[Incompatibility]:
    """Why the reader cannot read everything that the writer writes; empty when it can."""
    if isinstance(reader, AvroSchema) and isinstance(writer, AvroSchema):
        return avro_rules.incompatibilities(reader, writer)
    if isinstance(reader, JsonSchema) and isinstance(writer, JsonSchema):
        return json_rules.incompatibilities(reader, writer)
    return [Incompatibility("SCHEMA_TYPE_CHANGED", "/", "Avro and JSON Schema do not read each other.")]


def check(level: Level, new: Parsed, older: Sequence[Older]) -> list[Incompatibility]:
    """Why the level forbids `new` after `older`, which stand in the order of their versions; empty: it does not."""
    found: list[Incompatibility] = []
    for version, parsed in older if level.transitive else older[-1:]:
        problems = readable(new, parsed) if level.backward else []
        if level.forward:
            problems = problems + [_forward(problem) for problem in readable(parsed, new)]
        found += [msgspec.structs.replace(problem, version=version) for problem in problems]
    return list(dict.fromkeys(found))


def _forward(problem: Incompatibility) -> Incompatibility:
    return msgspec.structs.replace(problem, message=f"Read with the older schema: {problem.message}")
