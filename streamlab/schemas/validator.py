"""Does a record's value fit the schema that its topic promises?

What is asked of a value, as far as the registry can say it:

1. It begins with the id of a registered schema (`0` and four bytes).
2. That schema is a version of `<topic>-value`. Where there is no such subject, any registered schema will do: then
   subjects are named after record types.
3. The rest of the value is what the schema describes, to the last byte.

A value without an id may be plain JSON: it is held against the latest version of `<topic>-value`, if that is a JSON
Schema. A tombstone always fits.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..model import ConsumerRecord
from . import framing
from .avro_serializer import AvroDeserializer
from .compatibility import Parsed
from .errors import SchemaNotFoundError, SchemaValidationError, SubjectNotFoundError
from .framing import HEAD_BYTES
from .json_schema import JsonSchema
from .model import Version
from .registry import MAX_AGE_S, SchemaRegistry
from .subject_names import topic_name


class Validator:
    """Give it to a worker as `validate=Validator(registry)`, or call `check`. Safe to share between threads."""

    def __init__(self, registry: SchemaRegistry):
        self._registry = registry
        self._avro = AvroDeserializer(registry)

    def __call__(self, record: ConsumerRecord) -> None:
        """Of a record as it was read. One that a deserializer took apart has been checked by that.

        Raises SchemaValidationError; other StreamlabErrors when the registry cannot be asked.
        """
        if isinstance(record.value, bytes):
            self.check(record.topic, record.value)

    def check(self, topic: str, value: bytes | None) -> None:
        """Raises SchemaValidationError, which names the field at fault, and subject, version and id of the schema."""
        if value is None:
            return
        versions = self._promised(topic)
        offered = [version for version in versions if not version.deleted]
        if offered and value[:1] != b"\0":
            self._plain(value, offered[-1])
            return
        id = framing.schema_id(value)
        version = self._version(topic, id, versions)
        try:
            self._fits(value, id, self._registry.parsed(id))
        except SchemaValidationError as error:
            raise _about(version, error.path, str(error)) from error

    def _promised(self, topic: str) -> Sequence[Version]:
        try:
            return self._registry.versions(topic_name(topic, False, None), deleted=True, max_age_s=MAX_AGE_S)
        except SubjectNotFoundError:
            return ()

    def _version(self, topic: str, id: int, versions: Sequence[Version]) -> Version:
        for version in versions:
            if version.id == id:
                return version
        try:
            uses = self._registry.uses(id, deleted=True)
        except SchemaNotFoundError as error:
            raise SchemaValidationError(
                f"The value names schema {id}, which is not registered.", "/", id
            ) from error
        if versions:
            newest = self._registry.versions(versions[-1].subject, deleted=True)  # registered a moment ago?
            fresh = next((version for version in newest if version.id == id), None)
            if fresh is not None:
                return fresh
            raise SchemaValidationError(
                f"The value names schema {id} ({uses[0].subject} version {uses[0].version}), "
                f"which is no version of {versions[0].subject}.",
                "/",
                id,
                uses[0].subject,
                uses[0].version,
            )
        return uses[0]

    def _fits(self, value: bytes, id: int, parsed: Parsed) -> None:
        if isinstance(parsed, JsonSchema):
            _json_fits(parsed, memoryview(value)[HEAD_BYTES:], id)
        else:
            self._avro.decode(value, id, parsed)

    def _plain(self, value: bytes, latest: Version) -> None:
        parsed = self._registry.parsed(latest.id)
        if not isinstance(parsed, JsonSchema):
            framing.schema_id(value)
        try:
            assert isinstance(parsed, JsonSchema)
            _json_fits(parsed, memoryview(value), latest.id)
        except SchemaValidationError as error:
            raise _about(latest, error.path, str(error)) from error


def _json_fits(parsed: JsonSchema, text: memoryview, id: int) -> None:
    try:
        problem = parsed.error(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError) as error:
        raise SchemaValidationError(f"The value is not JSON: {error}.", "/", id) from error
    if problem is not None:
        raise SchemaValidationError(f"{problem[0]}: {problem[1]}", problem[0], id)


def _about(version: Version, path: str, message: str) -> SchemaValidationError:
    return SchemaValidationError(
        f"{message} It must fit {version.subject} version {version.version} (id {version.id}).",
        path,
        version.id,
        version.subject,
        version.version,
    )
