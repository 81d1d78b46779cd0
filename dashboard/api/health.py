"""Is all well: each part of the installation, and the broker in figures and words."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from dashboard import health as parts
from dashboard.pages import overview, trouble
from dashboard.presenters import health as presenter
from streamlab.metrics.snapshot import Snapshot

from .at import At, moment_of
from .door import reads

router = Router(tags=["Health"])


class Part(Schema):
    ok: bool
    state: str
    age_ms: int | None = None


class Health(Schema):
    ok: bool
    parts: dict[str, Part]


class Finding(Schema):
    tone: str
    headline: str
    detail: str
    next_step: str


class Server(Schema):
    engine: str
    version: str
    uptime_s: int
    used_memory_bytes: int
    max_memory_bytes: int = Field(description="0: no limit.")
    clients: int
    ops_rate: float
    aof: bool
    cpu_share: float | None


class Overview(Schema):
    as_of_ms: int
    stale: bool = Field(description="Whether the sampler has not measured for some seconds.")
    tone: str = Field(description="ok, note, warn, bad, idle")
    headline: str = Field(description="All in a sentence.")
    findings: list[Finding] = Field(description="What wants a look, worst first.")
    topics: int
    groups: int
    rate_in: float | None = Field(description="Records a second into topics that are not internal.")
    rate_out: float | None
    lag: int | None = Field(description="Of all groups; null: nobody has committed.")
    server: Server


@router.get("/health", auth=reads, response=Health, operation_id="get_health")
def health(request: HttpRequest) -> object:
    """Whether each part of the installation answers."""
    found = async_to_sync(parts.check)()
    return {"ok": all(part["ok"] for part in found.values()), "parts": found}


@router.get("/overview", auth=reads, response=Overview, operation_id="get_overview")
def get_overview(request: HttpRequest, query: Query[At]) -> object:
    """The broker in short, with what to look at first. What failed is known of now only."""
    moment = moment_of(query)
    snapshot = moment.snapshot
    trends = moment.trends(snapshot.groups)
    verdict = presenter.verdict(snapshot, trends, trouble.of_all(moment))
    findings = [one for one in (verdict.first, *verdict.others) if one is not None]
    return {
        "as_of_ms": moment.as_of_ms,
        "stale": moment.stale,
        "tone": verdict.tone.value,
        "headline": verdict.headline,
        "findings": [
            {"tone": f.tone.value, "headline": f.headline, "detail": f.detail, "next_step": f.next_step}
            for f in findings
        ],
        **_totals(snapshot),
        "server": snapshot.server,
    }


def _totals(snapshot: Snapshot) -> dict[str, object]:
    own = [topic for topic in snapshot.topics.values() if not topic.internal]
    lag = overview.total([group.lag for group in snapshot.groups.values()])
    return {
        "topics": len(own),
        "groups": len(snapshot.groups),
        "rate_in": overview.total([topic.rate for topic in own]),
        "rate_out": overview.total([group.consumed_rate for group in snapshot.groups.values()]),
        "lag": None if lag is None else int(lag),
    }
