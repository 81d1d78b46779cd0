"""All pages, in the order of the menu. A new page is one module and one line here."""

from __future__ import annotations

from . import (
    alert,
    alerts,
    audit,
    client,
    clients,
    dead_letters,
    group,
    groups,
    history,
    letter,
    letters,
    messages,
    operation,
    operations,
    overview,
    record,
    retries,
    schema,
    schemas,
    topic,
    topics,
)
from .page import Page

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    history.PAGE,
    topics.PAGE,
    messages.PAGE,
    record.PAGE,
    topic.PAGE,
    groups.PAGE,
    group.PAGE,
    clients.PAGE,
    client.PAGE,
    schemas.PAGE,
    schema.PAGE,
    dead_letters.PAGE,
    letters.PAGE,
    letter.PAGE,
    retries.PAGE,
    alerts.PAGE,
    alert.PAGE,
    operations.PAGE,
    operation.PAGE,
    audit.PAGE,
)


def menu() -> list[Page]:
    return [page for page in PAGES if page.menu]
