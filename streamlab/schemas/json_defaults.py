"""The defaults of a JSON Schema, filled in where a record lacks what is required.

Validators do not do this. A property that became required with a default is compatible only because readers do. What is
optional stays absent: filling that in could break what fits.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from .json_facts import items
from .json_facts import required as required_by
from .json_schema import JsonSchema
from .json_written import Alternatives, Written


class Filler:
    """Fills the defaults of one schema into values. Safe to share between threads."""

    def __init__(self, schema: JsonSchema):
        self._sides = Alternatives(schema)

    def fill(self, value: Any) -> Any:
        """The value with what it lacks; the value itself is changed.

        >>> from .json_schema import parse
        >>> order = parse('{"properties": {"currency": {"default": "EUR"}}, "required": ["currency"]}')
        >>> Filler(order).fill({"total": 3})
        {'total': 3, 'currency': 'EUR'}
        """
        self._fill(self._sides.root, value)
        return value

    def _fill(self, written: Written, value: Any) -> None:
        for part in self._sides.parts(written):
            if part.schema is False:
                return
            if isinstance(value, dict):
                self._properties(part, value)
            elif isinstance(value, list):
                elements = items(part.schema)
                for index, item in enumerate(value):
                    self._fill(part.child(elements.at(index)), item)

    def _properties(self, part: Written, value: dict[str, Any]) -> None:
        required = required_by([part.schema])
        for name, inner in part.schema.get("properties", {}).items():
            if name not in value and name in required and isinstance(inner, dict) and "default" in inner:
                value[name] = deepcopy(inner["default"])
            if name in value:
                self._fill(part.child(inner), value[name])
