"""The past in figures: what was measured of a topic, a group or the broker, and what happened meanwhile."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest
from django.urls import reverse
from ninja import Field, Query, Router, Schema

from dashboard.charts import Columns
from dashboard.pages import failed, marks, moments, spans
from dashboard.pages.moments import Gone, Moment
from dashboard.presenters.marks import Mark
from streamlab.metrics import rings

from .at import ms_of
from .door import reads
from .problems import AskedWrongly

router = Router(tags=["History"])
What = Literal["topic", "group", "broker"]
_DEFAULT_MS = spans.SPANS[0].window_ms
_LONGEST = spans.SPANS[-1]


class Event(Schema):
    at_ms: int
    kind: str = Field(
        description="rebalance, reset, replay, settings, topic, group, alert, experiment: as its colour on the page."
    )
    tone: str = Field(description="ok, note, warn, bad, idle")
    word: str
    text: str
    page: str = Field(description="Address of the page that tells more; empty: none.")


class Failures(Schema):
    """Counts of each step, from the tables of history; not of what those have forgotten."""

    step_ms: int
    times_ms: list[int] = Field(description="Beginnings of steps; the first may begin before `start_ms`.")
    retried: list[int] = Field(description="Attempts that were to be repeated.")
    died: list[int] = Field(description="Records that became dead letters.")


class History(Schema):
    what: str
    name: str
    start_ms: int
    end_ms: int
    step_ms: int = Field(description="Between two points.")
    times_ms: list[int] = Field(description="Beginnings of steps, from the first that was kept to the last.")
    fields: dict[str, list[float | None]] = Field(
        description="Field -> an amount for each of `times_ms`; null: not known. Of a step of several measurements it "
        "is the highest lag or time lag, and the mean of everything else."
    )
    failures: Failures
    marks: list[Event] = Field(description="What happened, the newest first; at most the newest 100.")


class HistoryQuery(Schema):
    start: str = Field(
        "",
        max_length=40,
        description="In ms since 1970 or ISO 8601; empty: 15 minutes before the end. What is a week old is forgotten.",
    )
    end: str = Field("", max_length=40, description="Likewise; empty: now.")
    fields: str = Field(
        "",
        max_length=200,
        description="With commas, of "
        + "; ".join(f"a {kind}: {', '.join(known)}" for kind, known in rings.FIELDS.items())
        + ". Empty: all of them.",
    )
    step_s: int | None = Field(
        None,
        ge=1,
        le=86_400,
        description="Seconds between two points at least; without it as fine as kept, at most 2,200 points.",
    )


@router.get("/history/{what}/{path:name}", auth=reads, response=History, operation_id="get_history")
def history(request: HttpRequest, what: What, name: str, query: Query[HistoryQuery]) -> object:
    """The series of the page History and what happened meanwhile. The broker's name is `all`."""
    moment = moments.current()
    start_ms, end_ms = _window(moment, query)
    fields = _fields(what, query.fields)
    ring_ms = spans.ring_between(start_ms, end_ms, moment.as_of_ms)
    step_ms = spans.drawn_step_ms(end_ms - start_ms, ring_ms)
    step_ms = max(step_ms, -(-(query.step_s or 0) * 1000 // ring_ms) * ring_ms)
    read = spans.reader_in_steps(moment, ring_ms, step_ms)
    found = {field: read(what, name, field, start_ms) for field in fields}
    if not _exists(moment, what, name) and not any(columns.times_ms for columns in found.values()):
        raise Gone(f"There is no {what} {name}, and nothing is kept of it.")
    about: dict[str, str] = {what: name} if what != "broker" else {}
    return {
        "what": what,
        "name": name,
        "start_ms": start_ms,
        "end_ms": end_ms,
        "step_ms": step_ms,
        **_in_columns(found, end_ms),
        "failures": _failures(start_ms, end_ms, about),
        "marks": [_event(mark) for mark in marks.between(start_ms, end_ms, **about)],
    }


def _window(moment: Moment, query: HistoryQuery) -> tuple[int, int]:
    """Raises AskedWrongly."""
    end_ms = ms_of(query.end, "end")
    end_ms = moment.as_of_ms if end_ms is None else min(end_ms, moment.as_of_ms)
    start_ms = ms_of(query.start, "start")
    if start_ms is None:
        start_ms = end_ms - _DEFAULT_MS
    if start_ms >= end_ms:
        raise AskedWrongly({"query.start": ["It is not before the end."]})
    oldest_ms = moment.as_of_ms - _LONGEST.window_ms
    if end_ms <= oldest_ms:
        raise AskedWrongly({"query.end": ["Nothing is kept of what is a week old."]})
    return max(start_ms, oldest_ms), end_ms


def _fields(what: What, asked: str) -> list[str]:
    """Raises AskedWrongly."""
    known = rings.FIELDS[what]
    names = [name for text in asked.split(",") if (name := text.strip())]
    if unknown := [name for name in names if name not in known]:
        raise AskedWrongly({"query.fields": [f"A {what} has no {unknown[0]}; it has {', '.join(known)}."]})
    return names or list(known)


def _exists(moment: Moment, what: What, name: str) -> bool:
    if what == "broker":
        return name == rings.BROKER
    return name in (moment.snapshot.topics if what == "topic" else moment.snapshot.groups)


def _in_columns(found: dict[str, Columns], end_ms: int) -> dict[str, Any]:
    """One list of times for all fields, of which one may have been read a cell later than another."""
    by_time = {field: dict(zip(*columns, strict=True)) for field, columns in found.items()}
    times_ms = sorted({at_ms for known in by_time.values() for at_ms in known if at_ms <= end_ms})
    return {
        "times_ms": times_ms,
        "fields": {field: [known.get(at_ms) for at_ms in times_ms] for field, known in by_time.items()},
    }


def _failures(start_ms: int, end_ms: int, about: dict[str, str]) -> dict[str, Any]:
    span = next((s for s in spans.SPANS if s.window_ms >= end_ms - start_ms), _LONGEST)
    read = failed.reader(start_ms, end_ms, span.count_step_ms, **about)
    counts = {kind: read("", "", kind, start_ms) for kind in (failed.RETRIED, failed.DIED)}
    return {
        "step_ms": span.count_step_ms,
        "times_ms": counts[failed.DIED].times_ms,
        "retried": counts[failed.RETRIED].values,
        "died": counts[failed.DIED].values,
    }


def _event(mark: Mark) -> dict[str, Any]:
    page = reverse(mark.page, args=[mark.name]) if mark.page else ""
    same = {name: getattr(mark, name) for name in ("at_ms", "kind", "word", "text")}
    return {**same, "tone": mark.tone.value, "page": page}
