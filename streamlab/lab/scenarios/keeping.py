"""Scenarios about what is kept, and what is played again."""

from __future__ import annotations

from ..loads.load import Consumers, Load, Producers
from .scenario import Lever, Look, Scenario, Sight

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
        "After about two and a half minutes the first records are lost, and counted as lost.",
        "Lag then stays where it is, which looks like health and is the opposite.",
    ),
    seen=(
        Sight(figure="lost", least=1),
        None,
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
            "75 a second: they catch up before anything is lost.",
            seen=Sight(figure="lag_change", most=-1),
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
    expect=("About 100 records/s, lag near 0.",),
    seen=(Sight(figure="consumed_rate", least=80),),
    levers=(
        Lever(
            "Ten times as quick",
            {"producers.rate": "1000"},
            "Two readers manage 400: lag rises.",
            seen=Sight(figure="rate", least=500),
        ),
        Lever("Key by article", {"producers.key_field": "article"}, "Other partitions become the full ones."),
    ),
)
