"""Who may ask for operations, and what the audit trail keeps of them."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from dashboard.access import api_token
from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.access.scopes import API_READ
from dashboard.audit.models import Entry
from dashboard.operations import life, tasks
from dashboard.operations.models import Operation, State
from dashboard.operations.registry import KINDS
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.operating import ask, carry_out, text_of
from tests.people import a_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(operator: Client) -> Client:
    """Another person at the same broker, who may only look."""
    client = Client()
    client.force_login(a_person(Role.VIEWER))
    return client


@pytest.mark.parametrize("kind", KINDS)
def test_a_viewer_is_refused_every_form(viewer, broker, kind):
    for response in (viewer.get(f"/operations/new/{kind}/"), viewer.post(f"/operations/new/{kind}/", {})):
        assert response.status_code == 403
    assert Entry.objects.filter(action="operation.refused", who="viewer").exists()


@pytest.mark.parametrize("name", ["confirm", "preview", "cancel", "undo", "again"])
def test_a_viewer_is_refused_every_step(operator, viewer, broker, name):
    operation = ask(operator, "create-topic", topic="mine", partitions=1, retention_days=1)
    assert viewer.post(f"/operations/{operation.pk}/{name}/").status_code == 403
    operation.refresh_from_db()
    assert operation.state == State.DRAFT
    assert Operation.objects.count() == 1


def test_a_viewer_sees_operations_without_their_buttons(operator, viewer, broker, redis_url):
    publish(redis_url, busy_snapshot())
    operation = ask(operator, "create-topic", topic="mine", partitions=1, retention_days=1)
    assert "csrfmiddlewaretoken" in text_of(operator, f"/operations/{operation.pk}/")
    html = text_of(viewer, f"/operations/{operation.pk}/")
    assert "may-operate" not in html
    assert f"/operations/{operation.pk}/confirm/" not in html
    assert "/operations/new/" not in text_of(viewer, "/operations/")


def test_a_step_without_a_token_of_the_page_is_refused(operator, broker):
    operation = ask(operator, "create-topic", topic="mine", partitions=1, retention_days=1)
    elsewhere = Client(enforce_csrf_checks=True)
    elsewhere.force_login(User.objects.get(username="operator"))
    assert elsewhere.post(f"/operations/{operation.pk}/confirm/").status_code == 403
    operation.refresh_from_db()
    assert operation.state == State.DRAFT


def test_every_write_leaves_who_when_from_where_and_what_came_of_it(operator, broker):
    operation = carry_out(
        operator, ask(operator, "create-topic", topic="kept", partitions=1, retention_days=1)
    )
    found = Entry.objects.filter(operation=operation.pk).order_by("id")
    assert [(e.who, e.action, e.origin) for e in found] == [
        ("operator", "operation.drafted", "127.0.0.1"),
        ("operator", "operation.confirmed", "127.0.0.1"),
        ("operator", "operation.done", ""),
    ]
    assert "operation.confirmed" in text_of(operator, "/audit/?q=kept")
    assert "operation.confirmed" not in text_of(operator, "/audit/?q=zebra")
    lines = b"".join(operator.get("/audit/export.jsonl?q=kept").streaming_content).splitlines()
    assert len(lines) == 3


def test_who_sees_the_audit_trail_may_export_it_by_page_and_by_program(operator, viewer, broker):
    ask(operator, "create-topic", topic="kept", partitions=1, retention_days=1)
    assert 'href="/audit/export.jsonl?q=kept"' in text_of(viewer, "/audit/?q=kept")
    assert b'"operation.drafted"' in b"".join(viewer.get("/audit/export.jsonl?q=kept").streaming_content)
    _, token = api_token.create(User.objects.get(username="viewer"), "", [API_READ])
    program = Client(headers={"Authorization": f"Bearer {token}"})
    assert program.get("/api/v1/audit?q=kept").json()["total"] == 1
    assert b'"operation.drafted"' in b"".join(program.get("/api/v1/audit/export?q=kept").streaming_content)


def test_the_trail_leads_to_no_draft_that_is_deleted(operator, broker):
    kept, gone = (
        ask(operator, "create-topic", topic=name, partitions=1, retention_days=1) for name in ("kept", "gone")
    )
    Operation.objects.filter(pk=gone.pk).update(created_at=timezone.now() - 2 * life.DRAFTS_KEPT)
    tasks.look_after()
    html = text_of(operator, "/audit/")
    assert "create-topic: topic gone" in html
    linked = {int(number) for number in re.findall(r'href="/operations/(\d+)/"', html)}
    assert linked == {kept.pk}
    for number in linked:
        assert operator.get(f"/operations/{number}/").status_code == 200
