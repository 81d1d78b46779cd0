"""Masking rules over the API: in force at once, for Admins only, and every step in the trail."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.audit.models import Entry
from dashboard.masking.models import MaskingRule
from tests.builders import a_topic, produce
from tests.programs import Program, problem_of

pytestmark = pytest.mark.django_db
RULE = {"topics": "shop.*", "field": "email"}


@pytest.fixture
def admin(redis_url: str, settings: Settings) -> Program:
    settings.STREAMLAB_URL = redis_url
    return Program(Role.ADMIN, "masking:write", "records:read")


def test_a_rule_hides_at_once_and_shows_again_when_it_is_removed(admin, broker):
    topic = a_topic(broker)
    produce(broker, topic, [b'{"email": "ann@example.org"}'])
    shown = f"/topics/{topic}/records/0/0"
    assert "ann@" in str(admin.asks(shown))
    made = admin.does("/masking/rules", {"topics": topic, "field": " email "}, 201)
    assert (made["field"], made["holds_for"], made["created_by"]) == ("email", [topic], "admin")
    assert "ann@" not in str(admin.asks(shown))
    assert admin.asks("/masking/rules")["items"] == [made]
    assert admin.does(f"/masking/rules/{made['number']}", status=204, method="DELETE") is None
    assert "ann@" in str(admin.asks(shown))
    assert problem_of(admin.sends("DELETE", f"/masking/rules/{made['number']}"), 404)
    entries = Entry.objects.filter(action__startswith="masking.").order_by("id")
    assert [entry.action for entry in entries] == ["masking.added", "masking.removed"]
    for entry in entries:
        assert (entry.who, entry.subject) == ("admin", f"email of {topic}")
        assert (entry.detail["channel"], entry.detail["token"]) == ("api", admin.row.prefix)


def test_a_rule_that_hides_nothing_is_refused_with_the_field_that_is_meant(admin):
    admin.does("/masking/rules", RULE, 201)
    for body, where in (
        (RULE, "topics"),
        ({"topics": " ", "field": "email"}, "topics"),
        ({"topics": "*", "field": "$.["}, "field"),
        ({"topics": "*"}, "field"),
        ({"topics": "x" * 250, "field": "email"}, "topics"),
    ):
        [error] = problem_of(admin.post("/masking/rules", body), 422)["errors"]
        assert error["where"] == where, body
    assert MaskingRule.objects.count() == 1


def test_only_admins_see_and_change_rules_and_a_token_needs_the_scope(admin):
    number = admin.does("/masking/rules", RULE, 201)["number"]
    every = ("masking:write", "api:read")
    for program in (Program(Role.VIEWER, *every), Program(Role.OPERATOR, *every)):
        assert "role Admin" in problem_of(program.get("/masking/rules"), 403)["detail"]
        problem_of(program.post("/masking/rules", {"topics": "*", "field": "name"}), 403)
        problem_of(program.sends("DELETE", f"/masking/rules/{number}"), 403)
    reader = Program(Role.ADMIN, "api:read")
    assert reader.asks("/masking/rules")["total"] == 1
    refused = problem_of(reader.post("/masking/rules", RULE), 403)
    assert "scope masking:write" in refused["detail"]
    problem_of(Program(Role.ADMIN, "alerts:write").sends("DELETE", f"/masking/rules/{number}"), 403)
    assert MaskingRule.objects.count() == 1
    assert Entry.objects.filter(action="api.refused").count() == 6
