"""Every address, whoever calls it: nobody and viewers change nothing, by page, form, API, registry, ingest or socket.

The table is made of the URL patterns themselves. A new address is in it from the day on which it exists; what it needs
to be asked for stands in `Given`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import Settings

from dashboard.access import api_token
from dashboard.access.roles import Role
from dashboard.access.scopes import SCOPES
from dashboard.alerts.models import Channel, Firing, Rule
from dashboard.audit.trail import Actor
from dashboard.live.routing import websocket_urlpatterns
from dashboard.masking.models import MaskingRule
from dashboard.operations import life
from dashboard.operations.registry import KINDS
from streamlab.broker import Broker
from streamlab.schemas import Schema, SchemaRegistry, SchemaType
from tests.builders import numbered, produce
from tests.dead_letter_builders import a_letter, a_record, bury
from tests.integration.broker_pictures import publish
from tests.integration.test_live_feed import Browser
from tests.people import a_person
from tests.snapshots import a_group, a_snapshot, a_topic

ADMINS_ONLY = re.compile(r"people|masking|alerts/channels/[<n]|reveal|/value$")
METHODS = ("POST", "PUT", "PATCH", "DELETE")
VIEWERS_MAY = {
    "login": "comes in",
    "signin-link": "comes in",
    "logout": "goes",
    "tokens": "makes tokens of their own",
    "token-revoke": "ends tokens of their own",
    "api/v1/tokens": "makes tokens of their own",
    "api/v1/tokens/<int:number>": "ends tokens of their own",
    "schema-check": "asks whether a schema would do",
    "subjects/(?P<subject>.+)$": "asks whether a schema is there",
    "compatibility/subjects/(?P<subject>.+)/versions/(?P<version>[^/]+)$": "asks whether a schema would do",
    "compatibility/subjects/(?P<subject>.+)/versions/?$": "asks whether a schema would do",
    "associations": "answers that there is none",
    "associations/resources/<path:resource>": "answers that there is none",
    "<path:rest>": "answers that there is nothing",
    "api/v1/<path:rest>": "answers that there is nothing",
    "api/v1/": "answers that there is nothing",
}
"""What a viewer may send something to, and why: nothing of it changes anything but the viewer's own."""
NOT_THE_WORLD = {"access.ApiToken", "sessions.Session", "audit.Entry", "admin.LogEntry"}
SCHEMA = '{"type": "string"}'


@dataclass(frozen=True)
class Route:
    pattern: str
    name: str  # "" where it has none

    @property
    def id(self) -> str:
        return self.pattern

    def matches(self, table: dict[str, str]) -> bool:
        plain = self.pattern.replace("/^", "/")
        return any(self.name == known or plain in (known, f"schema-registry/{known}") for known in table)


def routes() -> list[Route]:
    def walk(patterns: list[Any], prefix: str) -> Iterator[Route]:
        for pattern in patterns:
            text = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, text)
            else:
                assert isinstance(pattern, URLPattern)
                yield Route(text, pattern.name or "")

    return list(walk(get_resolver().url_patterns, ""))


ROUTES = routes()


@dataclass
class Given:
    """Things that are there, to ask for."""

    values: dict[str, str]
    numbers: dict[str, int]  # beginning of a pattern → number of such a thing

    def path(self, route: Route) -> str:
        def value(match: re.Match[str]) -> str:
            name = match["name"] or match["regex_name"]
            if name == "number":
                return str(next(n for begins, n in self.numbers.items() if route.pattern.startswith(begins)))
            if name == "name":
                return "poison-records" if route.pattern.startswith("lab/") else "purge"
            assert name in self.values, f"{route.pattern}: say in `here` what to put for {name}"
            return self.values[name]

        path = re.sub(
            r"<(?:[a-z]+:)?(?P<name>[a-z_]+)>|\(\?P<(?P<regex_name>[a-z_]+)>[^)]+\)", value, route.pattern
        )
        return "/" + path.replace("^", "").replace("$", "").replace("/?", "/").removesuffix("?")


