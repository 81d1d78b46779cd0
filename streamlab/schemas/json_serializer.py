"""JSON values, checked against their JSON Schema."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from .compatibility import Parsed
from .errors import InvalidSchemaError, SchemaValidationError
from .framing import HEAD_BYTES
from .json_defaults import Filler
from .json_schema import JsonSchema
from .model import SchemaType
from .serializer import Chosen, SchemaDeserializer, SchemaSerializer


def _json(parsed: Parsed) -> JsonSchema:
    if not isinstance(parsed, JsonSchema):
        raise InvalidSchemaError("The schema of that id is not a JSON Schema; use the Avro serializers.")
    return parsed


class JsonSerializer(SchemaSerializer[JsonSchema]):
    """Python values to JSON, refused when they do not fit. `JsonSerializer(registry, schema_text)`."""

    kind = SchemaType.JSON

    def encode(self, chosen: Chosen[JsonSchema], data: Any) -> bytes:
        problem = chosen.parsed.error(data)
        if problem is not None:
            raise self.refused(chosen, *problem)
        try:
            return chosen.head + json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise self.refused(chosen, "/", f"It cannot be written as JSON: {error}.") from error

    def accepted(self, parsed: Parsed) -> JsonSchema:
        return _json(parsed)


class JsonDeserializer(SchemaDeserializer[JsonSchema]):
    """JSON to Python values, checked; with a reader's schema against that, after its defaults were filled in."""

    kind = SchemaType.JSON

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        if self._reader is not None:
            self._filler = Filler(self._reader)

    def decode(self, data: bytes, id: int, writer: JsonSchema) -> Any:
        try:
            value = msgspec.json.decode(memoryview(data)[HEAD_BYTES:])
        except (msgspec.DecodeError, RecursionError) as error:
            raise SchemaValidationError(f"The value is not JSON: {error}", "/", id) from error
        schema = writer
        if self._reader is not None:
            schema = self._reader
            value = self._filler.fill(value)
        problem = schema.error(value)
        if problem is not None:
            path, what = problem
            raise SchemaValidationError(f"{path}: {what} It must fit schema {id}.", path, id)
        return value

    def accepted(self, parsed: Parsed) -> JsonSchema:
        return _json(parsed)
