"""The defaults of a JSON Schema, filled in where a record lacks them.

Validators do not do this. A property that became required with a default is compatible only because readers do.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from .json_facts import items
from .json_schema import JsonSchema
from .json_written import Alternatives, Written


def filled(schema: JsonSchema, value: Any) -> Any:
    """The value with what it lacks; the value itself is changed.

    >>> from .json_schema import parse
    >>> filled(parse('{"properties": {"currency": {"default": "EUR"}}}'), {"total": 3})
    {'total': 3, 'currency': 'EUR'}
    """
    sides = Alternatives(schema)
    _fill(sides, sides.root, value)
    return value


def _fill(sides: Alternatives, written: Written, value: Any) -> None:
    for part in sides.parts(written):
        if part.schema is False:
            return
        if isinstance(value, dict):
            for name, inner in part.schema.get("properties", {}).items():
                if name not in value and isinstance(inner, dict) and "default" in inner:
                    value[name] = deepcopy(inner["default"])
                if name in value:
                    _fill(sides, part.child(inner), value[name])
        elif isinstance(value, list):
            for index, item in enumerate(value):
                _fill(sides, part.child(items(part.schema).at(index)), item)
