"""Hiding fields of a record. Pure: rules and bytes in, bytes out.

What the rules cannot judge is hidden whole. So with any rule on its topic

- a value that is no JSON object or list (Avro, text, bytes) is hidden whole, and so is JSON nested too deeply;
- JSON in the text of a field is looked through as well;
- what an exception said of a record, its message and its traceback, is hidden: it may quote the record.

A rule holds for a topic, and for the dead letters of it, which hold the same records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

import jsonpath_rfc9535 as jsonpath
import msgspec

from streamlab.delivery import letter_headers
from streamlab.events import EVENTS_TOPIC
from streamlab.model import ConsumerRecord, Headers

MASK = "▒▒▒▒"
HIDDEN = "▒▒▒▒ hidden by masking rules"
KEY, VALUE = "@key", "@value"
_DLQ = ".dlq"
_LONGEST = 249
"""Characters of a topic's name."""
_SAID = {
    letter_headers.SPRING_MESSAGE,
    letter_headers.SPRING_TRACE,
    letter_headers.CONNECT_MESSAGE,
    letter_headers.CONNECT_TRACE,
    letter_headers.STREAMS_EXCEPTION,
    letter_headers.STREAMS_MESSAGE,
    letter_headers.STREAMS_TRACE,
    letter_headers.ATTEMPTS,
    letter_headers.REPLAY_EDIT,
}
"""Headers of a dead letter that may quote the record."""
_NAME = re.compile(r"[^\s$@.*\[\]][^\s$@*\[\]]{0,199}")


class Rule(NamedTuple):
    topics: str  # name or pattern
    field: str  # "email", "$.customer.email", "@key", "@value"


def problem_with(field: str) -> str:
    """Why this is nothing that a rule can hide; "" when it is.

    >>> problem_with("email"), problem_with("$.customer.email"), problem_with("@key")
    ('', '', '')
    >>> problem_with("$.[")[:7], bool(problem_with("@headers")), bool(problem_with("a b"))
    ('It is n', True, True)
    """
    if field in (KEY, VALUE):
        return ""
    if field.startswith("$"):
        try:
            jsonpath.compile(field)
        except (jsonpath.JSONPathError, RecursionError) as error:
            return f"It is no JSON path: {error}"
        return "" if field != "$" else f"Write {VALUE} to hide the whole value."
    if _NAME.fullmatch(field):
        return ""
    return f"Write a field's name, a JSON path that begins with $, {KEY} or {VALUE}."


def holds_for(pattern: str, topic: str) -> bool:
    """
    >>> holds_for("orders", "orders"), holds_for("orders", "orders2"), holds_for("shop.*", "shop.eu.orders")
    (True, False, True)
    >>> holds_for("orders", "orders.revenue.dlq"), holds_for("orders", "orders.revenue")
    (True, False)
    """
    if fnmatchcase(topic, pattern):
        return True
    if not topic.endswith(_DLQ):
        return False
    name = topic.removesuffix(_DLQ)
    if len(topic) == _LONGEST and pattern.startswith(name[: -len("-01234567")]):
        return True  # the name of a long topic is cut, with a checksum behind it
    # <topic>.<group>.dlq: either may hold dots, so every way to read the name counts
    words = name.split(".")
    return any(fnmatchcase(".".join(words[:n]), pattern) for n in range(1, len(words)))


def bared(rules: Sequence[Rule], sources: Sequence[str], target: str) -> list[str]:
    """Fields that are hidden in one of the sources, and not in the target.

    >>> rules = [Rule("orders", "email"), Rule("orders", "@key"), Rule("fixed", "email")]
    >>> bared(rules, ["orders.revenue.dlq"], "fixed"), bared(rules, ["orders"], "orders.tax.dlq")
    (['@key'], [])
    """
    hidden = _fields(rules, sources)
    there = set() if target == EVENTS_TOPIC else _fields(rules, [target])  # of events other things are hidden
    return sorted(hidden - there)


def depending(rules: Sequence[Rule], topics: Sequence[str]) -> list[str]:
    """Paths of these topics that choose what they hide by what else the record holds.

    >>> depending([Rule("orders", "$.who[?@.private].name"), Rule("orders", "$.email")], ["orders"])
    ['$.who[?@.private].name']
    """
    return sorted(field for field in _fields(rules, topics) if field.startswith("$") and "?" in field)


def _fields(rules: Sequence[Rule], topics: Sequence[str]) -> set[str]:
    return {rule.field for rule in rules if any(holds_for(rule.topics, topic) for topic in topics)}


