"""Channels: who can be told of alerts. Where a webhook goes is a secret: only its host is told."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status

from dashboard.alerts import changes
from dashboard.alerts.figures import counted_channels
from dashboard.alerts.forms import ChannelForm
from dashboard.alerts.models import Channel

from .body import Body
from .door import actor, reads, tells
from .fields import Value, filled, valid
from .numbered import numbered
from .paging import Page, Paging, page_of

router = Router(tags=["Alerts"])


class ChannelOut(Schema):
    number: int
    name: str
    kind: str
    where: str = Field(description="As much of the place as anybody may see.")
    signed: bool
    enabled: bool
    waiting: int = Field(description="Notices that it has not been told yet.")


class ChannelIn(Body):
    kind: Literal["webhook", "e-mail"]
    fields: dict[str, Value] = Field(
        description="name, enabled; of a webhook url and secret; of e-mail addresses, with commas."
    )


class ChannelChange(Body):
    fields: dict[str, Value] = Field({}, description="Those that change.")


class Trial(Schema):
    told: bool
    answer: str = Field(description="What came back, in words.")
    response: str = Field(description="How what came back begins.")
    sent: dict[str, Any]


@router.get("/alerts/channels", auth=reads, response=Page[ChannelOut], operation_id="list_alert_channels")
def channels(request: HttpRequest, query: Query[Paging]) -> object:
    """Channels, by name."""
    return page_of(counted_channels(), query, _out)


@router.post("/alerts/channels", auth=tells, response={201: ChannelOut}, operation_id="create_alert_channel")
def create(request: HttpRequest, body: ChannelIn, response: HttpResponse) -> object:
    """A webhook, or some e-mail addresses."""
    data = filled(ChannelForm(kind=body.kind), {"enabled": True}, body.fields)
    made = changes.save_channel(valid(ChannelForm(data, kind=body.kind)), actor(request))
    response.headers["Location"] = f"/api/v1/alerts/channels/{made.pk}"
    return Status(201, _out(_channel(made.pk)))


@router.patch(
    "/alerts/channels/{int:number}", auth=tells, response=ChannelOut, operation_id="change_alert_channel"
)
def change(request: HttpRequest, number: int, body: ChannelChange) -> object:
    """Change the fields that are given."""
    found = _channel(number)
    form = ChannelForm(instance=found, kind=found.kind)
    standing = {"name": found.name, "enabled": found.enabled, "addresses": ", ".join(found.addresses)}
    form = ChannelForm(filled(form, standing, body.fields), instance=found, kind=found.kind)
    return _out(_channel(changes.save_channel(valid(form), actor(request)).pk))


@router.delete(
    "/alerts/channels/{int:number}", auth=tells, response={204: None}, operation_id="delete_alert_channel"
)
def delete(request: HttpRequest, number: int) -> object:
    """Delete a channel. What it was not told yet, it will not be told."""
    changes.delete_channel(_channel(number), actor(request))
    return Status(204, None)


@router.post(
    "/alerts/channels/{int:number}/test", auth=tells, response=Trial, operation_id="test_alert_channel"
)
def test(request: HttpRequest, number: int) -> object:
    """Send a test now, and say what came back."""
    sent, answer = changes.try_channel(_channel(number), actor(request))
    return {"told": answer.told, "answer": answer.words, "response": answer.response, "sent": sent}


def _channel(number: int) -> Channel:
    return numbered(counted_channels(), number, f"There is no channel {number}.")


def _out(found: Any) -> dict[str, Any]:
    """Of a channel as `counted_channels` finds it."""
    return {
        "number": found.pk,
        "signed": bool(found.secret),
        **{name: getattr(found, name) for name in ("name", "kind", "where", "enabled", "waiting")},
    }
