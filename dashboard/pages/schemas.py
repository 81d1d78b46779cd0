"""Schemas: every subject, its latest version, and how strict it is."""

from __future__ import annotations

from typing import Any

from dashboard.broker import broker
from dashboard.presenters import schemas
from dashboard.presenters.words import plural
from dashboard.schema_registry.core import registry
from streamlab.errors import StreamlabError

from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import Column, link, listing

COLUMNS = (
    Column("name", "Subject", lambda r: r.subject, numeric=False),
    Column("type", "Type", lambda r: r.type, numeric=False),
    Column("versions", "Versions", lambda r: r.versions.value),
    Column("id", "Latest id", lambda r: r.id),
    Column("level", "Compatibility", lambda r: r.level, numeric=False),
    Column("topic", "Values of", lambda r: r.topic or None, numeric=False, secondary=True),
    Column("registered", "Registered", lambda r: r.registered.value),
)


def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        rows = _rows(moment.read_at_ms)
        standard = str(registry().level())
    except StreamlabError as error:
        return {"failed": str(error), "summary": "", "rows": []}
    listed = listing(rows, address, COLUMNS, text=lambda r: r.subject, default_sort="name")
    return {
        "list": listed,
        "rows": listed.rows,
        "summary": plural(listed.total, "subject"),
        "standard": standard,
        "clear_href": link(address, q=None, page=None),
    }


def _rows(now_ms: int) -> list[schemas.SubjectRow]:
    known, topics = registry(), set(broker().admin().list_topics())
    rows = []
    for subject in known.subjects():
        try:
            own = True
            level = known.level(subject, default_to_global=False)
        except StreamlabError:
            own, level = False, known.level()
        rows.append(schemas.subject_row(known.versions(subject), str(level), own, topics, now_ms))
    return rows


PAGE = Page(
    name="schemas",
    pattern="schemas/",
    title=lambda address: "Schemas",
    parts=("summary", "list"),
    context=context,
    measured=False,
    live=lambda address: False,
    menu=MenuEntry("Schemas", "", "s", "schemas"),
)
