"""What is told: one notice for a channel and all that a look found under one rule, frozen when it is made.

The body is Alertmanager's webhook format, version 4, so that what understands that understands this; `id`, `text` and
`value` are ours. docs/alerts.md is its contract.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.urls import reverse

from .judge import Event
from .models import Channel, Firing, Notice, Rule

MOST_IN_ONE = 50
"""Alerts that one notice spells out; the rest is counted, and stands on the page."""
NEVER = "0001-01-01T00:00:00Z"
"""Alertmanager's word for an end that is not known."""


def opened(rule: Rule, firings: Sequence[Firing], now: datetime) -> list[Notice]:
    """Tell every channel of the rule, once: of two who try one finds nothing left to announce."""
    mine = [
        firing
        for firing in firings
        if Firing.objects.filter(pk=firing.pk, announced_at=None).update(announced_at=now)
    ]
    channels = [channel for channel in rule.channels.all() if channel.enabled] if mine else []
    return [_notice(channel, Event.OPENED, mine, now) for channel in channels]


def cleared(firings: Sequence[Firing], now: datetime) -> list[Notice]:
    """Tell those who were told, or are about to be, that these opened."""
    told: dict[int, list[Firing]] = {}
    channels: dict[int, Channel] = {}
    for firing in firings:
        for notice in firing.notices.filter(event=Event.OPENED, channel__enabled=True).select_related(
            "channel"
        ):
            assert notice.channel is not None
            channels[notice.channel.pk] = notice.channel
            told.setdefault(notice.channel.pk, []).append(firing)
    return [_notice(channels[pk], Event.CLEARED, mine, now) for pk, mine in told.items()]


def _notice(channel: Channel, event: Event, firings: Sequence[Firing], now: datetime) -> Notice:
    key = f"sl_{uuid.uuid4().hex}"
    notice = Notice.objects.create(
        key=key,
        channel=channel,
        channel_name=channel.name,
        event=event,
        body=body(key, channel.name, event, firings),
        due_at=now,
    )
    notice.firings.set(firings)
    return notice


def body(key: str, receiver: str, event: Event, firings: Sequence[Firing]) -> dict[str, Any]:
    """`firings` are of one rule, one at least."""
    first = firings[0]
    status = "firing" if event is Event.OPENED else "resolved"
    common = {"alertname": first.rule_name, "severity": first.severity, "condition": first.condition}
    return {
        "version": "4",
        "id": key,
        "status": status,
        "receiver": receiver,
        "text": text(event, firings),
        "groupKey": f"rule:{first.rule_id or 'test'}",
        "groupLabels": {"alertname": first.rule_name},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": settings.PUBLIC_URL,
        "truncatedAlerts": max(0, len(firings) - MOST_IN_ONE),
        "alerts": [_alert(firing, status, common) for firing in firings[:MOST_IN_ONE]],
    }


def _alert(firing: Firing, status: str, common: dict[str, str]) -> dict[str, Any]:
    says = firing.opened_says if status == "firing" else firing.cleared_says
    link = settings.PUBLIC_URL + reverse("alert", args=[firing.pk]) if firing.pk else settings.PUBLIC_URL
    return {
        "status": status,
        "labels": {**common, "subject": firing.subject},
        "annotations": {"summary": says},
        "startsAt": _rfc3339(firing.opened_at),
        "endsAt": _rfc3339(firing.cleared_at) if firing.cleared_at else NEVER,
        "generatorURL": link,
        "fingerprint": sha256(f"{firing.rule_id}\0{firing.subject}".encode()).hexdigest()[:16],
        "value": firing.opened_value if status == "firing" else firing.cleared_value,
    }


def text(event: Event, firings: Sequence[Firing]) -> str:
    """All of it in a sentence, for receivers that show nothing else."""
    first = firings[0]
    if event is Event.OPENED:
        head, says = f"[{first.severity}] {first.rule_name}", first.opened_says
    else:
        head, says = f"[cleared] {first.rule_name}", first.cleared_says
    more = f", and {len(firings) - 1:,} more"
    return f"{head}: {says}{more if len(firings) > 1 else ''}"


def trial_body(channel: Channel, now: datetime) -> dict[str, Any]:
    """What "Send a test" sends: as a real one, and labelled `test`."""
    firing = Firing(
        rule_name="Test",
        condition="test",
        subject="this channel",
        severity="info",
        opened_at=now,
        opened_says=f"A test of the channel {channel.name}: nothing is wrong",
    )
    sent = body(f"sl_test_{uuid.uuid4().hex}", channel.name, Event.OPENED, [firing])
    sent["commonLabels"]["test"] = sent["alerts"][0]["labels"]["test"] = "true"
    return sent


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lines(sent: dict[str, Any]) -> Iterable[str]:
    """A body as lines of an e-mail."""
    for alert in sent["alerts"]:
        yield alert["annotations"]["summary"]
        end = "" if alert["endsAt"] == NEVER else f", until {alert['endsAt']}"
        yield f"  since {alert['startsAt']}{end}"
        yield f"  {alert['generatorURL']}"
        yield ""
    if sent["truncatedAlerts"]:
        yield f"… and {sent['truncatedAlerts']:,} more: {sent['externalURL']}"
