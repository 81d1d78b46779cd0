"""A form's field for a JSON merge patch, which anybody may have written."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from dashboard.unwritable import unwritable

MOST_LEVELS = 100


class PatchField(forms.JSONField):
    """Of nothing it shows nothing, where JSON would say null. What nests without end, or holds a number of thousands
    of digits, no parser takes, and some text no database: an error of the form, not of ours."""

    def to_python(self, value: Any) -> Any:
        try:
            patch = self._parsed(value)
        except (RecursionError, ValueError) as error:
            raise forms.ValidationError(
                "It is nested too deeply, or holds a number that is too long.", code="invalid"
            ) from error
        if levels(patch) > MOST_LEVELS:
            raise forms.ValidationError(f"It has more than {MOST_LEVELS} levels.", code="invalid")
        if why := unwritable(patch):
            raise forms.ValidationError(why, code="invalid")
        return patch

    def _parsed(self, value: Any) -> Any:
        """Raises ValidationError, which says what is wrong and where."""
        try:
            return super().to_python(value)
        except forms.ValidationError as refused:
            try:
                json.loads(value)
            except json.JSONDecodeError as error:
                raise forms.ValidationError(
                    f"It is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
                    code="invalid",
                ) from error
            raise refused

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What is wrong is shown again as it was written."""
        try:
            patch = super().bound_data(data, initial)
        except (RecursionError, ValueError):
            return InvalidJSONInput(data)
        return InvalidJSONInput(data) if isinstance(data, str) and unwritable(patch) else patch

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return super().has_changed(initial, data)
        except (RecursionError, ValueError):
            return True

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "" if value is None else super().prepare_value(value)


def levels(value: Any) -> int:
    """How deep lists and objects stand in each other, without recursion.

    >>> levels(1), levels([]), levels({"a": [1, {"b": 2}]})
    (0, 1, 3)
    """
    deepest, layer = 0, [value]
    while layer := [x for x in layer if isinstance(x, (list, dict))]:
        deepest += 1
        layer = [inner for x in layer for inner in (x.values() if isinstance(x, dict) else x)]
    return deepest
