"""Alerts, rules, channels and notices in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboard.alerts.awake import ASLEEP_MS
from dashboard.alerts.conditions import CONDITIONS, described
from dashboard.alerts.models import Channel, Firing, Notice, NoticeState, Rule, Severity, Watchman
from dashboard.alerts.now import TONES

from .figures import Figure, count, moment, spell_duration
from .payload import visible
from .words import Status, Tone, listed, plural


def ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


@dataclass(frozen=True)
class FiringRow:
    """One alert in a list."""

    number: int
    rule: str
    subject: str
    says: str
    href: str  # of what it is about
    severity: Status
    state: Status
    opened: Figure
    lasted: str
    told: str  # who was told


def firing_row(firing: Firing, notices: list[Notice], now_ms: int) -> FiringRow:
    end_ms = ms(firing.cleared_at) or now_ms
    return FiringRow(
        number=firing.pk,
        rule=visible(firing.rule_name),
        subject=visible(firing.subject),
        says=visible(firing.opened_says),
        href=firing.href,
        severity=severity(firing.severity),
        state=firing_state(firing),
        opened=moment(ms(firing.opened_at), now_ms),
        lasted=spell_duration(max(0, end_ms - (ms(firing.opened_at) or end_ms)) // 1000 * 1000),
        told=told_words(firing, notices),
    )


def severity(name: str) -> Status:
    return Status(name, TONES[Severity(name)])


def firing_state(firing: Firing) -> Status:
    if firing.cleared_at:
        return Status("cleared", Tone.OK, visible(firing.cleared_says))
    if firing.acknowledged_at:
        who = firing.acknowledged_by.get_username() if firing.acknowledged_by else "somebody"
        return Status("acknowledged", Tone.NOTE, f"{who} is at it")
    return Status("firing", TONES[Severity(firing.severity)], visible(firing.opened_says))


def told_words(firing: Firing, notices: list[Notice]) -> str:
    """Who knows of it. `notices` are those of its opening."""
    if firing.announced_at is None:
        return "nobody: muted"
    if not notices:
        return "nobody: no channel"
    told = [visible(notice.channel_name) for notice in notices if notice.state == NoticeState.TOLD]
    missing = len(notices) - len(told)
    words = listed(told) if told else "nobody yet"
    return f"{words}; {missing} not yet" if told and missing else words


@dataclass(frozen=True)
class NoticeRow:
    """What one channel was told, or will be."""

    channel: str
    event: str
    status: Status
    answer: str
    attempts: int
    made: Figure
    told: Figure
    key: str


def notice_row(notice: Notice, now_ms: int) -> NoticeRow:
    return NoticeRow(
        channel=visible(notice.channel_name),
        event=notice.event,
        status=notice_status(notice, now_ms),
        answer=visible(notice.answer),
        attempts=notice.attempts,
        made=moment(ms(notice.created_at), now_ms),
        told=moment(ms(notice.told_at), now_ms, "Not told yet"),
        key=notice.key,
    )


def notice_status(notice: Notice, now_ms: int) -> Status:
    match NoticeState(notice.state):
        case NoticeState.TOLD:
            return Status("told", Tone.OK, notice.answer)
        case NoticeState.GIVEN_UP:
            return Status("given up", Tone.BAD, notice.answer)
        case NoticeState.SENDING:
            return Status("being told", Tone.NOTE)
        case _ if notice.attempts:
            left_ms = max(0, (ms(notice.due_at) or 0) - now_ms)
            return Status(f"again in {spell_duration(left_ms // 1000 * 1000)}", Tone.WARN, notice.answer)
    if notice.channel_id is None:
        return Status("given up", Tone.IDLE, "The channel was deleted")
    return Status("waits", Tone.NOTE)


@dataclass(frozen=True)
class RuleRow:
    number: int
    name: str
    looks_for: str
    severity: Status
    state: Status
    muted: bool
    channels: str
    owner: str
    firing: Figure


def rule_row(rule: Rule, firing: int, now: datetime) -> RuleRow:
    """`firing` counts the subjects for which it fires now."""
    return RuleRow(
        number=rule.pk,
        name=visible(rule.name),
        looks_for=visible(described(rule) if rule.condition in CONDITIONS else rule.condition),
        severity=severity(rule.severity),
        state=_rule_state(rule, firing, now),
        muted=rule.muted(now),
        channels=visible(listed([channel.name for channel in rule.channels.all()])) or "nobody",
        owner=rule.owner.get_username() if rule.owner else "—",
        firing=count(firing, "alerts fire now"),
    )


def _rule_state(rule: Rule, firing: int, now: datetime) -> Status:
    if not rule.enabled:
        return Status("off", Tone.IDLE, "It is switched off")
    if rule.muted(now) and rule.muted_until:
        left = spell_duration((rule.muted_until - now).total_seconds() // 60 * 60_000)
        until = f"Nobody is told until {rule.muted_until:%Y-%m-%d %H:%M} UTC"
        return Status(f"muted, {left} left" if left != "0 s" else "muted", Tone.IDLE, until)
    if firing:
        return Status("fires", TONES[Severity(rule.severity)], plural(firing, "alert"))
    return Status("calm", Tone.OK)


@dataclass(frozen=True)
class ChannelRow:
    number: int
    name: str
    kind: str
    where: str
    signed: bool
    rules: int
    status: Status
    waiting: Figure


def channel_row(channel: Channel, last: Notice | None, waiting: int, rules: int) -> ChannelRow:
    """`last` is the newest notice of which an attempt was made."""
    return ChannelRow(
        number=channel.pk,
        name=visible(channel.name),
        kind=channel.kind,
        where=channel.where,
        signed=bool(channel.secret),
        rules=rules,
        status=_channel_status(channel, last),
        waiting=count(waiting, "notices wait"),
    )


def _channel_status(channel: Channel, last: Notice | None) -> Status:
    if not channel.enabled:
        return Status("off", Tone.IDLE, "It is told nothing")
    if last is None:
        return Status("never used", Tone.IDLE, "Send a test")
    if last.state == NoticeState.TOLD:
        return Status("works", Tone.OK, last.answer)
    return Status("fails", Tone.BAD, last.answer)


def watching(row: Watchman | None, now_ms: int) -> Status:
    """Whether somebody looks at all."""
    seen_ms = ms(row.looked_at) if row else None
    if row is None or seen_ms is None:
        return Status("nobody watches", Tone.BAD, "Start manage.py watch_alerts; manage.py up does.")
    if now_ms - seen_ms > ASLEEP_MS:
        ago = spell_duration((now_ms - seen_ms) // 1000 * 1000)
        return Status(
            "nobody watches", Tone.BAD, f"The last look was {ago} ago. Is manage.py watch_alerts running?"
        )
    if row.trouble:
        return Status("watching, half blind", Tone.WARN, row.trouble)
    return Status("watching", Tone.OK, "The rules are looked at every 2 s")
