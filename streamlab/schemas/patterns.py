"""Regular expressions of JSON Schemas, searched for in bounded time.

Python's `re` tries one way after the other: `^(a+)+$` takes twice as long for each letter of `aaaa…b`. Whoever may
write a schema, or a record, could so stop whoever checks it. Therefore a text is searched

    by `re`            where there are no more ways than MOST_STEPS to fit a text of its length
    by an automaton    where there are more: Rust's regex, whose time grows with the text and no faster
    not at all         where no automaton can, because the pattern looks ahead, behind or back. A schema is refused for
                       such a pattern when short texts could take for ever, else a text for being too long
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

MOST_STEPS = 1_000_000
"""About as many of Python's steps as take some 10 ms."""
SHORT = 32
"""Characters; every pattern must be able to search a text of this length."""
_FEW = 4
"""What is repeated at most so often counts as so many choices, not as a loop."""
_parse: Any = importlib.import_module("re._parser").parse  # as `re` itself reads it


class TextTooLong(ValueError):
    """Raised when a text is too long to be searched by a pattern that no automaton can run."""


class _Shape(NamedTuple):
    """How many ways there are to fit a text of n characters: n ** loops * 2 ** doublings."""

    loops: int
    doublings: float  # infinite: a choice inside a loop


class Pattern:
    """Raises re.error when it is none, ValueError when a short text could take for ever."""

    def __init__(self, text: str):
        self._text = text
        self._search = re.compile(text).search
        parsed = _parse(text)
        loops, doublings = _shape(parsed, False)
        power = max(
            1, loops if _is_anchored(parsed) else loops + 1
        )  # else it is tried from every character on
        steps = MOST_STEPS / 2 ** min(doublings, 1_000)
        self.longest = int(steps ** (1 / power))  # characters that `re` may be given
        if self.longest < SHORT and _automaton(text) is None:
            raise ValueError(
                f"the pattern {text[:100]!r} could take for ever: it has choices within a repeat, beside something "
                "that looks ahead, behind or back"
            )

    def is_in(self, text: str) -> bool:
        """Raises TextTooLong."""
        if len(text) <= self.longest:
            return self._search(text) is not None
        automaton = _automaton(self._text)
        if automaton is None:
            raise TextTooLong(f"{len(text)} characters are too many to be matched with {self._text[:100]!r}")
        return bool(automaton.isinstance_python(text))


@lru_cache(1_000)
def pattern(text: str) -> Pattern:
    return Pattern(text)


@lru_cache(1_000)
def _automaton(text: str) -> Any:
    """None: it has something that an automaton cannot do, or would be too large."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        return SchemaValidator(core_schema.str_schema(pattern=text, regex_engine="rust-regex"))
    except SchemaError:
        return None


def _is_anchored(parsed: Any) -> bool:
    """Whether it can only begin where the text does."""
    return bool(parsed) and str(parsed[0][0]) == "AT" and str(parsed[0][1]).startswith("AT_BEGINNING")


def _shape(parsed: Iterable[tuple[Any, Any]], in_loop: bool) -> _Shape:
    """
    >>> _shape(_parse("^[a-z]+@[a-z]+$"), False), _shape(_parse("^(GET|POST)$"), False)
    (_Shape(loops=2, doublings=0.0), _Shape(loops=0, doublings=1.0))
    >>> _shape(_parse("(a+)+"), False), _shape(_parse("^(?=.*[0-9])(?=.*[a-z]).+$"), False)
    (_Shape(loops=2, doublings=inf), _Shape(loops=1, doublings=0.0))
    """
    loops = most = 0
    doublings = 0.0
    for operation, argument in parsed:
        name, within = str(operation), in_loop
        if name.endswith("_REPEAT"):
            low, high, _ = argument
            within = in_loop or high > _FEW
            if high != low:
                loops += high > _FEW
                doublings += math.inf if in_loop else 0.0 if high > _FEW else math.log2(high - low + 1)
        elif name == "BRANCH":
            doublings += math.inf if in_loop else math.log2(len(argument[1]))
        elif name == "GROUPREF":
            loops += 1
        for part in _parts(name, argument):
            inner = _shape(part, within)
            most = max(most, loops + inner.loops)
            loops += 0 if name.startswith("ASSERT") else inner.loops  # whoever looks ahead does not come back
            doublings += inner.doublings
    return _Shape(max(most, loops), doublings)


def _parts(name: str, argument: Any) -> list[Any]:
    """What is read inside an operation."""
    if name.endswith("_REPEAT"):
        return [argument[2]]
    if name == "BRANCH":
        return list(argument[1])
    if name == "SUBPATTERN":
        return [argument[3]]
    if name in ("ASSERT", "ASSERT_NOT"):
        return [argument[1]]
    if name == "ATOMIC_GROUP":
        return [argument]
    if name == "GROUPREF_EXISTS":
        return [part for part in argument[1:] if part is not None]
    return []
