"""What the command palette finds: pages, operations, topics, groups, clients, schemas, and single records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard.access.needs import person
from dashboard.access.roles import Role, has_role
from dashboard.operations.registry import KINDS
from dashboard.presenters.payload import visible
from dashboard.schema_registry.core import registry
from streamlab.errors import StreamlabError

from . import running
from .moments import NoMeasurements, current
from .registry import menu

MOST = 40
MOST_OF_A_KIND = 12
_RECORD = re.compile(r"(?P<topic>[\w.\-]{1,249})/(?P<partition>\d{1,9})@(?P<offset>\d{1,16})", re.ASCII)


class Item(NamedTuple):
    label: str
    kind: str
    href: str


def _places(request: HttpRequest) -> Iterator[Item]:
    admin = has_role(person(request), Role.ADMIN)
    for entry in menu():
        shown = entry.menu
        if shown and (admin or not shown.admin):
            yield Item(shown.label, "page", reverse(entry.name))


def _operations(request: HttpRequest) -> Iterator[Item]:
    if has_role(person(request), Role.OPERATOR):
        for kind in KINDS.values():
            yield Item(f"{kind.title}…", "operation", reverse("operation-new", args=[kind.name]))


def _things() -> Iterator[Item]:
    try:
        snapshot = current().snapshot
    except NoMeasurements:
        return
    for topic in sorted(snapshot.topics):
        yield Item(topic, "topic", reverse("topic", args=[topic]))
    for group in sorted(snapshot.groups):
        yield Item(group, "group", reverse("group", args=[group]))
    for client in running.clients().values():
        yield Item(visible(client.client_id), client.kind, reverse("client", args=[client.instance]))
    try:
        for subject in registry().subjects():
            yield Item(subject, "schema", reverse("schema", args=[subject]))
    except StreamlabError:
        return


def _asked(wanted: str) -> Iterator[Item]:
    """What the words themselves may mean: a place in a log, or something to search the dead letters for."""
    record = _RECORD.fullmatch(wanted)
    if record:
        yield Item(wanted, "record", reverse("record", args=[*record.groups()]))
    if wanted:
        query = urlencode({"q": wanted}, quote_via=quote)
        yield Item(f"Search the dead letters for “{wanted}”", "search", f"{reverse('letters')}?{query}")


def _rank(item: Item, wanted: str) -> tuple[bool, bool]:
    label = item.label.lower()
    return (not label.startswith(wanted), wanted not in label)


@require_safe
def find(request: HttpRequest) -> JsonResponse:
    """`{"items": [{"label", "kind", "href"}, …], "more": left out}`, what begins with the words first."""
    wanted = request.GET.get("q", "").strip()[:200]
    words = wanted.lower().split()
    counted: dict[str, int] = {}
    found = []
    known = [*_places(request), *_operations(request), *(_things() if words else ())]
    matching = [i for i in known if all(word in f"{i.label} {i.kind}".lower() for word in words)]
    for item in sorted(matching, key=lambda i: _rank(i, wanted.lower())):
        counted[item.kind] = counted.get(item.kind, 0) + 1
        if counted[item.kind] <= MOST_OF_A_KIND or not words:
            found.append(item)
    more = len(matching) - len(found[:MOST])
    found = [*(i for i in _asked(wanted) if i.kind == "record"), *found[:MOST]]
    found += [i for i in _asked(wanted) if i.kind == "search"]
    response = JsonResponse({"items": [item._asdict() for item in found], "more": more})
    response.headers["Cache-Control"] = "no-store"
    return response
