"""What the application gives, as bytes: kafka-python's serializers, and what may be given without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import IllegalArgumentError
from .model import Headers


def serialized(serializer: Any, topic: str, headers: Headers | None, data: Any) -> Any:
    """`serializer` is a function of the data, or has kafka-python's `serialize(topic, headers, data)`."""
    if serializer is None:
        return data
    with_topic = getattr(serializer, "serialize", None)
    return serializer(data) if with_topic is None else with_topic(topic, headers, data)


def as_bytes(what: str, data: Any) -> bytes:
    """`what` is "key" or "value". Raises TypeError for what holds no bytes."""
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"{what} must be bytes or None, not {type(data).__name__}; give a {what}_serializer.")


def checked_headers(headers: Sequence[Any]) -> Headers:
    """A copy: the caller may go on changing its own. Raises IllegalArgumentError for what is no header."""
    for item in headers:
        if len(item) != 2 or not isinstance(item[0], str) or not isinstance(item[1], (bytes, type(None))):
            raise IllegalArgumentError(f"A header is a (str, bytes) pair, not {item!r}.")
        try:
            item[0].encode()
        except UnicodeEncodeError as error:
            raise IllegalArgumentError(f"The header name {item[0]!r} is not valid text.") from error
    return list(headers)