@pytest.fixture
def here(redis_url: str, settings: Settings, broker: Broker) -> Given:
    """One of everything."""
    settings.STREAMLAB_URL = redis_url
    settings.API_RATE = 0
    publish(redis_url, a_snapshot(a_topic("orders", groups=["revenue"]), a_group("revenue")))
    broker.admin().create_topics({"orders": {"num_partitions": 1}})
    produce(broker, "orders", numbered(3))
    dlq = bury(broker, [a_letter(a_record(topic="orders", partition=0, offset=1))])
    registry = SchemaRegistry(broker.connection, by="ann")
    registry.register("orders-value", Schema(SCHEMA, SchemaType.AVRO))
    registry.close()
    owner = a_person(Role.ADMIN)
    operation = life.draft(KINDS["purge"], {"topic": "orders", "before_ms": None}, Actor(owner))
    rule = Rule.objects.create(name="Late", condition="group-lag", threshold=1, owner=owner)
    channel = Channel.objects.create(name="hook", kind="webhook", url="https://hooks.example/")
    firing = Firing.objects.create(rule=rule, rule_name="Late", condition="group-lag", subject="group revenue",
                                   severity="info", opened_at=timezone.now(), opened_says="so")  # fmt: skip
    hidden = MaskingRule.objects.create(topics="clicks", field="email")
    theirs, _ = api_token.create(owner, "an Admin's", ["api:read"])
    return Given(
        {
            "topic": "orders", "partition": "0", "offset": "0", "dlq": dlq, "group": "revenue", "token": "x",
            "instance": "till", "subject": "orders-value", "version": "1", "id": "1", "kind": "webhook", "rest": "x",
            "resource": "x", "ending": "json", "what": "topic",
        },
        {
            "operations/": operation.pk, "api/v1/operations/": operation.pk, "alerts/rules/": rule.pk,
            "alerts/channels/": channel.pk, "alerts/": firing.pk, "api/v1/alerts/rules/": rule.pk,
            "api/v1/alerts/channels/": channel.pk, "api/v1/alerts/": firing.pk, "masking/": hidden.pk,
            "api/v1/masking/": hidden.pk, "people/": owner.pk, "tokens/": theirs.pk,
            "api/v1/people/": owner.pk, "api/v1/tokens/": theirs.pk,
        },
    )  # fmt: skip


def world(url: str) -> dict[str, Any]:
    """All that there is, but who is signed in, what they made for themselves, and the trail."""
    found: dict[str, Any] = {
        model._meta.label: sorted(map(str, model._default_manager.values_list(*_lasting(model))))
        for model in apps.get_models()
        if model._meta.label not in NOT_THE_WORLD and not model._meta.label.startswith("axes.")
    }
    client = redis.Redis.from_url(url)
    for key in client.scan_iter(count=1_000):
        if key.startswith((b"sl:clients", b"sl:advisor")):
            continue  # what clients push of themselves once a second, and what the advisor saw last
        found[key.decode("utf-8", "replace")] = client.dump(key)
    client.close()
    return found


def _lasting(model: type[Model]) -> list[str]:
    """Its fields, but when somebody last came in."""
    return [field.attname for field in model._meta.concrete_fields if field.name != "last_login"]


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


@dataclass
class Person:
    """Somebody with a session or a token."""

    client: Client
    headers: dict[str, str]

    def sends(self, method: str, path: str, body: dict[str, Any]) -> list[HttpResponse]:
        """As a form and as JSON."""
        as_json = self.client.generic(
            method, path, json.dumps(body), "application/json", headers=self.headers
        )
        if method != "POST":
            return [as_json]
        return [as_json, self.client.post(path, body, headers=self.headers)]


def signed_in(role: Role) -> Person:
    client = Client()
    client.force_login(a_person(role))
    return Person(client, {})


def with_token(role: Role) -> Person:
    """Everything that a token can say of itself."""
    owner = a_person(role)
    owner.api_tokens.filter(name="all").delete()  # of the address before: nobody has any number of them
    _, token = api_token.create(owner, "all", [*SCOPES, "ingest:*"])
    return Person(Client(), {"Authorization": f"Bearer {token}"})


BODY: dict[str, Any] = {
    "kind": "purge", "fields": {"topic": "orders"}, "condition": "group-lag", "minutes": 30, "typed": "orders",
    "schema": SCHEMA, "compatibility": "NONE", "mode": "READONLY", "name": "x", "username": "x", "role": "Admin",
    "topics": "*", "field": "email", "url": "https://evil.example/", "specversion": "1.0", "id": "1", "source": "/x",
    "type": "x", "letter": "orders.revenue.dlq/0@0", "do": "start",
}  # fmt: skip


