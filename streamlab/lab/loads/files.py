"""Loads as text: files to share, and changes like `producers.rate=400`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .load import InvalidLoadError, Load

FORMAT = "streamlab-load"
VERSION = 1
MOST_BYTES = 64 * 1024


def exported(load: Load) -> str:
    """A file of JSON that `imported` reads: the format's name and version, then the load, laid out."""
    document = {"format": FORMAT, "version": VERSION, "load": msgspec.to_builtins(load)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def imported(text: str | bytes) -> Load:
    """Raises InvalidLoadError: not JSON, not a load, or a field that cannot be."""
    if len(text) > MOST_BYTES:
        raise InvalidLoadError(f"The file has more than {MOST_BYTES >> 10} KiB; no load does.")
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidLoadError(f"The file is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidLoadError(
            f'The file is not a load: it does not say "format": "{FORMAT}" at its beginning.'
        )
    if document.get("version") != VERSION:
        raise InvalidLoadError(
            f"The file is a load of version {document.get('version')!r}; this reads {VERSION}."
        )
    return load_of(document.get("load"))


def load_of(plain: Any, strict: bool = True) -> Load:
    """The load that plain data describes; `strict` False takes numbers that are written as text.

    Raises InvalidLoadError.
    """
    try:
        return msgspec.convert(plain, Load, strict=strict)
    except msgspec.ValidationError as error:
        raise InvalidLoadError(_sentence(error)) from None


def changed(load: Load, changes: Mapping[str, Any]) -> Load:
    """The load with fields changed, by their place.

    >>> changed(Load(name="a"), {"producers.rate": "400"}).producers.rate
    400.0
    >>> changed(Load(name="a"), {"producers.settings.linger_ms": "20"}).producers.settings
    {'linger_ms': 20}
    >>> changed(Load(name="a"), {"producer.rate": "400"})
    Traceback (most recent call last):
    streamlab.lab.loads.load.InvalidLoadError: There is no field producer.

    A setting that is empty or none is taken out. Raises InvalidLoadError.
    """
    plain = msgspec.to_builtins(load)
    for place, value in changes.items():
        _put(plain, place, value)
    after = load_of(plain, strict=False)
    if after.name != load.name:
        raise InvalidLoadError("The name of a load cannot be changed: export it and start it under another.")
    return after


def text_at(load: Load, place: str) -> str:
    """As `changed` takes it back; "" where there is nothing.

    >>> text_at(Load(name="a"), "producers.rate"), text_at(Load(name="a"), "producers.settings.linger_ms")
    ('100', '')
    """
    here: Any = msgspec.to_builtins(load)
    for step in _steps(place):
        here = here.get(step) if isinstance(here, dict) else None
    return as_text(here)


def as_text(value: Any) -> str:
    """A value of a load, as `changed` takes it.

    >>> as_text(400.0), as_text(None), as_text(True)
    ('400', '', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def renamed(load: Load, name: str) -> Load:
    """Raises InvalidLoadError."""
    return load_of(msgspec.to_builtins(load) | {"name": name})


def parsed(words: list[str]) -> dict[str, str]:
    """
    >>> parsed(["producers.rate=400", "title=a=b"])
    {'producers.rate': '400', 'title': 'a=b'}

    Raises InvalidLoadError.
    """
    changes = {}
    for word in words:
        place, equals, value = word.partition("=")
        if not equals or not place:
            raise InvalidLoadError(f"Write changes as FIELD=VALUE, such as producers.rate=400, not {word!r}.")
        changes[place.strip()] = value
    return changes


_FREE = (("producers", "settings"), ("consumers", "settings"), ("topic",), ("group",))
"""Where names are those of settings, with values of any type."""


def _put(plain: dict[str, Any], place: str, value: Any) -> None:
    steps = _steps(place)
    here = plain
    for step in steps[:-1]:
        if here.get(step) is None:
            here[step] = {}
        here = here[step]
        if not isinstance(here, dict):
            raise InvalidLoadError(f"There is no field {place}: {step} holds no others.")
    if steps[:-1] not in _FREE:
        empty = value in ("", "none", "null") and steps[-1] in ("burst", "file", "key_field")
        here[steps[-1]] = None if empty else value
    elif value in ("", None):
        here.pop(steps[-1], None)
    else:
        here[steps[-1]] = _free(value)


def _steps(place: str) -> tuple[str, ...]:
    """Names of topic settings have dots of their own."""
    steps = tuple(place.split("."))
    for prefix in _FREE:
        if steps[: len(prefix)] == prefix and len(steps) > len(prefix):
            return (*prefix, ".".join(steps[len(prefix) :]))
    return steps


def _free(value: Any) -> Any:
    """Text as what it looks like.

    >>> _free("20"), _free("lz4"), _free("true")
    (20, 'lz4', True)
    """
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value


def _sentence(error: msgspec.ValidationError) -> str:
    """Of our own checks only the sentence; of msgspec's with the place, as `producers.rate`."""
    cause = error.__cause__
    if isinstance(cause, InvalidLoadError):
        return str(cause)
    text, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    if text.startswith(_UNKNOWN):
        return f"There is no field {'.'.join(filter(None, (place, text[len(_UNKNOWN) :].strip('`'))))}."
    return f"{place}: {text}" if place else text


_UNKNOWN = "Object contains unknown field "
