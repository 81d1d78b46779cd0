"""What differs between two schemas, place by place, in words. Pure.

Avro fields and whatever else has a name are matched by it, so a field that moved is no difference; the rest of a list
by its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .words import Tone


@dataclass(frozen=True)
class Difference:
    """One place that differs."""

    path: str  # /fields/total/type
    kind: str  # added, removed, changed
    before: str  # compact JSON; "" where there was nothing
    after: str

    @property
    def tone(self) -> Tone:
        return {"added": Tone.OK, "removed": Tone.BAD}.get(self.kind, Tone.NOTE)


def differences(before: Any, after: Any) -> list[Difference]:
    """
    >>> old = {"type": "record", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]}
    >>> new = {"type": "record", "fields": [{"name": "b", "type": "long"}, {"name": "c", "type": "int"}]}
    >>> for found in differences(old, new):
    ...     print(found.kind, found.path, "from", found.before or "nothing", "to", found.after or "nothing")
    removed /fields/a from {"type":"int"} to nothing
    changed /fields/b/type from int to long
    added /fields/c from nothing to {"type":"int"}
    """
    return list(_differences(before, after, ""))


def _differences(before: Any, after: Any, path: str) -> Iterator[Difference]:
    old, new = _children(before), _children(after)
    if old is None or new is None or type(before) is not type(after):
        if before != after:
            yield Difference(path or "/", "changed", _text(before), _text(after))
        return
    for name in [*old, *(name for name in new if name not in old)]:
        at = f"{path}/{name}"
        if name not in new:
            yield Difference(at, "removed", _text(old[name]), "")
        elif name not in old:
            yield Difference(at, "added", "", _text(new[name]))
        else:
            yield from _differences(old[name], new[name], at)


def _children(node: Any) -> dict[str, Any] | None:
    """What is inside, by name; None when there is no inside."""
    if isinstance(node, Mapping):
        return {str(name): value for name, value in node.items()}
    if isinstance(node, list):
        if node and all(isinstance(item, Mapping) and "name" in item for item in node):
            return {str(item["name"]): {k: v for k, v in item.items() if k != "name"} for item in node}
        return {str(index): item for index, item in enumerate(node)}
    return None


def _text(node: Any) -> str:
    return node if isinstance(node, str) else json.dumps(node, separators=(",", ":"), ensure_ascii=False)
