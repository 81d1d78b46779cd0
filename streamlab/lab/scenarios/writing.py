"""Scenarios about how records come in."""

from __future__ import annotations

from ..loads.load import Burst, Consumers, Keys, Load, Producers
from .scenario import LAG_FALLS, Expect, Lever, Look, Scenario, Sight, Trial, at_least, at_most

STEADY = Scenario(
    load=Load(
        name="steady-shop",
        title="Steady shop",
        producers=Producers(
            rate=120, keys=Keys(kind="zipf", count=500, skew=0.8), settings={"linger_ms": 50}
        ),
        consumers=Consumers(count=2, handler_ms=4),
    ),
    about="Nothing is wrong: a mildly uneven stream, and two readers that have twice the time they need. "
    "Know what healthy looks like before you look at anything else.",
    look=(
        Look("topic", "Rate in is level, and all six partitions get their share."),
        Look("group", "Lag stays below a second's worth of records and the status is OK."),
    ),
    expect=(
        Expect(
            "About 120 records a second go in and out.", Sight(figure="consumed_rate", least=90, most=150)
        ),
        Expect(
            "Lag moves between 0 and a few dozen, because a batch waits up to 50 ms and a commit up to a second.",
            at_most("lag", 120),
        ),
    ),
    levers=(
        Lever(
            "One of the two readers leaves",
            {"consumers.count": "1"},
            "Half the room is gone; lag still stays low.",
            at_most("members", 1),
            role="happens",
        ),
        Lever(
            "Four times as much comes in",
            {"producers.rate": "480"},
            "One reader manages 250 a second: lag rises. Two would be at their limit.",
            at_least("rate", 400),
            role="happens",
        ),
        Lever(
            "Three readers",
            {"consumers.count": "3"},
            "750 a second: they keep up, and work off what was left.",
            LAG_FALLS,
        ),
    ),
    trials=(Trial("What lingering costs, and what it saves", "producer", "linger_ms", (0, 50)),),
)


BURST = Scenario(
    load=Load(
        name="burst",
        title="Burst",
        producers=Producers(rate=40, burst=Burst(times=10, for_s=60, every_s=240, after_s=60)),
        consumers=Consumers(count=2, handler_ms=10),
    ),
    about="Ten times the rate for a minute, then quiet again. The log takes all of it at once; "
    "the readers need longer, and that is what a log is for.",
    look=(
        Look(
            "topic",
            "After a calm minute rate in jumps from 40 to 400 records/s, and falls a minute later.",
        ),
        Look("group", "Lag rises during the burst; the time to catch up is told while it falls."),
    ),
    expect=(
        Expect("Lag rises by about 200 records a second, to some 12,000.", at_least("lag", 5_000)),
        Expect(
            "After the burst it falls by about 160 a second and is gone within one and a half minutes.",
            at_most("lag_change", -50),
        ),
        Expect("Nothing is lost and nothing fails.", at_most("lost", 0)),
    ),
    levers=(
        Lever(
            "Four readers",
            {"consumers.count": "4"},
            "The lag goes twice as fast, and the next burst hardly leaves a trace.",
            at_most("lag_change", -190),
        ),
        Lever(
            "Two readers again, and four records at once in each",
            {"consumers.count": "2", "consumers.concurrency": "4"},
            "As many handlers as eight readers have; it fits those that wait for others.",
            at_most("lag_change", -360),
        ),
    ),
)

HOT_KEY = Scenario(
    load=Load(
        name="hot-key",
        title="Hot key",
        producers=Producers(rate=200, keys=Keys(kind="hot", count=1_000, hot_share=0.7)),
        consumers=Consumers(count=3, handler_ms=8, ordering="partition"),
    ),
    about="Seven of ten records have the same key, so they all go to one partition and to one reader. "
    "The group has time enough in all; that one reader has not.",
    look=(
        Look("topic", "One partition is marked hot; skew is about 4 times the mean."),
        Look("group", "Lag grows on one partition only, and its owner is the one that is behind."),
    ),
    expect=(
        Expect("Two readers idle, one falls behind by about 40 records a second.", at_least("lag", 200)),
        Expect("A partition has one owner: nobody can take a part of the hot one."),
    ),
    levers=(
        Lever(
            "More readers",
            {"consumers.count": "6"},
            "No help: the hot partition still has one owner.",
            at_least("members", 6),
            role="no help",
        ),
        Lever(
            "Spread the key",
            {"producers.keys.kind": "uniform"},
            "The skew goes from the rate at once, and from the lag as it is worked off.",
            LAG_FALLS,
        ),
        Lever(
            "Give up order within the partition",
            {"consumers.ordering": "none", "consumers.concurrency": "4"},
            "Its owner handles four at a time and catches up; records of a key may overtake each other.",
            LAG_FALLS,
            afresh=True,
        ),
    ),
)

HOT_PARTITION = Scenario(
    load=Load(
        name="hot-partition",
        title="Hot partition",
        partitions=4,
        producers=Producers(rate=120, keys=Keys(count=6)),
        consumers=Consumers(count=4, handler_ms=20),
    ),
    about="Six keys have as many records each, but three of them happen to lie in one partition: it gets half of "
    "everything. No single key is to blame.",
    look=(
        Look("topic", "One partition is marked hot; its keys are as heavy as the others."),
        Look("group", "Lag grows with one member only; three have more than half of their time left."),
    ),
    expect=(
        Expect("Lag rises by about 10 records a second, on one partition.", at_least("lag", 100)),
        Expect("The other three readers have time, and nothing to do with it."),
    ),
    levers=(
        Lever(
            "A fifth reader",
            {"consumers.count": "5"},
            "No help: a partition has one owner.",
            at_least("members", 5),
            role="no help",
        ),
        Lever(
            "A thousand keys",
            {"producers.keys.count": "1000"},
            "Chance evens out: the lag is worked off.",
            LAG_FALLS,
        ),
        Lever(
            "Eight partitions",
            {"partitions": "8", "consumers.count": "8"},
            "The keys fall otherwise, two in one partition at most; their order breaks once.",
            LAG_FALLS,
            afresh=True,
        ),
    ),
)

TINY_BATCHES = Scenario(
    load=Load(
        name="tiny-batches",
        title="Tiny batches",
        producers=Producers(rate=800, size_bytes=100, settings={"linger_ms": 0, "batch_size": 1}),
        consumers=Consumers(kind="consumer", handler_ms=0.1, spread=0),
    ),
    about="Every record is a batch of its own: as many requests, stream entries and headers as there are records.",
    look=(
        Look("clients", "Records in a request and batch size are as low as they can be."),
        Look("topic", "Bytes for each record are far more than its 100 of payload."),
    ),
    expect=(
        Expect(
            "Hundreds of batches a second, one record in each: the producer is busy with requests.",
            at_most("batch_records", 1.5),
        ),
        Expect(
            "Each record is an entry of its own on the server: three times the bytes, and more work than they need.",
            at_least("record_bytes", 322),
        ),
    ),
    levers=(
        Lever(
            "Wait 50 ms for company",
            {"producers.settings.linger_ms": "50", "producers.settings.batch_size": "16384"},
            "Several records a batch, fewer bytes each, and up to 50 ms more until a record is read.",
            at_least("batch_records", 3),
        ),
        Lever(
            "And compress",
            {"producers.settings.compression_type": "lz4"},
            "Bytes fall again; worth it only where batches are large.",
        ),
    ),
    trials=(
        Trial(
            "Whether records that are there at once should share a batch",
            "producer",
            "batch_size",
            (1, 16_384),
        ),
    ),
)
