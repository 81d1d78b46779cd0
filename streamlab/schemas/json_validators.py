"""The validators of the drafts, with patterns that are searched for in bounded time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import jsonschema.validators
from jsonschema.exceptions import ValidationError

from .patterns import TextTooLong, pattern

Errors = Iterator[ValidationError]


@cache
def guarded(kind: Any) -> Any:
    """The same validator of jsonschema, but for the keywords that search for patterns."""
    ours = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional,
    }
    return jsonschema.validators.extend(kind, ours)


def _pattern(validator: Any, wanted: str, value: Any, schema: Any) -> Errors:
    if not isinstance(value, str):
        return
    try:
        if not pattern(wanted).is_in(value):
            yield ValidationError(f"{value!r} does not match {wanted!r}")
    except TextTooLong as error:
        yield ValidationError(str(error))


def _pattern_properties(validator: Any, wanted: dict[str, Any], value: Any, schema: Any) -> Errors:
    if not isinstance(value, dict):
        return
    for text, subschema in wanted.items():
        for name, inner in value.items():
            try:
                if pattern(text).is_in(name):
                    yield from validator.descend(inner, subschema, path=name, schema_path=text)
            except TextTooLong as error:
                yield ValidationError(f"A property's name: {error}")


def _additional(validator: Any, wanted: Any, value: Any, schema: Any) -> Errors:
    if not isinstance(value, dict) or wanted is True:
        return
    try:
        others = [name for name in value if not _is_named(name, schema)]
    except TextTooLong as error:
        yield ValidationError(f"A property's name: {error}")
        return
    if isinstance(wanted, dict):
        for name in others:
            yield from validator.descend(value[name], wanted, path=name)
    elif others:
        named = ", ".join(map(repr, sorted(others)))
        yield ValidationError(f"Additional properties are not allowed ({named}: unexpected)")


def _is_named(name: str, schema: Any) -> bool:
    patterns = schema.get("patternProperties", {})
    return name in schema.get("properties", {}) or any(pattern(text).is_in(name) for text in patterns)
