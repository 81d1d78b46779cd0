"""History: what was measured over up to a week, and what happened meanwhile, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from dashboard.charts import Chart, Legend, Line, Read
from dashboard.presenters.figures import byte_rate, count, duration, percent, rate, size
from dashboard.presenters.words import plural

from . import failed, marks, spans, winding
from .database import fresh_connection
from .laggards import Laggards, laggards
from .moments import Gone, Moment
from .overview import total
from .page import Address, MenuEntry, Page
from .spans import Span
from .table import link

MOST_MARKS_LISTED = 30
MOST_CHARTS = 6
MOST_NAMES = 200
"""Topics, and groups, to choose from; the others' own pages lead to their history."""


def _of(address: Address) -> tuple[str, str]:
    """("topic", its name), ("group", its name) or ("", "")."""
    for kind in ("topic", "group"):
        if name := address.query.get(kind):
            return kind, name
    return "", ""


def _charts(moment: Moment, address: Address) -> list[tuple[Chart, list[Legend]]]:
    kind, name = _of(address)
    span = spans.asked(address)
    made = partial(
        Chart,
        window_ms=span.window_ms,
        step_ms=spans.step_ms(span, moment),
        source=spans.reader(span, moment),
    )
    if kind == "topic":
        found = _of_topic(moment, name, made)
    elif kind == "group":
        found = _of_group(moment, name, made)
    else:
        found = _of_all(moment, _laggards(moment, address).names, made)
    return [*found, _failures(moment, span, kind, name)]


def _of_topic(moment: Moment, name: str, made: Any) -> list[tuple[Chart, list[Legend]]]:
    topic = moment.snapshot.topics.get(name)
    if topic is None:
        raise Gone(f"There is no topic “{name}”.")
    lines = [
        ("rate", "Records in", "records/s", rate(topic.rate)),
        ("byte_rate", "Bytes in", "B/s", byte_rate(topic.byte_rate)),
        ("records", "Records kept", "records", count(topic.records)),
        ("size_bytes", "Size", "B", size(topic.size_bytes)),
    ]
    return [
        (
            made(
                field.replace("_", "-"),
                title,
                unit,
                (Line(title.lower(), "topic", name, field),),
                f"{title} of {name}.",
                area=True,
            ),
            [Legend(title.lower(), figure, 0)],
        )
        for field, title, unit, figure in lines
    ]


def _of_group(moment: Moment, name: str, made: Any) -> list[tuple[Chart, list[Legend]]]:
    group = moment.snapshot.groups.get(name)
    if group is None:
        raise Gone(f"There is no group “{name}”.")
    lag = Line("lag", "group", name, "lag")
    age = Line("time lag", "group", name, "time_lag_ms", 0.001)
    out = Line("records out", "group", name, "consumed_rate")
    return [
        (
            made("lag", "Lag", "records", (lag,), f"Unread records of {name}.", area=True, floor=10),
            [Legend("lag", count(group.lag), 0)],
        ),
        (
            made(
                "time-lag", "Time lag", "s", (age,), f"Age of the oldest unread record of {name}.", area=True
            ),
            [Legend("time lag", duration(group.time_lag_ms), 0)],
        ),
        (
            made(
                "out", "Records out", "records/s", (out,), f"Records that {name} commits a second.", area=True
            ),
            [Legend("records out", rate(group.consumed_rate), 0)],
        ),
    ]


def _laggards(moment: Moment, address: Address) -> Laggards:
    span = spans.asked(address)
    return laggards(moment, span.window_ms, spans.ring_step_ms(span, moment))


