"""Topics and how they fill, as the sampler measured them last."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from dashboard.pages.moments import Gone
from streamlab.metrics.snapshot import TopicSnapshot

from .at import At, moment_of
from .door import reads
from .paging import Page, Paging, page_of

router = Router(tags=["Topics"])


class Skew(Schema):
    max_over_mean: float = Field(description="1 is perfectly even.")
    variation: float = Field(description="Standard deviation / mean.")
    gini: float = Field(description="0 even, 1 all on one partition.")
    hot: list[int] = Field(description="Partitions far above the others.")


class Topic(Schema):
    topic: str
    internal: bool
    partitions: int
    records: int = Field(description="Kept now.")
    size_bytes: int
    rate: float | None = Field(description="Records a second; null: measured only once.")
    byte_rate: float | None
    skew: Skew | None
    groups: list[str] = Field(description="That have committed or subscribed here.")


class Partition(Schema):
    partition: int
    log_start: int
    log_end: int
    size_bytes: int
    last_append_ms: int | None
    rate: float | None
    byte_rate: float | None


class TopicInFull(Topic):
    as_of_ms: int = Field(description="Server time of the measurement, ms since 1970.")
    all_partitions: list[Partition]


class TopicQuery(At, Paging):
    q: str = Field("", max_length=300, description="Part of the name.")
    internal: bool = Field(False, description="With those whose names begin with two underscores.")


def _fields(topic: TopicSnapshot) -> dict[str, object]:
    return {
        "topic": topic.topic,
        "internal": topic.internal,
        "partitions": len(topic.partitions),
        "records": topic.records,
        "size_bytes": topic.size_bytes,
        "rate": topic.rate,
        "byte_rate": topic.byte_rate,
        "skew": topic.skew,
        "groups": topic.groups,
    }


@router.get("/topics", auth=reads, response=Page[Topic], operation_id="list_topics")
def topics(request: HttpRequest, query: Query[TopicQuery]) -> object:
    """Topics by name."""
    wanted = query.q.lower()
    found = [
        topic
        for name, topic in sorted(moment_of(query).snapshot.topics.items())
        if wanted in name.lower() and (query.internal or not topic.internal)
    ]
    return page_of(found, query, _fields)


@router.get("/topics/{topic}", auth=reads, response=TopicInFull, operation_id="get_topic")
def topic(request: HttpRequest, topic: str, query: Query[At]) -> object:
    """One topic with its partitions."""
    snapshot = moment_of(query).snapshot
    if topic not in snapshot.topics:
        raise Gone(f"There is no topic {topic}.")
    found = snapshot.topics[topic]
    return {**_fields(found), "as_of_ms": snapshot.as_of_ms, "all_partitions": found.partitions}
