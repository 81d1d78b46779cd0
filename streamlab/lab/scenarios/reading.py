"""Scenarios about who reads."""

from __future__ import annotations

from ..loads.load import Consumers, Keys, Load, Producers
from .scenario import LAG_FALLS, Expect, Lever, Look, Scenario, Trial, at_least, at_most

TOO_FEW_PARTITIONS = Scenario(
    load=Load(
        name="too-few-partitions",
        title="Too few partitions",
        partitions=2,
        producers=Producers(rate=150),
        consumers=Consumers(count=4, handler_ms=20),
    ),
    about="Four readers share two partitions: two of them have nothing to do, and the other two cannot keep up.",
    look=(
        Look("group", "Two members own a partition each, two own none; lag rises on both partitions."),
        Look("topic", "Two partitions, evenly filled: there is no skew to blame."),
    ),
    expect=(
        Expect("Lag rises by about 50 records a second.", at_least("lag", 500)),
        Expect("A partition has one reader: who comes on top gets nothing to do."),
    ),
    levers=(
        Lever(
            "Six readers",
            {"consumers.count": "6"},
            "No help: now four of them idle.",
            at_least("members", 6),
            role="no help",
        ),
        Lever(
            "Handle four at once",
            {"consumers.concurrency": "4"},
            "Two readers are then enough, without a third partition; order within a partition goes.",
            LAG_FALLS,
        ),
        Lever(
            "Six partitions",
            {"partitions": "6", "consumers.count": "6"},
            "A rebalance gives everybody work; keys move, so their order breaks once, and what waits in the two old "
            "partitions is still read by two.",
            LAG_FALLS,
            afresh=True,
        ),
    ),
)

SLOW_CONSUMER = Scenario(
    load=Load(
        name="slow-consumer",
        title="Slow consumer",
        producers=Producers(rate=60, keys=Keys(count=200)),
        consumers=Consumers(count=1, handler_ms=25, spread=0.5),
    ),
    about="The handler takes 25 ms a record, so one reader manages 40 a second; 60 come in.",
    look=(
        Look("group", "Lag rises on all partitions alike: less goes out than comes in."),
        Look("clients", "The worker is never idle: the share of its time that it waits in poll() is near 0."),
    ),
    expect=(
        Expect("Lag rises by about 20 records a second, on every partition.", at_least("lag", 300)),
        Expect("Time lag grows as well: what is read now is older and older.", at_least("time_lag", 5)),
    ),
    levers=(
        Lever(
            "Larger polls",
            {"consumers.settings.max_poll_records": "2000"},
            "No help: the time goes into the handler, not into poll().",
            role="no help",
        ),
        Lever(
            "A second reader",
            {"consumers.count": "2"},
            "80 a second: lag falls by about 20 a second.",
            LAG_FALLS,
        ),
        Lever(
            "A quicker handler",
            {"consumers.handler_ms": "5"},
            "200 a second from each reader: lag is gone in no time.",
            LAG_FALLS,
            afresh=True,
        ),
    ),
    trials=(Trial("Whether larger polls help", "group", "max_poll_records", (500, 2_000)),),
)

FLAPPING = Scenario(
    load=Load(
        name="flapping-consumer",
        title="Flapping consumer",
        producers=Producers(rate=150),
        consumers=Consumers(count=3, handler_ms=3, rejoin_every_s=8),
    ),
    about="Readers leave and come back every few seconds, as they do when a deployment crashes in a loop. "
    "Each time partitions move.",
    look=(
        Look("group", "The epoch rises every few seconds, and the list of rebalances grows."),
        Look("group", "Lag has teeth: partitions stand still while they move."),
    ),
    expect=(
        Expect("There is a rebalance every second or two.", at_least("rebalances", 6)),
        Expect("Partitions whose owner stays are never stopped; the others stand still for a moment."),
    ),
    levers=(
        Lever(
            "Hand over everything each time",
            {"consumers.settings.partition_assignment_strategy": "roundrobin"},
            "Worse: more partitions move with every rebalance than have to.",
            role="no help",
        ),
        Lever(
            "Let them stay",
            {"consumers.rejoin_every_s": "0"},
            "The epoch stands still, and lag becomes level.",
            at_most("rebalances", 0),
        ),
    ),
)

IDLE_MEMBERS = Scenario(
    load=Load(
        name="idle-members",
        title="More readers than partitions",
        partitions=2,
        producers=Producers(rate=40),
        consumers=Consumers(count=4, handler_ms=5),
    ),
    about="Four readers share two partitions, and two would do: nothing is late, two processes wait for nothing.",
    look=(Look("group", "Two members own a partition each, two own none."),),
    expect=(
        Expect("Four readers are there.", at_least("members", 4)),
        Expect("Nothing is late: lag stays near 0.", at_most("lag", 80)),
    ),
    levers=(
        Lever(
            "Two readers",
            {"consumers.count": "2"},
            "Nothing is handled more slowly.",
            at_most("members", 2),
        ),
        Lever(
            "Four readers, four partitions",
            {"partitions": "4", "consumers.count": "4"},
            "Everybody has work; keys move, so their order breaks once.",
            at_least("partitions", 4),
        ),
    ),
)

SLOW_MEMBER = Scenario(
    load=Load(
        name="slow-member",
        title="One slow reader",
        producers=Producers(rate=150),
        consumers=Consumers(count=3, handler_ms=8, slow_first=4),
    ),
    about="Three readers have the same program and the same work, but the machine of the first one needs four times "
    "as long for a record.",
    look=(
        Look("group", "Lag rises on the two partitions of one member; the others keep up."),
        Look(
            "clients", "The same program, and yet a record takes lab-slow-member-reader-1 four times as long."
        ),
    ),
    expect=(
        Expect("Lag rises by about 20 records a second, all of it with one member.", at_least("lag", 200)),
        Expect("The keys are even: there is no skew to blame.", at_most("skew", 1.5)),
    ),
    levers=(
        Lever(
            "Six readers",
            {"consumers.count": "6"},
            "It has one partition less to do, which it just manages: the others take over what it cannot.",
            at_least("members", 6),
        ),
        Lever(
            "Mend its machine",
            {"consumers.slow_first": "1"},
            "It handles as many as the others, and lag falls.",
            LAG_FALLS,
            afresh=True,
        ),
    ),
)

NOBODY_READS = Scenario(
    load=Load(
        name="nobody-reads",
        title="Nobody reads",
        partitions=3,
        producers=Producers(rate=60),
        consumers=Consumers(count=2, handler_ms=4),
    ),
    about="Two readers keep up easily. Then they end, as after a deployment that does not start, and nobody notices: "
    "producers do not care whether anybody reads.",
    look=(
        Look("group", "As long as its two members read, lag stays near 0. Once they are gone it only rises."),
        Look("overview", "The group is named here as soon as nobody reads for it."),
    ),
    expect=(Expect("At first lag stays near 0.", at_most("lag", 60)),),
    levers=(
        Lever(
            "The readers end",
            {"consumers.count": "0"},
            "Lag rises by all that comes in, 60 records a second.",
            at_least("lag", 300),
            role="happens",
        ),
        Lever(
            "Start them again",
            {"consumers.count": "2"},
            "They go on at their commits: nothing is lost, and the lag is worked off.",
            LAG_FALLS,
        ),
    ),
)
