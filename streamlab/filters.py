"""Conditions on records: a key, a piece of text, and what a JSON value holds at a path. Pure.

    by_path("$.Country = France")      by_path("$.items[*].qty > 100")      by_path("$.coupon")

Paths are those of RFC 9535. A record whose value is no JSON, or has nothing at the path, does not match; numbers are
compared as numbers where both sides are, and as text elsewhere.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

import jsonpath_rfc9535 as jsonpath
import msgspec

from .browse import Matches
from .errors import IllegalArgumentError
from .model import ConsumerRecord

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "~": lambda found, wanted: str(wanted).lower() in str(found).lower(),
}
_CONDITION = re.compile(
    r"(?P<path>\$.*?)\s*(?:(?P<sign>!=|<=|>=|==|=|<|>|~)\s*(?P<wanted>[^\]]*))?", re.DOTALL
)
MOST_PATH_CHARS = 500


def by_key(text: str) -> Matches:
    """Records with exactly this key; `0x…` is bytes in hexadecimal.

    >>> by_key("17841")(ConsumerRecord("t", 0, 0, 0, b"17841", b""))
    True
    """
    wanted = _bytes(text)
    return lambda record: record.key == wanted


def by_text(text: str) -> Matches:
    """Records that hold this text in key, value or a header, in whatever case (of ASCII letters)."""
    wanted = text.encode().lower()

    def matches(record: ConsumerRecord) -> bool:
        if wanted in (record.value or b"").lower() or wanted in (record.key or b"").lower():
            return True
        return any(
            wanted in name.encode().lower() or wanted in (value or b"").lower()
            for name, value in record.headers
        )

    return matches


def by_header(name: str, text: str | None = None) -> Matches:
    """Records with this header, and with this value of it."""
    wanted = None if text is None else text.encode()
    return lambda record: any(n == name and (wanted is None or v == wanted) for n, v in record.headers)


def by_path(condition: str) -> Matches:
    """Records whose JSON value has something at the path for which the comparison holds; without one, anything.

    Raises IllegalArgumentError saying what is wrong with the condition.

    >>> returned = by_path("$.Quantity < 0")
    >>> [returned(ConsumerRecord("t", 0, 0, 0, None, value)) for value in (b'{"Quantity": -6}', b'{}', b"?")]
    [True, False, False]
    """
    query, compare, wanted = _parsed(condition.strip())

    def matches(record: ConsumerRecord) -> bool:
        if not record.value:
            return False
        try:
            found = query.find(msgspec.json.decode(record.value))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, jsonpath.JSONPathError):
            return False
        return any(compare is None or _holds(compare, node.value, wanted) for node in found)

    return matches


def all_of(conditions: Iterable[Matches]) -> Matches:
    """Records for which every condition holds; all of them when there is none."""
    every = list(conditions)
    return lambda record: all(condition(record) for condition in every)


class _Paths(jsonpath.JSONPathEnvironment):
    """Without functions: match() and search() would run a stranger's regular expression on every record."""

    def setup_function_extensions(self) -> None:
        self.function_extensions.clear()


_PATHS = _Paths()


def _parsed(condition: str) -> tuple[jsonpath.JSONPathQuery, Callable[[Any, Any], bool] | None, str]:
    if len(condition) > MOST_PATH_CHARS:
        raise IllegalArgumentError(f"A condition has at most {MOST_PATH_CHARS} characters.")
    parts = _CONDITION.fullmatch(condition)
    if parts is None:
        raise IllegalArgumentError(f"{condition!r} is no condition; write for example $.Country = France.")
    try:
        query = _PATHS.compile(parts["path"])
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise IllegalArgumentError(f"{parts['path']!r} is no JSON path: {error}") from error
    sign = parts["sign"]
    compare = _COMPARISONS["=" if sign == "==" else sign] if sign else None
    return query, compare, (parts["wanted"] or "").strip().strip("\"'")


def _holds(compare: Callable[[Any, Any], bool], found: Any, wanted: str) -> bool:
    if compare is not _COMPARISONS["~"] and isinstance(found, (int, float)) and not isinstance(found, bool):
        try:
            return compare(found, float(wanted))
        except ValueError:
            return compare is operator.ne
    if isinstance(found, (dict, list)):
        return False
    return compare(_text(found), wanted)


def _text(value: Any) -> str:
    """As JSON writes it, text without its quotes."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _bytes(text: str) -> bytes:
    if text.startswith("0x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            raise IllegalArgumentError(f"{text!r} is no hexadecimal number of whole bytes.") from None
    return text.encode()
