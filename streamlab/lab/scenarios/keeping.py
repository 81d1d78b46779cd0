"""Scenarios about what is kept, and what is played again."""

from __future__ import annotations

from ..loads.load import Consumers, Load, Producers
from .scenario import LAG_FALLS, Expect, Lever, Look, Scenario, at_least

RETENTION = Scenario(
    load=Load(
        name="retention-edge",
        title="Retention close to the lag",
        partitions=3,
        topic={"retention.ms": 90_000},
        producers=Producers(rate=60, settings={"linger_ms": 100}),
        consumers=Consumers(count=1, handler_ms=40),
    ),
    about="The log keeps 90 s, and the reader falls behind by more than half of the stream. "
    "Soon records are deleted before anybody has read them.",
    look=(
        Look("group", "Time lag climbs towards 90 s, and the time until records are lost is told."),
        Look("topic", "The log start moves: what is older than 90 s goes."),
    ),
    expect=(
        Expect(
            "Time lag grows by more than half a second each second: after a good minute half of the 90 s are used up.",
            at_least("time_lag", 45),
        ),
        Expect(
            "After about two and a half minutes the first records are lost, and counted as lost.",
            at_least("lost", 1),
        ),
        Expect(
            "What nobody can read any more still counts as lag, until the reader comes to it and skips it."
        ),
    ),
    levers=(
        Lever(
            "Keep an hour",
            {"topic.retention.ms": "3600000"},
            "The danger is gone at once; the lag is not.",
        ),
        Lever(
            "Three readers",
            {"consumers.count": "3"},
            "75 a second, 60 come in: they catch up, slowly.",
            LAG_FALLS,
        ),
    ),
)

REPLAY = Scenario(
    load=Load(
        name="replay-file",
        title="Replay of a file",
        partitions=3,
        producers=Producers(rate=100, file="orders.csv", key_field="customer", settings={"linger_ms": 20}),
        consumers=Consumers(count=2, handler_ms=5),
    ),
    about="Rows of a CSV file become records, again and again, keyed by customer: your own data, at your own rate. "
    "Put a file into the folder lab beside the server's data and name it in producers.file.",
    look=(
        Look("records", "Values are the rows as JSON; keys are customers."),
        Look("topic", "A few customers buy much, so partitions differ a little."),
    ),
    expect=(
        Expect(
            "About 100 records a second go in and out, and lag stays near 0.", at_least("consumed_rate", 80)
        ),
    ),
    levers=(
        Lever(
            "Ten times as quick",
            {"producers.rate": "1000"},
            "Two readers manage 400: lag rises.",
            at_least("lag", 1_000),
            role="happens",
        ),
        Lever(
            "Keyed by article",
            {"producers.key_field": "article"},
            "Other partitions become the full ones.",
            role="happens",
        ),
    ),
)
