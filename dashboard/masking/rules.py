"""The rules in force, and who changes them. Read anew each time, so that a new rule holds at once in every process."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from dashboard.audit import trail
from dashboard.audit.trail import Actor
from dashboard.broker import broker
from streamlab.errors import StreamlabError
from streamlab.events import EVENTS_TOPIC

from .models import MaskingRule
from .shield import EventShield, Rule, Shield, holds_for, problem_with


def rules() -> list[Rule]:
    return [Rule(*found) for found in MaskingRule.objects.values_list("topics", "field")]


def shield_of(*topics: str) -> Shield:
    """What hides the contents of records of this topic; of several, where a record belongs to more than one."""
    return shield_among(rules(), *topics)


def shield_among(known: list[Rule], *topics: str) -> Shield:
    if EVENTS_TOPIC in topics:
        return EventShield(known)
    return Shield([rule for rule in known if any(holds_for(rule.topics, topic) for topic in topics)])


def listed() -> list[tuple[MaskingRule, list[str]]]:
    """Every rule with the topics of now that it holds for; with none while the broker does not answer."""
    topics = _topics()
    found = MaskingRule.objects.order_by("topics", "field")
    return [(rule, [name for name in topics if holds_for(rule.topics, name)]) for rule in found]


def _topics() -> list[str]:
    try:
        return sorted(broker().admin().list_topics())
    except StreamlabError:
        return []


def add(topics: str, field: str, actor: Actor) -> MaskingRule:
    """Raises ValidationError for a field that no rule can hide, and for a rule that is there already."""
    topics, field = topics.strip(), field.strip()
    if not topics or len(topics) > 249:
        raise ValidationError("Name a topic, or a pattern like shop.*", code="topics")
    if problem := problem_with(field):
        raise ValidationError(problem, code="field")
    try:
        with transaction.atomic():
            who = actor.user.get_username() if actor.user else ""
            rule = MaskingRule.objects.create(topics=topics, field=field, created_by=who)
            trail.record(actor, "masking.added", str(rule))
    except IntegrityError:
        raise ValidationError(f"{field} of {topics} is hidden already.", code="topics") from None
    return rule


def remove(rule: MaskingRule, actor: Actor) -> None:
    with transaction.atomic():
        trail.record(actor, "masking.removed", str(rule))
        rule.delete()
