"""Avro values, by fastavro."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import fastavro

from . import avro_fit, avro_reading
from .avro_schema import AvroSchema
from .compatibility import Parsed
from .errors import InvalidSchemaError, SchemaValidationError
from .framing import HEAD_BYTES
from .model import SchemaType
from .serializer import Chosen, SchemaDeserializer, SchemaSerializer


def _avro(parsed: Parsed) -> AvroSchema:
    if not isinstance(parsed, AvroSchema):
        raise InvalidSchemaError("The schema of that id is not Avro; use the JSON serializers.")
    return parsed


class AvroSerializer(SchemaSerializer[AvroSchema]):
    """Python values, records as dicts, to Avro. `AvroSerializer(registry, schema_text)`."""

    kind = SchemaType.AVRO

    def encode(self, chosen: Chosen[AvroSchema], data: Any) -> bytes:
        out = BytesIO()
        out.write(chosen.head)
        try:
            fastavro.schemaless_writer(out, chosen.parsed.parsed, data)
        except Exception as error:  # fastavro raises whatever the value made it stumble over
            path, problem = avro_fit.misfit(chosen.parsed, data) or ("/", f"{type(error).__name__}: {error}.")
            raise self.refused(chosen, path, problem) from error
        return out.getvalue()

    def accepted(self, parsed: Parsed) -> AvroSchema:
        return _avro(parsed)


class AvroDeserializer(SchemaDeserializer[AvroSchema]):
    """Avro to Python values, records as dicts. `AvroDeserializer(registry)`, or with the reader's schema."""

    kind = SchemaType.AVRO

    def decode(self, data: bytes, id: int, writer: AvroSchema) -> Any:
        stream = BytesIO(data)
        stream.seek(HEAD_BYTES)
        try:
            value = avro_reading.read(stream, writer, self._reader)
        except Exception as error:  # as above: whatever the bytes made it stumble over
            raise SchemaValidationError(
                f"The value does not read as schema {id}: {type(error).__name__}: {error}", "/", id
            ) from error
        if stream.tell() < len(data):
            left = len(data) - stream.tell()
            raise SchemaValidationError(f"{left} bytes are left behind the value of schema {id}.", "/", id)
        return value

    def accepted(self, parsed: Parsed) -> AvroSchema:
        return _avro(parsed)
