"""The schema registry: what records look like, how that may change, and values with the id of their schema in front.

    registry = SchemaRegistry(broker.connection)
    producer = broker.producer(value_serializer=AvroSerializer(registry, schema_text))
    consumer = broker.consumer("orders", value_deserializer=AvroDeserializer(registry))

Read it in this order: model → parsing (avro_schema, json_schema) → compatibility (avro_rules, json_rules) → store →
registry → serializer → validator → enforcement.
"""

from .avro_serializer import AvroDeserializer, AvroSerializer
from .errors import IncompatibleSchemaError, InvalidSchemaError, SchemaError, SchemaValidationError
from .json_serializer import JsonDeserializer, JsonSerializer
from .model import Incompatibility, Level, Mode, Reference, Schema, SchemaType, Version
from .registry import SchemaRegistry
from .store import SCHEMAS_TOPIC
from .subject_names import record_name, topic_name, topic_record_name
from .validator import Validator

__all__ = [
    "SCHEMAS_TOPIC",
    "AvroDeserializer",
    "AvroSerializer",
    "Incompatibility",
    "IncompatibleSchemaError",
    "InvalidSchemaError",
    "JsonDeserializer",
    "JsonSerializer",
    "Level",
    "Mode",
    "Reference",
    "Schema",
    "SchemaError",
    "SchemaRegistry",
    "SchemaType",
    "SchemaValidationError",
    "Validator",
    "Version",
    "record_name",
    "topic_name",
    "topic_record_name",
]
