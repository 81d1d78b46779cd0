"""Scenarios about the server: how much it takes, and what holds it up."""

from __future__ import annotations

from ..loads.load import Consumers, Keys, Load, Producers, Stalls
from .scenario import Expect, Lever, Look, Scenario, Trial, at_least, at_most

FULL_SPEED = Scenario(
    load=Load(
        name="full-speed",
        title="Full speed",
        partitions=2,
        topic={"retention.bytes": 8 * 1024 * 1024},
        producers=Producers(
            full_speed=True,
            size_bytes=100,
            keys=Keys(kind="none"),
            settings={"batch_size": 1_024, "linger_ms": 0, "buffer_memory": 262_144},
        ),
        consumers=Consumers(kind="consumer", handler_ms=0, spread=0),
    ),
    about="One producer sends as fast as send() takes its records: only its settings hold it up. What a setting does "
    "to throughput is seen here, and in no load that has a rate.",
    look=(
        Look("topic", "Rate in is what producer and server manage together, not what somebody asked for."),
        Look("clients", "Records wait in the producer's buffer, and send() waits for room."),
    ),
    expect=(
        Expect(
            "Thousands of records a second come in, in batches of a few records.", at_least("rate", 1_000)
        ),
    ),
    levers=(
        Lever(
            "A batch for each record",
            {"producers.settings.batch_size": "1"},
            "Much less comes in, and costs the server more.",
            at_most("batch_records", 1.5),
            role="no help",
        ),
        Lever(
            "Batches of 16 kB",
            {"producers.settings.batch_size": "16384"},
            "More records a second with fewer requests, and each waits a shorter time in the buffer.",
            at_least("batch_records", 10),
        ),
    ),
    trials=(
        Trial("batch_size over five values", "producer", "batch_size", (1, 1_024, 4_096, 16_384, 65_536)),
        Trial("Whether compression pays", "producer", "compression_type", ("none", "lz4", "zstd")),
        Trial("What acks=all costs", "producer", "acks", (1, "all")),
    ),
)

MANY_PARTITIONS = Scenario(
    load=Load(
        name="many-partitions",
        title="Many partitions",
        partitions=128,
        topic={"retention.bytes": 1024 * 1024},
        producers=Producers(
            full_speed=True,
            size_bytes=100,
            keys=Keys(count=20_000),
            settings={"batch_size": 65_536, "linger_ms": 0, "buffer_memory": 128 * 65_536},
        ),
        consumers=Consumers(kind="consumer", handler_ms=0, spread=0),
    ),
    about="One producer at full speed, its records spread over 128 partitions. A batch takes its whole batch_size of "
    "buffer_memory, so there is room for as many batches as there are partitions, and none has time to fill.",
    look=(
        Look("clients", "A few records in a batch of 64 kB, and send() waits for room in the buffer."),
        Look("topic", "Rate in is what is left of the processor after thousands of batches a second."),
    ),
    expect=(
        Expect(
            "Thousands of records a second come in, two or three in a batch.", at_most("batch_records", 3.5)
        ),
    ),
    levers=(
        Lever(
            "Wait 50 ms for company",
            {"producers.settings.linger_ms": "50"},
            "Twice as many records in a batch and about half as many again a second; each is read 50 ms later.",
            at_least("batch_records", 3),
        ),
    ),
    trials=(Trial("linger_ms 0 and 50", "producer", "linger_ms", (0, 50), window_s=10),),
)

SLOW_COMMAND = Scenario(
    load=Load(
        name="slow-command",
        title="Slow command",
        minutes=10,
        partitions=2,
        producers=Producers(rate=60),
        consumers=Consumers(count=1, handler_ms=2),
        stalls=Stalls(ms=100, every_ms=150),
    ),
    about="Somebody's script sends a command that takes the server 100 ms, seven times a second. The server runs one "
    "command at a time, so everybody waits: these producers, your own, and this dashboard.",
    look=(
        Look("clients", "Request latency of every producer rises, whoever it is."),
        Look("overview", "The server's processor is busy, and yet hardly anything comes in."),
    ),
    expect=(
        Expect("Requests that took a millisecond take tens of them.", at_least("request_ms", 30)),
        Expect("Throughput stays: a paced stream has time to wait.", at_least("rate", 40)),
    ),
    levers=(
        Lever(
            "Shorter commands",
            {"stalls.ms": "10"},
            "Still there, and hardly felt.",
            at_most("request_ms", 25),
        ),
        Lever(
            "The script ends",
            {"stalls.ms": "0"},
            "Requests take as long as before.",
            at_most("request_ms", 25),
        ),
    ),
)
