"""Groups: who reads what, how far, and how far behind."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from dashboard.pages.moments import Gone, Moment
from dashboard.presenters import groups as presenter
from dashboard.projections.models import Rebalance
from streamlab.metrics.snapshot import GroupSnapshot

from .at import At, moment_of
from .door import reads
from .paging import Page, Paging, page_of

router = Router(tags=["Groups"])


class Status(Schema):
    word: str = Field(description='One word for it, as the pages say it: "late".')
    tone: str = Field(description="ok, note, warn, bad, idle")
    why: str


class Member(Schema):
    member_id: str
    client_id: str
    host: str
    instance_id: str | None
    topics: list[str]
    assigned: list[str] = Field(description="Partitions it should have, as orders/3.")
    owned: list[str] = Field(description="Partitions it has now.")
    lease_left_ms: int


class Position(Schema):
    topic: str
    partition: int
    committed: int | None = Field(description="Next offset to read; null: never committed.")
    log_end: int
    lag: int | None = Field(description="Records; null: no commit to measure from.")
    time_lag_ms: int | None = Field(description="Age of the oldest record not read yet.")
    commit_ms: int | None
    lost: int = Field(description="Records that retention removed before they were read.")
    purged: int = Field(description="Records that somebody deleted before they were read.")
    owner: str | None = Field(description="Member; null: nobody reads it.")
    consumed_rate: float | None


class Group(Schema):
    group: str
    state: str
    status: Status
    epoch: int
    assignor: str
    paused: bool
    members: int
    partitions: int
    lag: int | None
    time_lag_ms: int | None
    consumed_rate: float | None


class GroupInFull(Group):
    as_of_ms: int
    all_members: list[Member]
    topics: list[str]


class Lag(Position):
    group: str


class PastRebalance(Schema):
    at_ms: int
    epoch: int
    cause: str
    assignor: str
    members_before: list[str]
    members_after: list[str]
    moved_count: int
    longest_standstill_ms: float | None
    took_ms: float | None


class GroupQuery(At, Paging):
    q: str = Field("", max_length=300, description="Part of the name.")


class LagQuery(At, Paging):
    group: str = Field("", max_length=500)
    topic: str = Field("", max_length=249)


def _fields(group: GroupSnapshot, moment: Moment) -> dict[str, object]:
    status = presenter.status(group, moment.trends([group.group])[group.group])
    return {
        "group": group.group,
        "state": group.state,
        "status": {"word": status.word, "tone": status.tone.value, "why": status.why},
        "epoch": group.epoch,
        "assignor": group.assignor,
        "paused": group.paused,
        "members": len(group.members),
        "partitions": len(group.partitions),
        "lag": group.lag,
        "time_lag_ms": group.time_lag_ms,
        "consumed_rate": group.consumed_rate,
    }


def _group(moment: Moment, name: str) -> GroupSnapshot:
    if name not in moment.snapshot.groups:
        raise Gone(f"There is no group {name}.")
    return moment.snapshot.groups[name]


@router.get("/groups", auth=reads, response=Page[Group], operation_id="list_groups")
def groups(request: HttpRequest, query: Query[GroupQuery]) -> object:
    """Groups by name, each with its status in a word."""
    moment, wanted = moment_of(query), query.q.lower()
    found = [group for name, group in sorted(moment.snapshot.groups.items()) if wanted in name.lower()]
    start = (query.page - 1) * query.limit
    moment.trends(group.group for group in found[start : start + query.limit])  # in one round trip
    return page_of(found, query, lambda group: _fields(group, moment))


@router.get("/lag", auth=reads, response=Page[Lag], operation_id="list_lag")
def lag(request: HttpRequest, query: Query[LagQuery]) -> object:
    """How far behind: a line for each group and partition, the largest lag first."""
    found = [
        (group.group, position)
        for group in moment_of(query).snapshot.groups.values()
        for position in group.partitions
        if query.group in ("", group.group) and query.topic in ("", position.topic)
    ]
    found.sort(key=lambda one: (-(one[1].lag or 0), one[0], one[1].topic, one[1].partition))
    return page_of(found, query, lambda one: {"group": one[0], **_position(one[1])})


def _position(found: object) -> dict[str, object]:
    return {name: getattr(found, name) for name in Position.model_fields}


@router.get("/groups/{path:group}/offsets", auth=reads, response=list[Position], operation_id="get_offsets")
def offsets(request: HttpRequest, group: str, query: Query[At]) -> object:
    """What the group has committed, by topic and partition."""
    return [_position(position) for position in _group(moment_of(query), group).partitions]


@router.get(
    "/groups/{path:group}/rebalances",
    auth=reads,
    response=Page[PastRebalance],
    operation_id="list_rebalances",
)
def rebalances(request: HttpRequest, group: str, query: Query[Paging]) -> object:
    """Past rebalances, the newest first: cause, duration, how many partitions moved, how long one stood still."""
    found = Rebalance.objects.filter(group=group).order_by("-at_ms", "-pk")
    return page_of(found, query, lambda one: {n: getattr(one, n) for n in PastRebalance.model_fields})


@router.get("/groups/{path:group}", auth=reads, response=GroupInFull, operation_id="get_group")
def group(request: HttpRequest, group: str, query: Query[At]) -> object:
    """One group with its members."""
    moment = moment_of(query)
    found = _group(moment, group)
    return {
        **_fields(found, moment),
        "as_of_ms": moment.as_of_ms,
        "all_members": found.members,
        "topics": presenter.topics(found),
    }