class Watched:
    """Notes what of the world changed, and by whom."""

    def __init__(self, url: str):
        self._url, self._before = url, world(url)
        self.faults: list[str] = []

    def look(self, where: str) -> None:
        after = world(self._url)
        if names := changed(self._before, after):
            self.faults.append(f"{where} changed {sorted(names)}")
        self._before = after


def refused(response: HttpResponse) -> bool:
    to_sign_in = response.headers.get("Location", "").startswith("/sign-in/")
    return response.status_code in (401, 403, 405) or (response.status_code == 302 and to_sign_in)


def everything_sent(person: Person, path: str) -> Iterator[tuple[str, HttpResponse]]:
    for method in METHODS:
        for response in person.sends(method, path, BODY):
            yield f"{method} {path}: {response.status_code} {response.content[:200]!r}", response


@pytest.mark.django_db
def test_nobody_and_no_viewer_changes_anything(here, redis_url):
    a_person()
    watched = Watched(redis_url)
    for route in ROUTES:
        path, may = here.path(route), route.matches(VIEWERS_MAY)
        for person in (Person(Client(), {}), signed_in(Role.VIEWER), with_token(Role.VIEWER)):
            watched.faults += [
                says for says, r in everything_sent(person, path) if not refused(r) and not may
            ]
        watched.look(route.pattern)
    assert watched.faults == []


@pytest.mark.django_db
def test_what_is_for_admins_is_refused_to_operators(here, redis_url):
    a_person(Role.OPERATOR)
    watched = Watched(redis_url)
    found = [route for route in ROUTES if ADMINS_ONLY.search(route.pattern)]
    assert len(found) >= 15
    for route in found:
        for person in (signed_in(Role.OPERATOR), with_token(Role.OPERATOR)):
            watched.faults += [
                says for says, r in everything_sent(person, here.path(route)) if not refused(r)
            ]
        watched.look(route.pattern)
    assert watched.faults == []


@pytest.mark.django_db
def test_looking_changes_nothing_even_for_an_admin(here, redis_url):
    watched = Watched(redis_url)
    for route in ROUTES:
        path = here.path(route)
        for person in (signed_in(Role.ADMIN), with_token(Role.ADMIN)):
            for method in ("GET", "HEAD", "OPTIONS"):
                response = person.client.generic(method, path, headers=person.headers)
                if response.status_code >= 500 and response.status_code != 503:
                    watched.faults.append(f"{method} {path}: {response.status_code}")
                if response.streaming:
                    b"".join(response)
        watched.look(route.pattern)
    assert watched.faults == []


@pytest.mark.django_db
def test_no_viewer_drafts_any_kind_of_operation(here, redis_url):
    a_person()
    watched = Watched(redis_url)
    for name in KINDS:
        for person in (Person(Client(), {}), signed_in(Role.VIEWER), with_token(Role.VIEWER)):
            responses = [
                person.client.post(f"/operations/new/{name}/", {"topic": "orders"}, headers=person.headers)
            ]
            responses += person.sends("POST", "/api/v1/operations", {"kind": name, "fields": {}})
            watched.faults += [f"{name}: {r.status_code}" for r in responses if not refused(r)]
        watched.look(name)
    assert watched.faults == []


@pytest.mark.django_db
def test_what_a_viewer_may_send_to_is_really_there():
    for known in VIEWERS_MAY:
        assert any(route.matches({known: ""}) for route in ROUTES), f"{known} is no address any more"


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
@pytest.mark.parametrize("route", websocket_urlpatterns, ids=str)
async def test_whatever_a_viewer_says_to_a_socket_changes_nothing(route, here, redis_url, settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    session = await sync_to_async(_session_of_a_viewer)()
    before = await sync_to_async(world)(redis_url)
    pages = [here.path(r) for r in ROUTES]
    for message in (
        *({"subscribe": path} for path in pages),
        *({word: "/operations/1/confirm/"} for word in ("post", "publish", "send", "type", "action")),
        {"subscribe": "/topics/", "method": "POST", "body": BODY},
    ):
        browser = Browser(session)
        browser.scope["path"] = f"/{route.pattern}"
        assert (await browser.open())["type"] == "websocket.accept"
        await browser.say(message)
        await browser.leave()
    assert changed(before, await sync_to_async(world)(redis_url)) == set()


def _session_of_a_viewer() -> str:
    client = Client()
    client.force_login(a_person())
    return str(client.session.session_key)