class Shield:
    """The rules of one topic. `active` says whether there are any; without one everything passes as it is."""

    def __init__(self, rules: Sequence[Rule]):
        fields = {rule.field for rule in rules}
        self.active = bool(fields)
        self._hides_key, self._hides_value = KEY in fields, VALUE in fields
        self._paths = [_path(field) for field in sorted(fields) if field.startswith("$")]
        self._names = frozenset(f.casefold() for f in fields if f[0] not in "$@")

    def record(self, record: ConsumerRecord) -> ConsumerRecord:
        """The same place and time, with what is to be hidden hidden."""
        if not self.active:
            return record
        return ConsumerRecord(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            self.key(record.key),
            self.value(record.value),
            self.headers(record.headers) or None,
            timestamp_type=record.timestamp_type,
        )

    def key(self, data: bytes | None) -> bytes | None:
        if not self.active or data is None:
            return data
        return MASK.encode() if self._hides_key else self._fields_of(data, whole=False)

    def value(self, data: bytes | None) -> bytes | None:
        if not self.active or data is None:
            return data
        if self._hides_value:
            return HIDDEN.encode()
        return self._fields_of(data, whole=True) if self._names or self._paths else data

    def headers(self, headers: Headers) -> Headers:
        return [(name, self._header(name, value)) for name, value in headers] if self.active else headers

    def said(self, text: str) -> str:
        """What an exception said, or an operator wrote, of a record."""
        return HIDDEN if self.active and text else text

    def _header(self, name: str, value: bytes | None) -> bytes | None:
        if value is None:
            return None
        if (
            name in _SAID
            or name.casefold() in self._names
            or name.casefold().removeprefix("ce_") in self._names
        ):
            return MASK.encode()
        return self._fields_of(value, whole=False)

    def _fields_of(self, data: bytes, whole: bool) -> bytes:
        """JSON without what is hidden; `whole`: what is no object or list is hidden altogether.

        It is always written anew, also where nothing was found: of a name that stands twice only the last is read,
        and what was not read must not pass.
        """
        if not data:
            return data
        try:
            document = msgspec.json.decode(data)
            if isinstance(document, (dict, list)):
                document = self._without(document)
                if whole:
                    for path in self._paths:
                        _hide(path, document)
                return msgspec.json.encode(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, jsonpath.JSONPathError):
            if not whole and data[:1] not in b"{[":
                return data
            return HIDDEN.encode()
        return HIDDEN.encode() if whole else data

    def _without(self, found: Any) -> Any:
        if isinstance(found, dict):
            return {
                name: _mask(value) if name.casefold() in self._names else self._without(value)
                for name, value in found.items()
            }
        if isinstance(found, list):
            return [self._without(value) for value in found]
        if isinstance(found, str) and found.lstrip()[:1] in ("{", "["):
            return self._within_text(found)
        return found

    def _within_text(self, text: str) -> str:
        """JSON in a text; what only begins like it is hidden, for the rules cannot judge it."""
        try:
            return msgspec.json.encode(self._without(msgspec.json.decode(text))).decode()
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return MASK


class EventShield(Shield):
    """Of the broker's own history, whose events tell what was said of records of other topics."""

    def __init__(self, rules: Sequence[Rule]):
        super().__init__(rules)
        self._rules = list(rules)

    def value(self, data: bytes | None) -> bytes | None:
        if not self.active or data is None:
            return data
        try:
            event = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return HIDDEN.encode()
        if any(holds_for(rule.topics, str(event.get("topic", ""))) for rule in self._rules):
            told = {"message", "key", "edit", "reason"}
            event = {name: _mask(value) if name in told else value for name, value in event.items()}
        return msgspec.json.encode(event)

    def key(self, data: bytes | None) -> bytes | None:
        return data  # place and group, or a source

    def headers(self, headers: Headers) -> Headers:
        return headers


def _mask(value: Any) -> Any:
    return None if value is None else MASK


@lru_cache(256)
def _path(text: str) -> jsonpath.JSONPathQuery:
    return jsonpath.compile(text)


def _hide(path: jsonpath.JSONPathQuery, document: dict[str, Any] | list[Any]) -> None:
    for node in path.find(document):
        *way, last = node.location
        holder: Any = document
        for step in way:
            holder = holder[step]
            if not isinstance(holder, (dict, list)):  # hidden by another rule
                break
        else:
            holder[last] = _mask(holder[last])


Shields = Mapping[str, Shield]
