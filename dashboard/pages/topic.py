"""One topic: its partitions, how evenly they fill, and who reads them."""

from __future__ import annotations

from typing import Any

from dashboard.charts import Chart, Legend, Line
from dashboard.presenters import commands, groups, topics
from dashboard.presenters.figures import byte_rate, count, rate, size
from streamlab.metrics.snapshot import TopicSnapshot

from . import advisor, marks, topic_details
from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page


def _topic(moment: Moment, address: Address) -> TopicSnapshot:
    name = address.args["topic"]
    try:
        return moment.snapshot.topics[name]
    except KeyError:
        raise Gone(f"There is no topic “{name}”.") from None


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    topic = _topic(moment, address)
    reading = groups.reading(moment.snapshot, topic.topic)
    row = topics.row(moment.snapshot, topic, groups.Statuses(moment.trends(g.group for g in reading)))
    return {
        "topic": row,
        "advice": advisor.inline(moment, topic=topic.topic),
        "rows": topics.partition_rows(topic, moment.as_of_ms),
        "readers": row.readers,
        "losses": _losses(moment, topic, row.readers),
        "consume_command": commands.consume(topic.topic),
        "skew": topics.skew_figures(topic),
        "rate_in": rate(topic.rate),
        "bytes_in": byte_rate(topic.byte_rate),
        "records": count(topic.records, "records kept now"),
        "written": count(sum(p.log_end for p in topic.partitions), "records ever appended"),
        "size": size(topic.size_bytes),
        "marks": marks.of_experiments(moment, topic=topic.topic),
        "legend": [Legend("records in", rate(topic.rate), 0)],
        **_details(moment, topic, address),
    }


def _losses(
    moment: Moment, topic: TopicSnapshot, reading: list[topics.Reader]
) -> list[tuple[topics.Reader, topic_details.Loss | None]]:
    """Each group that reads it, with when it begins to lose records; None for an earlier moment."""
    kept_ms = None if moment.past else topic_details.retention_ms(topic_details.settings(topic.topic))
    return [
        (
            reader,
            None
            if moment.past
            else topic_details.time_to_loss(moment.snapshot.groups[reader.group], topic, kept_ms),
        )
        for reader in reading
    ]


def _details(moment: Moment, topic: TopicSnapshot, address: Address) -> dict[str, Any]:
    """What is known of now only."""
    if moment.past:
        return {"past": True}
    settings = topic_details.settings(topic.topic)
    return {
        "own_settings": [s for s in settings if s.source != "default"],
        "default_settings": [s for s in settings if s.source == "default"],
        "subjects": topic_details.schema_subjects(topic.topic),
        **topic_details.on_demand(topic, address),
    }


def charts(moment: Moment, address: Address) -> list[Chart]:
    name = _topic(moment, address).topic
    about = f"Records appended to {name}, a second, over the last 15 minutes."
    return [
        Chart(
            "rate", "Records in", "records/s", (Line("records in", "topic", name, "rate"),), about, area=True
        )
    ]


PAGE = Page(
    name="topic",
    pattern="topics/<path:topic>/",
    title=lambda address: address.args["topic"],
    parts=("figures", "legend", "readers", "skew", "partitions", "keys", "settings", "marks"),
    live=lambda address: not topic_details.is_on_demand(address),
    context=context,
    winds=True,
    charts=charts,
    under="topics",
)
