"""One text for all ways to write the same thing."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from .model import Reference

MAX_TEXT_BYTES = 1 << 20
MAX_DEPTH = 100
"""Deeper schemas are refused: parsers call themselves for each level."""
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
"""How one may be written; two of them are a whole one."""


def load(text: str) -> Any:
    """The JSON in a text.

    Raises ValueError for what is no JSON, no Unicode, too long, too deep, or says one name twice.

    >>> load('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: 'a' stands twice in one object
    """
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise ValueError(f"longer than {MAX_TEXT_BYTES} bytes")
    try:
        tree = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(f"deeper than {MAX_DEPTH} levels") from None
    if _depth_exceeds(tree, MAX_DEPTH):
        raise ValueError(f"deeper than {MAX_DEPTH} levels")
    if _HALF_CHARACTER.search(text):
        json.dumps(tree, ensure_ascii=False).encode()  # raises UnicodeEncodeError
    return tree


def dump(tree: Any) -> str:
    """Compact, names sorted, whole numbers without a fraction.

    >>> dump({"b": [1.0, 2.5], "a": None})
    '{"a":null,"b":[1,2.5]}'
    """
    return json.dumps(
        _whole(tree), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def fingerprint(kind: str, canonical: str, references: Iterable[Reference]) -> str:
    """Hex SHA-256 over the type, the canonical form and what it refers to."""
    parts = [kind, canonical, *(f"{r.name}\0{r.subject}\0{r.version}" for r in sorted(references))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{twice!r} stands twice in one object")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _whole(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _whole(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_whole(value) for value in tree]
    if isinstance(tree, float) and tree.is_integer():
        return int(tree)
    return tree


def _depth_exceeds(tree: Any, limit: int) -> bool:
    level = [tree]
    for _ in range(limit):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True
