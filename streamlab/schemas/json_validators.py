"""The validators of the drafts: patterns are searched for in bounded time, long lists of texts at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import jsonschema.validators
from jsonschema._utils import equal
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
        "enum": _enum,
    }
    return jsonschema.validators.extend(kind, ours)


class _Texts:
    """Which texts are in the lists of `enum`; the newest lists are remembered."""

    def __init__(self, most: int = 1_000):
        self._most = most
        self._known: dict[int, tuple[Any, frozenset[str]]] = {}  # by id of the list, which is kept for that

    def of(self, listed: Any) -> frozenset[str]:
        known = self._known.get(id(listed))
        if known is None:
            texts = frozenset(each for each in listed if isinstance(each, str))
            if len(self._known) >= self._most:
                self._known.clear()
            known = self._known[id(listed)] = listed, texts
        return known[1]


_texts = _Texts()


def _enum(validator: Any, listed: Any, value: Any, schema: Any) -> Errors:
    if isinstance(value, str):
        there = value in _texts.of(listed)
    else:
        there = any(equal(each, value) for each in listed if not isinstance(each, str))
    if not there:
        shown = ", ".join(map(repr, listed[:20])) + (", …" if len(listed) > 20 else "")
        yield ValidationError(f"{value!r} is not one of [{shown}]")


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