def _of_all(moment: Moment, names: Sequence[str], made: Any) -> list[tuple[Chart, list[Legend]]]:
    snapshot = moment.snapshot
    own = [t.rate for t in snapshot.topics.values() if not t.internal]
    out = [g.consumed_rate for g in snapshot.groups.values()]
    flow = (Line("in", "broker", "all", "in_rate"), Line("out, all groups", "broker", "all", "out_rate"))
    lags = tuple(Line(name, "group", name, "lag") for name in names)
    ages = tuple(Line(name, "group", name, "time_lag_ms", 0.001) for name in names)
    memory = Line("memory", "broker", "all", "memory_bytes")
    cpu = Line("CPU", "broker", "all", "cpu_share", 100)
    return [
        (
            made(
                "rates", "Records in and out", "records/s", flow, "Records a second in all topics and groups."
            ),
            [Legend("in", rate(total(own)), 0), Legend("out, all groups", rate(total(out)), 1)],
        ),
        (
            made("lags", "Lag by group", "records", lags, "Unread records of each group.", floor=10),
            [Legend(n, count(snapshot.groups[n].lag), i) for i, n in enumerate(names)],
        ),
        (
            made("ages", "Time lag by group", "s", ages, "Age of the oldest unread record of each group."),
            [Legend(n, duration(snapshot.groups[n].time_lag_ms), i) for i, n in enumerate(names)],
        ),
        (
            made("memory", "Server memory", "B", (memory,), "Memory that the server uses.", area=True),
            [Legend("memory", size(snapshot.server.used_memory_bytes), 0)],
        ),
        (
            made("cpu", "Server CPU", "% of one core", (cpu,), "Processor time of the server.", area=True),
            [Legend("CPU", percent(snapshot.server.cpu_share), 0)],
        ),
    ]


def _failures(moment: Moment, span: Span, kind: str, name: str) -> tuple[Chart, list[Legend]]:
    since_ms, step_ms = moment.as_of_ms - span.window_ms, span.count_step_ms
    topic, group = (name if kind == one else "" for one in ("topic", "group"))
    read: Read = failed.reader(since_ms, moment.as_of_ms, step_ms, topic=topic, group=group)
    sums = {
        event: failed.total(event, since_ms, moment.as_of_ms, step_ms, topic=topic, group=group)
        for event in (failed.RETRIED, failed.DIED)
    }
    chart = Chart(
        "failures",
        "Retries and dead letters",
        f"in {_words(step_ms)}",
        (Line("retried", "", "", failed.RETRIED), Line("died", "", "", failed.DIED)),
        "Attempts that were to be repeated, and records that died.",
        window_ms=span.window_ms,
        step_ms=step_ms,
        source=read,
        bars=True,
        floor=4,
    )
    legends = [
        Legend(f"retried in {span.words}", count(sums[failed.RETRIED], "attempts"), 0),
        Legend(f"died in {span.words}", count(sums[failed.DIED], "records"), 1),
    ]
    return chart, legends


def _words(step_ms: int) -> str:
    return f"{step_ms // 60_000} min" if step_ms >= 60_000 else f"{step_ms // 1000} s"


def charts(moment: Moment, address: Address) -> list[Chart]:
    return [chart for chart, _ in _charts(moment, address)]


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    kind, name = _of(address)
    span = spans.asked(address)
    found = marks.between(
        moment.as_of_ms - span.window_ms,
        moment.as_of_ms,
        topic=name if kind == "topic" else "",
        group=name if kind == "group" else "",
    )
    drawn = _charts(moment, address)
    behind = "" if kind else _laggards(moment, address).rest
    topics = sorted(t.topic for t in moment.snapshot.topics.values() if not t.internal)
    groups = sorted(moment.snapshot.groups)
    return {
        "spans": [(s.words, link(address, span=s.name), s is span) for s in spans.SPANS],
        "of": kind,
        "name": name,
        "all_href": link(address, topic=None, group=None),
        "topics": topics[:MOST_NAMES],
        "topics_more": max(0, len(topics) - MOST_NAMES),
        "groups": groups[:MOST_NAMES],
        "groups_more": max(0, len(groups) - MOST_NAMES),
        "marks": found,
        "more_marks": max(0, len(found) - MOST_MARKS_LISTED),
        "marks_cut": len(found) == marks.MOST,
        "summary": f"{span.words}, a point for every {_words(spans.step_ms(span, moment))}",
        "happened": ("the newest " if len(found) == marks.MOST else "") + plural(len(found), "event"),
        "panels": [
            (chart, legend, behind if chart.id in ("lags", "ages") else "") for chart, legend in drawn
        ],
        "wind_path": {"topic": f"/topics/{name}/", "group": f"/groups/{name}/"}.get(kind, "/"),
        "at_now": winding.stamp(moment.as_of_ms),
        "reach": "an hour every 10 s, a day every minute, a week every 10 minutes",
    }


PAGE = Page(
    name="history",
    pattern="history/",
    title=lambda address: " ".join(("History", *(("of", _of(address)[1]) if _of(address)[1] else ()))),
    parts=("summary", *(f"legend-{i}" for i in range(MOST_CHARTS)), "marks"),
    context=context,
    charts=charts,
    winds=True,
    menu=MenuEntry("History", "", "h", "history"),
)
