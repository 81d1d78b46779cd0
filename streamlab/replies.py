"""Answers of the server in one shape, whatever the client has made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def pairs(reply: Any) -> Iterable[tuple[bytes, Any]]:
    """Field and value of a hash or an entry, member and score of a sorted set: flat as the server sends them, or as
    pairs, or a dict.

    >>> [*pairs([b"a", b"1", b"b", b"2"])], [*pairs({b"a": b"1"})], [*pairs([(b"a", b"1")])]
    ([(b'a', b'1'), (b'b', b'2')], [(b'a', b'1')], [(b'a', b'1')])
    """
    if isinstance(reply, Mapping):
        return reply.items()
    if reply and isinstance(reply[0], (list, tuple)):
        return ((field, value) for field, value in reply)
    return zip(reply[::2], reply[1::2], strict=True)
