"""What can go wrong with schemas.

    StreamlabError
    └── SchemaError
        ├── InvalidSchemaError                 the text is no schema, or a reference leads nowhere
        ├── IncompatibleSchemaError            the subject's level forbids the change; `incompatibilities` says why
        ├── InvalidSubjectError, InvalidVersionError, InvalidLevelError, InvalidModeError
        ├── SubjectNotFoundError, VersionNotFoundError, SchemaNotFoundError
        ├── SubjectSoftDeletedError, SubjectNotSoftDeletedError
        ├── VersionSoftDeletedError, VersionNotSoftDeletedError
        ├── ReferenceExistsError               somebody refers to what was to be deleted
        ├── OperationNotPermittedError         the registry, or the subject, is read-only
        └── SchemaValidationError              a record does not fit its schema; `path` says where
            └── UnframedValueError             a value that should carry a schema id carries none

`code` is the error code of Confluent's registry, `status` the HTTP status that goes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import StreamlabError

if TYPE_CHECKING:
    from .model import Incompatibility


class SchemaError(StreamlabError):
    """Every error that has to do with schemas."""

    code = 50001
    status = 500


class InvalidSchemaError(SchemaError):
    """Raised when a text is not a schema, or refers to one that does not exist. The message says what is wrong."""

    code, status = 42201, 422


class InvalidVersionError(SchemaError):
    """Raised when a version is neither `latest` nor a whole number from 1 to 2147483647."""

    code, status = 42202, 422


class InvalidLevelError(SchemaError):
    """Raised when a compatibility level does not exist. The message names those that do."""

    code, status = 42203, 422


class InvalidModeError(SchemaError):
    """Raised when a mode does not exist. The message names those that do."""

    code, status = 42204, 422


class OperationNotPermittedError(SchemaError):
    """Raised when the registry or the subject is read-only. Set its mode to READWRITE."""

    code, status = 42205, 422


class ReferenceExistsError(SchemaError):
    """Raised when other schemas refer to the one that was to be deleted. Delete those first."""

    code, status = 42206, 422


class InvalidSubjectError(SchemaError):
    """Raised when a subject's name is empty, too long, or holds control characters."""

    code, status = 42208, 422


class SubjectNotFoundError(SchemaError):
    """Raised when there is no such subject. Register a schema under it."""

    code, status = 40401, 404


class VersionNotFoundError(SchemaError):
    """Raised when the subject has no such version."""

    code, status = 40402, 404


class SchemaNotFoundError(SchemaError):
    """Raised when there is no such schema: no such id, or not under this subject."""

    code, status = 40403, 404


class SubjectSoftDeletedError(SchemaError):
    """Raised when the subject is deleted already. Delete it permanently, or register a schema to bring it back."""

    code, status = 40404, 404


class SubjectNotSoftDeletedError(SchemaError):
    """Raised when a subject was to be deleted permanently that is in use. Delete it softly first."""

    code, status = 40405, 404


class VersionSoftDeletedError(SchemaError):
    """Raised when the version is deleted already. Delete it permanently."""

    code, status = 40406, 404


class VersionNotSoftDeletedError(SchemaError):
    """Raised when a version was to be deleted permanently that is in use. Delete it softly first."""

    code, status = 40407, 404


class LevelNotConfiguredError(SchemaError):
    """Raised when the subject has no compatibility level of its own; the global one holds."""

    code, status = 40408, 404


class ModeNotConfiguredError(SchemaError):
    """Raised when the subject has no mode of its own; the global one holds."""

    code, status = 40409, 404


class IncompatibleSchemaError(SchemaError):
    """Raised when a schema breaks the compatibility level of its subject."""

    code, status = 409, 409

    def __init__(self, message: str, incompatibilities: Sequence[Incompatibility] = ()):
        super().__init__(message)
        self.incompatibilities = list(incompatibilities)


class SchemaValidationError(SchemaError):
    """Raised when a value does not fit its schema. `path` leads to the field at fault, `schema_id` names the schema."""

    code, status = 42201, 422

    dead_letter_cause = "schema"  # why a worker puts such a record among the dead letters

    def __init__(
        self,
        message: str,
        path: str = "",
        schema_id: int | None = None,
        schema_subject: str | None = None,
        schema_version: int | None = None,
    ):
        super().__init__(message)
        self.path = path
        self.schema_id = schema_id
        self.schema_subject = schema_subject
        self.schema_version = schema_version


class UnframedValueError(SchemaValidationError):
    """Raised when a value does not begin with the magic byte 0 and the id of its schema."""
