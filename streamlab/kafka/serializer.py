"""kafka-python's serializers: objects that know the topic and the headers of what they turn into bytes and back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from ..model import Headers


class Serializer(ABC):
    @abstractmethod
    def serialize(self, topic: str, headers: Headers, data: Any) -> Any:
        """The bytes of `data`; None for None."""

    def close(self) -> None:  # noqa: B027 - to be overridden by who has something to close
        """Nothing to close unless a subclass says so."""


class Deserializer(ABC):
    @abstractmethod
    def deserialize(self, topic: str, headers: Headers, data: bytes) -> Any:
        """What the bytes stand for; None for None."""

    def close(self) -> None:  # noqa: B027 - to be overridden by who has something to close
        """Nothing to close unless a subclass says so."""


class DefaultSerializer(Serializer, Deserializer):
    """Text in one encoding. Bytes are left as they are on the way in."""

    def __init__(self, encoding: str = "utf-8"):
        self.encoding = encoding

    def serialize(self, topic: str, headers: Headers, data: Any) -> Any:
        if data is None or isinstance(data, (bytes, bytearray, memoryview)):
            return data
        return data.encode(self.encoding)

    def deserialize(self, topic: str, headers: Headers, data: bytes) -> Any:
        return None if data is None else data.decode(self.encoding)


class JsonSerializer(DefaultSerializer):
    """JSON text."""

    def serialize(self, topic: str, headers: Headers, data: Any) -> Any:
        return None if data is None else super().serialize(topic, headers, json.dumps(data))

    def deserialize(self, topic: str, headers: Headers, data: bytes) -> Any:
        return None if data is None else json.loads(super().deserialize(topic, headers, data))


__all__ = ["DefaultSerializer", "Deserializer", "JsonSerializer", "Serializer"]
