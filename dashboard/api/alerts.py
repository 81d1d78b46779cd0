"""Alerts and their rules.

A rule's fields are those of its form on the page, and the form judges them. What is not given is what the page would
have filled in, or stays as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status

from dashboard.alerts import changes
from dashboard.alerts.conditions import ALL, CONDITIONS, Condition, described
from dashboard.alerts.figures import counted_rules
from dashboard.alerts.forms import RuleForm, proposed
from dashboard.alerts.models import Firing, Notice, Rule
from dashboard.alerts.preview import preview as preview_of
from dashboard.pages.alerts import asked

from .body import Body
from .door import actor, reads, rules_alerts
from .fields import Value, filled, valid
from .numbered import numbered
from .paging import Page, Paging, page_of
from .problems import AskedWrongly

router = Router(tags=["Alerts"])
SeverityName = Literal["critical", "warning", "info"]


class Told(Schema):
    """One thing that one channel was told, or is to be."""

    id: str = Field(description="The same at every attempt, and in what is sent.")
    channel: str
    event: str = Field(description="opened or cleared")
    state: str = Field(description="waiting, sending, told or given up")
    attempts: int
    answer: str = Field(description="Of the last attempt, in words.")
    told_at: datetime | None


class Alert(Schema):
    number: int
    rule: str
    rule_number: int | None = Field(description="null: the rule was deleted.")
    condition: str
    subject: str
    severity: SeverityName
    says: str = Field(description="What it saw when it opened, in a sentence.")
    value: float | None = Field(description="In the condition's unit; null: it looks at words.")
    opened_at: datetime
    cleared_at: datetime | None = Field(description="null: it still fires.")
    cleared_says: str
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class AlertInFull(Alert):
    told: list[Told] = Field(description="Who was told, the first one first.")


class AlertQuery(Paging):
    q: str = Field("", max_length=300, description="In rule, subject or what it saw.")
    severity: SeverityName | None = None
    state: Literal["firing", "cleared"] | None = None


class KnownCondition(Schema):
    name: str
    title: str
    about: str
    scope: str = Field(description='What the names of a scope are: "Groups"; "": it has none.')
    side: str = Field(description="above, below, or words")
    unit: str
    words: list[str] = Field(description="That can be chosen as statuses.")
    proposed: dict[str, Any] = Field(description="What fields are when they are not given.")


class RuleOut(Schema):
    number: int
    name: str
    condition: str
    looks_for: str = Field(description="All of it in a line.")
    scope: str
    threshold: float | None
    clear_at: float | None
    statuses: list[str]
    window_s: int
    for_s: int
    clear_for_s: int
    severity: SeverityName
    enabled: bool
    muted_until: datetime | None
    channels: list[int]
    owner: str | None
    firing: int = Field(description="Alerts of it that fire now.")


class RuleIn(Body):
    condition: str = Field(max_length=40, description="One of /alerts/conditions.")
    fields: dict[str, Value] = Field(
        {}, description="Those of the condition that differ from what is proposed."
    )


class RuleChange(Body):
    fields: dict[str, Value] = Field({}, description="Those that change.")


class Mute(Body):
    minutes: int = Field(ge=0, le=7 * 24 * 60, description="0 ends a mute.")


class Past(Schema):
    subject: str
    opened: str
    lasted: str = Field(description='"": it would still fire.')


class Preview(Schema):
    words: str = Field(description="What it sees now, in a sentence.")
    now: list[str] = Field(description="What is beyond the limit now, in sentences; 20 at most.")
    now_more: int
    subjects: int | None = Field(description="Looked at; null: they cannot be seen now.")
    past: list[Past] = Field(description="When it would have fired, newest first; 20 at most.")
    past_more: int
    span: str = Field(description='Over how much history; "": none is kept of it.')


# -- alerts --------------------------------------------------------------------------------------------------------


@router.get("/alerts", auth=reads, response=Page[Alert], operation_id="list_alerts")
def alerts(request: HttpRequest, query: Query[AlertQuery]) -> object:
    """Alerts, the newest first."""
    found = Firing.objects.select_related("acknowledged_by").filter(asked(query.q, query.severity or ""))
    if query.state:
        found = found.filter(cleared_at__isnull=query.state == "firing")
    return page_of(found.order_by("-id"), query, _alert)


@router.get("/alerts/{int:number}", auth=reads, response=AlertInFull, operation_id="get_alert")
def alert(request: HttpRequest, number: int) -> object:
    """One alert, and who was told."""
    return _alert_in_full(_firing(number))


@router.post(
    "/alerts/{int:number}/acknowledge",
    auth=rules_alerts,
    response=AlertInFull,
    operation_id="acknowledge_alert",
)
def acknowledge(request: HttpRequest, number: int) -> object:
    """Say that somebody is at it. The first one counts."""
    found = _firing(number)
    changes.acknowledge(found, actor(request))
    return _alert_in_full(found)


# -- rules ---------------------------------------------------------------------------------------------------------


@router.get(
    "/alerts/conditions", auth=reads, response=list[KnownCondition], operation_id="list_alert_conditions"
)
def conditions(request: HttpRequest) -> object:
    """What a rule can look for."""
    return [_condition(condition) for condition in ALL]


@router.get("/alerts/rules", auth=reads, response=Page[RuleOut], operation_id="list_alert_rules")
def rules(request: HttpRequest, query: Query[Paging]) -> object:
    """Rules, by name."""
    return page_of(counted_rules(), query, _rule_out)


@router.post("/alerts/rules", auth=rules_alerts, response={201: RuleOut}, operation_id="create_alert_rule")
def create(request: HttpRequest, body: RuleIn, response: HttpResponse) -> object:
    """Watch for something."""
    form = _new(body)
    made = changes.save_rule(form, actor(request))
    response.headers["Location"] = f"/api/v1/alerts/rules/{made.pk}"
    return Status(201, _rule_out(_rule(made.pk)))


@router.post("/alerts/rules/preview", auth=rules_alerts, response=Preview, operation_id="preview_alert_rule")
def preview(request: HttpRequest, body: RuleIn) -> object:
    """What a rule would see now, and when it would have fired. Nothing is saved."""
    return preview_of(_new(body).as_rule())


@router.get("/alerts/rules/{int:number}", auth=reads, response=RuleOut, operation_id="get_alert_rule")
def rule(request: HttpRequest, number: int) -> object:
    return _rule_out(_rule(number))


@router.patch(
    "/alerts/rules/{int:number}", auth=rules_alerts, response=RuleOut, operation_id="change_alert_rule"
)
def change(request: HttpRequest, number: int, body: RuleChange) -> object:
    """Change the fields that are given."""
    found = _rule(number)
    condition = CONDITIONS.get(found.condition)
    if condition is None:
        raise AskedWrongly(
            {"fields": [f"There is no condition {found.condition} any more; delete the rule."]}
        )
    form = RuleForm(instance=found, condition=condition)
    now = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    now["channels"] = [channel.pk for channel in found.channels.all()]
    form = RuleForm(filled(form, now, body.fields), instance=found, condition=condition)
    return _rule_out(_rule(changes.save_rule(valid(form), actor(request)).pk))


@router.delete(
    "/alerts/rules/{int:number}", auth=rules_alerts, response={204: None}, operation_id="delete_alert_rule"
)
def delete(request: HttpRequest, number: int) -> object:
    """Delete a rule. What fires under it is closed, and who was told is told so."""
    changes.delete_rule(_rule(number), actor(request))
    return Status(204, None)


@router.post(
    "/alerts/rules/{int:number}/mute", auth=rules_alerts, response=RuleOut, operation_id="mute_alert_rule"
)
def mute(request: HttpRequest, number: int, body: Mute) -> object:
    """Go on watching and tell nobody. What still fires when the mute ends is told then."""
    found = _rule(number)
    changes.mute_rule(found, body.minutes, actor(request))
    return _rule_out(found)


# -- bodies ----------------------------------------------------------------------------------------------------------


def _new(body: RuleIn) -> RuleForm:
    condition = CONDITIONS.get(body.condition)
    if condition is None:
        raise AskedWrongly(
            {"condition": [f"There is no condition {body.condition}; /alerts/conditions lists them."]}
        )
    standing = proposed(condition)
    return valid(RuleForm(filled(RuleForm(condition=condition), standing, body.fields), condition=condition))


def _rule(number: int) -> Rule:
    return numbered(counted_rules(), number, f"There is no alert rule {number}.")


def _firing(number: int) -> Firing:
    found = Firing.objects.select_related("acknowledged_by")
    return numbered(found, number, f"There is no alert {number}.")


def _condition(found: Condition) -> dict[str, Any]:
    fields = proposed(found)
    names = RuleForm(condition=found).fields
    return {
        **{name: getattr(found, name) for name in ("name", "title", "about", "scope", "unit")},
        "side": found.side.value,
        "words": list(found.words),
        "proposed": {name: fields[name] for name in names if name in fields},
    }


def _alert(found: Firing) -> dict[str, Any]:
    return {
        "number": found.pk,
        "rule": found.rule_name,
        "rule_number": found.rule_id,
        "says": found.opened_says,
        "value": found.opened_value,
        "acknowledged_by": found.acknowledged_by.get_username() if found.acknowledged_by else None,
        **{
            name: getattr(found, name)
            for name in (
                "condition", "subject", "severity", "opened_at", "cleared_at", "cleared_says", "acknowledged_at",
            )
        },
    }  # fmt: skip


def _alert_in_full(found: Firing) -> dict[str, Any]:
    return {**_alert(found), "told": [_told(notice) for notice in found.notices.order_by("id")]}


def _told(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.key,
        "channel": notice.channel_name,
        "answer": notice.answer,
        **{name: getattr(notice, name) for name in ("event", "state", "attempts", "told_at")},
    }


def _rule_out(found: Any) -> dict[str, Any]:
    """Of a rule as `counted_rules` finds it."""
    return {
        "number": found.pk,
        "looks_for": described(found) if found.condition in CONDITIONS else found.condition,
        "channels": [channel.pk for channel in found.channels.all()],
        "owner": found.owner.get_username() if found.owner else None,
        **{
            name: getattr(found, name)
            for name in (
                "name", "condition", "scope", "threshold", "clear_at", "statuses", "window_s", "for_s", "clear_for_s",
                "enabled", "severity", "muted_until", "firing",
            )
        },
    }  # fmt: skip
