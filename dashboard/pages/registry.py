"""All pages, in the order of the menu. A new page is one module and one line here."""

from __future__ import annotations

from dataclasses import dataclass

from . import (
    advisor,
    alert,
    alerts,
    audit,
    client,
    clients,
    dead_letters,
    experiment,
    experiments,
    experiments_compared,
    group,
    groups,
    history,
    lab,
    letter,
    letters,
    load,
    messages,
    operation,
    operations,
    overview,
    record,
    retries,
    schema,
    schemas,
    story,
    topic,
    topics,
    what_if,
)
from .page import MenuEntry, Page

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    advisor.PAGE,
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
    lab.PAGE,
    experiments.PAGE,
    experiments_compared.PAGE,
    experiment.PAGE,
    story.PAGE,
    load.PAGE,
    what_if.PAGE,
)


@dataclass(frozen=True)
class Personal:
    """An entry of the menu whose view depends on who looks, so it is no page that one drawing serves all."""

    name: str  # of the URL
    menu: MenuEntry


PERSONAL = (
    Personal("tokens", MenuEntry("API tokens", "Admin", "k", "tokens")),
    Personal("api-docs", MenuEntry("API", "Admin", "i", "api")),
    Personal("people", MenuEntry("People", "Admin", "u", "people", admin=True)),
    Personal("masking", MenuEntry("Masking", "Admin", "m", "masking", admin=True)),
)


def menu() -> list[Page | Personal]:
    return [*(page for page in PAGES if page.menu), *PERSONAL]
