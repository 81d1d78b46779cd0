"""Alerts: what fires now, what fired, the rules behind it, and who is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from dashboard.alerts.figures import counted_rules, used_channels
from dashboard.alerts.judge import Event
from dashboard.alerts.models import Firing, Notice, Severity, Watchman
from dashboard.alerts.presets import PRESETS
from dashboard.presenters import alerts
from dashboard.presenters.words import plural

from .database import fresh_connection, page_of
from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import link

MOST_FIRING = 200
RANK = {severity: place for place, severity in enumerate(Severity)}


def asked(wanted: str, severity: str) -> Q:
    """What the search and the filters say of an alert; "" asks for any."""
    some = Q()
    for field in ("rule_name", "subject", "opened_says"):
        some |= Q(**{f"{field}__icontains": wanted.strip()})
    if severity in Severity.values:
        some &= Q(severity=severity)
    return some


def _openings(firings: Iterable[Firing]) -> dict[int, list[Notice]]:
    """The notices that told of the opening of each of these."""
    found: dict[int, list[Notice]] = defaultdict(list)
    through = Notice.firings.through.objects.filter(
        firing__in=[firing.pk for firing in firings], notice__event=Event.OPENED
    ).select_related("notice")
    for pair in through.order_by("notice"):
        found[pair.firing_id].append(pair.notice)
    return found


def _rows(firings: list[Firing], now_ms: int) -> list[alerts.FiringRow]:
    openings = _openings(firings)
    return [alerts.firing_row(firing, openings[firing.pk], now_ms) for firing in firings]


def _rules(now_ms: int) -> list[alerts.RuleRow]:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return [alerts.rule_row(rule, rule.firing, now) for rule in counted_rules()]


def _channels() -> list[alerts.ChannelRow]:
    return [
        alerts.channel_row(channel, last, channel.waiting, channel.used_by)
        for channel, last in used_channels()
    ]


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    now_ms = moment.read_at_ms
    severity = address.query.get("severity", "")
    wanted = asked(address.query.get("q", ""), severity)
    everything = Firing.objects.select_related("acknowledged_by")
    open_now = everything.filter(wanted, cleared_at=None)
    firing = sorted(open_now.order_by("-id")[:MOST_FIRING], key=lambda f: RANK[Severity(f.severity)])
    listed = page_of(everything.filter(wanted).exclude(cleared_at=None).order_by("-cleared_at"), address)
    total = open_now.count()
    return {
        "firing": _rows(firing, now_ms),
        "firing_total": total,
        "list": listed,
        "recent": _rows(list(listed.rows), now_ms),
        "rules": _rules(now_ms),
        "channels": _channels(),
        "watching": alerts.watching(Watchman.objects.first(), now_ms),
        "presets": list(enumerate(PRESETS)),
        "summary": f"{plural(total, 'alert')} {'fires' if total == 1 else 'fire'} now",
        "severities": [(s, link(address, severity=s, page=None), s == severity) for s in Severity.values],
        "all_href": link(address, q=None, severity=None, page=None),
        "filtered": bool(listed.query or severity),
    }


PAGE = Page(
    name="alerts",
    pattern="alerts/",
    title=lambda address: "Alerts",
    parts=("summary", "firing", "recent", "rules", "channels"),
    context=context,
    measured=False,
    menu=MenuEntry("Alerts", "Work", "e", "alerts"),
)
