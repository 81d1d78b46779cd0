"""What if: another number of partitions or members, another retention, more of everything; as the page works it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, QueryDict
from ninja import Field, Query, Router, Schema

from dashboard.pages import moments, what_if
from dashboard.pages.moments import Gone
from dashboard.pages.page import Address
from dashboard.presenters.columns import Columns
from dashboard.presenters.keys import Spread
from streamlab.metrics.snapshot import Snapshot
from streamlab.topics import MAX_PARTITIONS
from streamlab.what_if.members import MOST_MEMBERS

from .door import reads
from .problems import AskedWrongly

router = Router(tags=["What if"])


class Answer(Schema):
    tone: str = Field(description="ok, note, warn, bad, idle")
    headline: str
    sentences: list[str]
    assumed: list[str] = Field(description="What this rests on.")


class SpreadOut(Schema):
    partitions: int
    max_over_mean: float | None = Field(description="1 is perfectly even; null: one partition, or none.")
    variation: float | None = Field(description="Standard deviation / mean.")
    shares: list[float | None] = Field(description="Of each partition, 0..1; empty where there are too many.")


class Move(Schema):
    key: str = Field(description="As anybody may see it, with what masking rules hide hidden.")
    before: int = Field(description="Partition.")
    after: int
    share: float | None = Field(description="Of the topic's recent records, 0..1.")


class OfPartitions(Answer):
    now: SpreadOut
    then: SpreadOut
    moves: list[Move] = Field(description="Keys that would go elsewhere, the heaviest first.")
    more_moves: int


class Step(Schema):
    label: str
    value: str
    kind: str = Field(description="now, asked, never, or two of these.")


class OfMembers(Answer):
    steps: list[Step] = Field(description="Time to catch up by number of members; empty: nothing to tell.")


class OfRetention(Answer):
    steps: list[Step] = Field(description="Memory by retention.")


class Sum(Schema):
    name: str
    arithmetic: str
    makes: str


class OfCapacity(Schema):
    headline: str
    rows: list[Sum]
    assumed: list[str]


class Asked(Schema):
    partitions: int
    members: int
    keep: str
    times: float


class WhatIf(Schema):
    topic: str
    group: str = Field(description="Empty: nobody reads the topic.")
    asked: Asked = Field(description="What the answers are to; what was left open is filled in.")
    partitions: OfPartitions | None = Field(description="null: none of the newest records has a key.")
    members: OfMembers | None = Field(description="null: there is no group.")
    retention: OfRetention
    capacity: OfCapacity | None = Field(description="null: nothing comes in.")


class WhatIfQuery(Schema):
    topic: str = Field("", max_length=249, description="Empty: of what the group reads, where it waits most.")
    group: str = Field("", max_length=500, description="Empty: one that reads the topic.")
    partitions: int | None = Field(
        None, ge=1, le=MAX_PARTITIONS, description="Empty: twice as many as there are."
    )
    members: int | None = Field(None, ge=1, le=MOST_MEMBERS, description="Empty: one more.")
    keep: str = Field("", max_length=20, description="90s, 12h, 7d or ms. Empty: four times as long.")
    times: float | None = Field(None, gt=0, le=1_000_000, description="As much as now. Empty: 10.")


@router.get("/what-if", auth=reads, response=WhatIf, operation_id="ask_what_if")
def ask(request: HttpRequest, query: Query[WhatIfQuery]) -> object:
    """What would be, worked out from what is measured now: of one topic and one group that reads it."""
    if query.keep and what_if.keep_ms(query.keep) is None:
        raise AskedWrongly({"query.keep": [f"“{query.keep}” is no time: write 90s, 12h or 7d."]})
    moment = moments.current()
    _check_names(moment.snapshot, query)
    asked = QueryDict(mutable=True)
    asked.update({name: str(value) for name, value in query.dict().items() if value is not None})
    address = Address("", {}, asked)
    topic, group = what_if.chosen(moment.snapshot, address)
    if topic is None:
        raise AskedWrongly({"query.topic": ["Name a topic, or a group that reads one."]})
    found = what_if.answers(moment, address, topic, group)
    return {
        "topic": topic.topic,
        "group": group.group if group else "",
        "asked": found["asked"],
        "partitions": _of_partitions(found["partitions"]),
        "members": found["members"] and {**_plain(found["members"]), "steps": _steps(found["members"])},
        "retention": {**_plain(found["retention"]), "steps": _steps(found["retention"])},
        "capacity": found["capacity"],
    }


def _check_names(snapshot: Snapshot, query: WhatIfQuery) -> None:
    """Raises Gone."""
    if query.topic and query.topic not in snapshot.topics:
        raise Gone(f"There is no topic {query.topic}.")
    if query.group and query.group not in snapshot.groups:
        raise Gone(f"There is no group {query.group}.")


def _plain(view: Any) -> dict[str, Any]:
    same = {name: getattr(view, name) for name in ("headline", "sentences", "assumed")}
    return {**same, "tone": view.tone.value}


def _of_partitions(view: Any) -> Mapping[str, Any] | None:
    if view is None:
        return None
    now, then = map(_spread, view.pair)
    moves = [{"key": m.key, "before": m.before, "after": m.after, "share": m.share.value} for m in view.moves]
    return {**_plain(view), "now": now, "then": then, "moves": moves, "more_moves": view.more_moves}


def _spread(spread: Spread) -> dict[str, Any]:
    return {
        "partitions": spread.partitions,
        "max_over_mean": spread.max_over_mean.value,
        "variation": spread.variation.value,
        "shares": [bar.share.value for bar in spread.bars],
    }


def _steps(view: Any) -> list[dict[str, str]]:
    columns: Columns | None = view.columns
    if columns is None:
        return []
    return [{"label": c.label, "value": c.value, "kind": c.kind} for c in columns.columns]
