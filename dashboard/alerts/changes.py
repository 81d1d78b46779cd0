"""Whatever changes rules, channels and alerts, for pages and the API: each change and its trail in one transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from dashboard.audit import trail
from dashboard.audit.trail import Actor

from .channels import Answer, tell
from .conditions import CONDITIONS, described
from .forms import ChannelForm, RuleForm
from .look import close_all
from .models import Channel, Firing, Rule
from .notices import trial_body


def save_rule(form: RuleForm, actor: Actor) -> Rule:
    """A new one, or one that changes. Only after `form.is_valid()`."""
    new = form.instance.pk is None
    with transaction.atomic():
        if new:
            form.instance.owner = actor.user
        rule: Rule = form.save()
        action = "alert.rule_created" if new else "alert.rule_changed"
        trail.record(actor, action, str(rule), effect=described(rule), changed=form.changed_data)
        if not rule.enabled:
            close_all(rule, "The rule was switched off", timezone.now())
        elif "scope" in form.changed_data and not new:
            close_all(rule, "The rule was given another scope", timezone.now())
    return rule


def delete_rule(rule: Rule, actor: Actor) -> None:
    looked_for = described(rule) if rule.condition in CONDITIONS else rule.condition
    with transaction.atomic():
        closed = close_all(rule, "The rule was deleted", timezone.now())
        trail.record(actor, "alert.rule_deleted", str(rule), effect=looked_for, closed=closed)
        rule.delete()


def mute_rule(rule: Rule, minutes: int, actor: Actor) -> None:
    """0 minutes end a mute."""
    until = timezone.now() + timedelta(minutes=minutes) if minutes else None
    with transaction.atomic():
        Rule.objects.filter(pk=rule.pk).update(muted_until=until)
        action = "alert.rule_muted" if until else "alert.rule_unmuted"
        trail.record(actor, action, str(rule), effect=f"until {until:%Y-%m-%d %H:%M} UTC" if until else "")
    rule.muted_until = until


def acknowledge(firing: Firing, actor: Actor) -> None:
    """Say that somebody is at it. The first one counts; nobody is told."""
    with transaction.atomic():
        taken = Firing.objects.filter(pk=firing.pk, acknowledged_at=None).update(
            acknowledged_at=timezone.now(), acknowledged_by=actor.user
        )
        if taken:
            trail.record(actor, "alert.acknowledged", f"{firing.rule_name}: {firing.subject}")
    firing.refresh_from_db()


def save_channel(form: ChannelForm, actor: Actor) -> Channel:
    """A new one, or one that changes. Only after `form.is_valid()`."""
    new = form.instance.pk is None
    with transaction.atomic():
        if new:
            form.instance.created_by = actor.user
        channel = form.save()
        action = "alert.channel_created" if new else "alert.channel_changed"
        trail.record(actor, action, str(channel), effect=_where(channel), changed=form.changed_data)
    return channel


def delete_channel(channel: Channel, actor: Actor) -> None:
    with transaction.atomic():
        trail.record(actor, "alert.channel_deleted", str(channel), effect=_where(channel))
        channel.delete()


class Trial(NamedTuple):
    sent: dict[str, Any]
    answer: Answer


def try_channel(channel: Channel, actor: Actor) -> Trial:
    """Send a test now; it takes some seconds where the receiver does not answer."""
    body = trial_body(channel, timezone.now())
    answer = tell(channel, body["id"], body)
    trail.record(actor, "alert.channel_tested", str(channel), effect=answer.words, told=answer.told)
    return Trial(body, answer)


def _where(channel: Channel) -> str:
    return f"{channel.kind} to {channel.where}"
