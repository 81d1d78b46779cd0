"""Confluent's paths. A subject may hold slashes, which arrive decoded; so longer paths stand before shorter ones."""

from django.urls import path, re_path

from . import levels, schemas, subjects
from .door import door

_SUBJECT = r"(?P<subject>.+)"
_VERSION = r"(?P<version>[^/]+)"

urlpatterns = [
    path("", door(GET=schemas.root)),
    path("subjects", door(GET=subjects.subjects)),
    re_path(rf"^subjects/{_SUBJECT}/versions/{_VERSION}/schema$", door(GET=subjects.text)),
    re_path(rf"^subjects/{_SUBJECT}/versions/{_VERSION}/referencedby$", door(GET=subjects.referenced_by)),
    re_path(
        rf"^subjects/{_SUBJECT}/versions/{_VERSION}$",
        door(GET=subjects.version, DELETE=subjects.delete_version),
    ),
    re_path(rf"^subjects/{_SUBJECT}/versions/?$", door(GET=subjects.versions, POST=subjects.register)),
    re_path(rf"^subjects/{_SUBJECT}/metadata$", door(GET=subjects.latest)),
    re_path(
        rf"^subjects/{_SUBJECT}$", door(POST=subjects.lookup, DELETE=subjects.delete_subject, post_reads=True)
    ),
    re_path(
        rf"^compatibility/subjects/{_SUBJECT}/versions/{_VERSION}$",
        door(POST=subjects.check_against, post_reads=True),
    ),
    re_path(rf"^compatibility/subjects/{_SUBJECT}/versions/?$", door(POST=subjects.check, post_reads=True)),
    path("schemas", door(GET=schemas.every)),
    path("schemas/types", door(GET=schemas.types)),
    path("schemas/ids/<str:id>", door(GET=schemas.by_id)),
    path("schemas/ids/<str:id>/schema", door(GET=schemas.text_by_id)),
    path("schemas/ids/<str:id>/subjects", door(GET=schemas.subjects_of)),
    path("schemas/ids/<str:id>/versions", door(GET=schemas.versions_of)),
    path("contexts", door(GET=schemas.contexts)),
    path("config", door(GET=levels.level, PUT=levels.set_level, DELETE=levels.unset_level)),
    re_path(rf"^config/{_SUBJECT}$", door(GET=levels.level, PUT=levels.set_level, DELETE=levels.unset_level)),
    path("mode", door(GET=levels.mode, PUT=levels.set_mode, DELETE=levels.unset_mode)),
    re_path(rf"^mode/{_SUBJECT}$", door(GET=levels.mode, PUT=levels.set_mode, DELETE=levels.unset_mode)),
    path(
        "associations/resources/<path:resource>",
        door(GET=schemas.no_association, DELETE=schemas.no_association),
    ),
    path("associations", door(POST=schemas.no_association)),
    path("<path:rest>", door(GET=schemas.nothing, POST=schemas.nothing, PUT=schemas.nothing)),
]
