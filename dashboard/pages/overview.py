"""Overview: is all well, and if not, where to look first."""

from __future__ import annotations

from typing import Any

from dashboard.charts import Chart, Legend, Line
from dashboard.presenters import clients, commands, flow, groups, health, topics
from dashboard.presenters.figures import byte_rate, count, duration, percent, rate, size, spell_duration
from dashboard.presenters.words import Tone, Trouble, plural
from streamlab.metrics.snapshot import Snapshot

from . import advisor, marks, running, trouble
from .database import fresh_connection
from .laggards import laggards
from .moments import Moment
from .page import Address, MenuEntry, Page

MOST_ROWS = 6
NOT_KEPT = "It is not kept of earlier moments"
NO_TOPIC = "No topic was measured twice yet"


def total(values: list[float | None]) -> float | None:
    """The sum of what is known; None when nothing is."""
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def headline_figures(snapshot: Snapshot, failing: Trouble, past: bool) -> dict[str, Any]:
    own = [t for t in snapshot.topics.values() if not t.internal]
    reading = list(snapshot.groups.values())
    return {
        "rate_in": rate(total([t.rate for t in own]), reason=NO_TOPIC),
        "bytes_in": byte_rate(total([t.byte_rate for t in own]), NO_TOPIC),
        "rate_out": rate(
            total([g.consumed_rate for g in reading]), reason="No group has committed twice yet"
        ),
        "lag": count(total([g.lag for g in reading]), reason="No group has committed yet"),
        "time_lag": duration(
            max((g.time_lag_ms for g in reading if g.time_lag_ms is not None), default=None),
            "No group has committed yet",
        ),
        "groups": plural(len(reading), "group"),
        "most_lag": _name_of_most([(g.lag, g.group) for g in reading]),
        "oldest": _name_of_most([(g.time_lag_ms, g.group) for g in reading]),
        "retrying": count(
            failing.retrying, "records wait to be tried again", NOT_KEPT if past else "No worker runs"
        ),
        "dead": count(
            failing.dead, "dead letters", NOT_KEPT if past else (failing.why or "Not known yet").rstrip(".")
        ),
        "lately": _died(failing),
        "records": count(sum(t.records for t in own), "records kept now"),
        "stored": size(sum(t.size_bytes for t in own)),
    }


def _died(failing: Trouble) -> str:
    if failing.lately is None:
        return "of the last 15 min not known"
    return f"{failing.lately:,} died in 15 min" if failing.lately else "none died in 15 min"


def _name_of_most(found: list[tuple[int | None, str]]) -> str:
    """Whose figure is the largest; "" when all are 0 or unknown."""
    value, name = max(((v or 0, name) for v, name in found), default=(0, ""))
    return name if value else ""


def server_figures(snapshot: Snapshot) -> dict[str, Any]:
    server = snapshot.server
    limited = server.max_memory_bytes > 0
    return {
        "name": f"{'Valkey' if server.engine == 'valkey' else 'Redis'} {server.version}",
        "memory": size(server.used_memory_bytes),
        "memory_share": percent(
            server.used_memory_bytes / server.max_memory_bytes if limited else None, "No limit is set"
        ),
        "memory_limit": size(server.max_memory_bytes) if limited else None,
        "ops": rate(server.ops_rate, "commands"),
        "cpu": percent(server.cpu_share, "Needs two measurements"),
        "clients": count(server.clients, "connections"),
        "uptime": spell_duration(server.uptime_s * 1000),
        "aof": server.aof,
        "took": duration(snapshot.took_ms),
    }


def likely(verdict: health.Verdict, moment: Moment) -> Any:
    """The advisor's finding about what the verdict speaks of, or the first one at all where all is well."""
    if verdict.first is not None:
        if verdict.first.page != "group" or not verdict.first.name:
            return None
        return next(iter(advisor.inline(moment, group=verdict.first.name)), None)
    return next(iter(advisor.inline(moment)), None) if verdict.tone is not Tone.IDLE else None


def _sent(moment: Moment) -> flow.Sent:
    """What each producer sends; {} for an earlier moment, whose clients are not kept."""
    return {} if moment.past else clients.sent(running.clients().values(), moment.read_at_ms)


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    snapshot = moment.snapshot
    trends = moment.trends(snapshot.groups)
    statuses = groups.Statuses(trends)
    rows = sorted(
        (groups.row(g, trends[g.group]) for g in snapshot.groups.values()), key=lambda r: r.severity
    )
    own = sorted(
        (t for t in snapshot.topics.values() if not t.internal),
        key=lambda t: (-(t.rate or 0), -t.records, t.topic),
    )
    failing = trouble.of_all(moment)
    figures = headline_figures(snapshot, failing, moment.past)
    verdict = health.verdict(snapshot, trends, failing)
    behind = laggards(moment)
    return {
        "verdict": verdict,
        "likely": likely(verdict, moment),
        "figures": figures,
        "groups": rows[:MOST_ROWS],
        "groups_total": len(rows),
        "topics": [topics.row(snapshot, t, statuses) for t in own[:MOST_ROWS]],
        "topics_total": len(own),
        "flow": flow.picture(snapshot, statuses, _sent(moment)),
        "server": server_figures(snapshot),
        "marks": marks.of_experiments(moment),
        "play_command": commands.PLAY,
        "consume_command": commands.consume(),
        "rate_legend": [
            Legend("in", figures["rate_in"], 0),
            Legend("out, all groups", figures["rate_out"], 1),
        ],
        "lag_legend": [
            Legend(name, count(snapshot.groups[name].lag), i) for i, name in enumerate(behind.names)
        ],
        "lag_rest": behind.rest,
    }


def charts(moment: Moment, address: Address) -> list[Chart]:
    about = "Records a second that arrive in all topics and that all groups commit, over the last 15 minutes."
    lines = tuple(Line(name, "group", name, "lag") for name in laggards(moment).names)
    return [
        Chart(
            "rates",
            "Records in and out",
            "records/s",
            (Line("in", "broker", "all", "in_rate"), Line("out, all groups", "broker", "all", "out_rate")),
            about,
        ),
        Chart(
            "lags",
            "Lag by group",
            "records",
            lines,
            "Unread records of each group over the last 15 minutes.",
            floor=10,
        ),
    ]


PAGE = Page(
    name="overview",
    pattern="",
    title=lambda address: "Overview",
    parts=("verdict", "figures", "rate-legend", "lag-legend", "flow", "groups", "topics", "server", "marks"),
    context=context,
    winds=True,
    charts=charts,
    menu=MenuEntry("Overview", "", "o", "overview"),
)
