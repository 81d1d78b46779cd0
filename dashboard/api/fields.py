"""What is asked for is judged by the forms of the pages, so that both accept the same and mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django import forms

from .problems import AskedWrongly

Value = str | int | float | bool | list[str] | list[int] | None
Form = TypeVar("Form", bound=forms.BaseForm)
_LISTS = (forms.MultipleChoiceField, forms.ModelMultipleChoiceField)


def filled(form: forms.BaseForm, standing: Mapping[str, Any], given: Mapping[str, Value]) -> dict[str, Any]:
    """What a page would send: what stands there, and over it what is given. Raises AskedWrongly."""
    if unknown := sorted(set(given) - set(form.fields)):
        has = ", ".join(form.fields)
        raise AskedWrongly(
            {f"fields.{name}": [f"There is no such field; there are {has}."] for name in unknown}
        )
    for name, value in given.items():
        if isinstance(value, list) != isinstance(form.fields[name], _LISTS):
            is_list = "It is no list." if isinstance(value, list) else "It is a list."
            raise AskedWrongly({f"fields.{name}": [is_list]})
    wanted = {name: value for name, value in standing.items() if name in form.fields} | dict(given)
    return {name: value for name, value in wanted.items() if value is not None}


def valid(form: Form, under: str = "fields", called: Mapping[str, str] = {}) -> Form:
    """`under`: where the fields stand in the body; "": at its top. `called`: fields that have another name there.

    Raises AskedWrongly.
    """
    if not form.is_valid():
        wrong: dict[str, list[str]] = {}
        for name, why in form.errors.items():
            place = _place(under, called.get(name, name) if name in form.fields else "")
            wrong.setdefault(place, []).extend(str(one) for one in why)
        raise AskedWrongly(wrong)
    return form


def _place(under: str, name: str) -> str:
    """
    >>> _place("fields", "name"), _place("fields", ""), _place("", "name"), _place("", "")
    ('fields.name', 'fields', 'name', 'body')
    """
    return ".".join(filter(None, (under, name))) or "body"
