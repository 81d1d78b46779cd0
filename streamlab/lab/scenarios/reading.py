"""Scenarios about who reads."""

from __future__ import annotations

from ..loads.load import Consumers, Keys, Load, Producers
from .scenario import Lever, Look, Scenario, Sight, Trial

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
        "Lag rises by about 50 records a second.",
        "Adding readers changes nothing.",
    ),
    seen=(
        Sight(figure="lag", least=500),
        None,
    ),
    levers=(
        Lever(
            "Six readers",
            {"consumers.count": "6"},
            "No help: now four of them idle.",
            seen=Sight(figure="members", least=6),
        ),
        Lever(
            "Six partitions",
            {"partitions": "6"},
            "A rebalance gives everybody work and lag stops rising; keys move, so their order breaks once, and "
            "what waits in the two old partitions is still read by two.",
            seen=Sight(figure="partitions", least=6),
        ),
        Lever(
            "Handle four at once",
            {"consumers.concurrency": "4"},
            "Two readers are then enough, without a seventh partition; order within a partition goes.",
            seen=Sight(figure="lag_change", most=-1),
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
        Look("group", "Lag rises on all partitions alike; consumed is below rate in."),
        Look("clients", "The worker is never idle: the share of its time that it waits in poll() is near 0."),
    ),
    expect=(
        "Lag rises by about 20 records a second, on every partition.",
        "Time lag grows as well: what is read now is older and older.",
    ),
    seen=(
        Sight(figure="lag", least=300),
        Sight(figure="time_lag", least=5),
    ),
    levers=(
        Lever(
            "A second reader",
            {"consumers.count": "2"},
            "80 a second: lag falls by about 20 a second.",
            seen=Sight(figure="lag_change", most=-1),
        ),
        Lever(
            "A quicker handler",
            {"consumers.handler_ms": "5"},
            "200 a second: lag falls at once.",
            seen=Sight(figure="lag_change", most=-1),
        ),
        Lever(
            "Larger polls",
            {"consumers.settings.max_poll_records": "2000"},
            "No help: the time goes into the handler, not into poll().",
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
        "A rebalance every two or three seconds.",
        "Partitions whose owner stays are never stopped; the others stand still for a moment.",
    ),
    seen=(
        Sight(figure="epoch", least=12),
        None,
    ),
    levers=(
        Lever(
            "Let them stay", {"consumers.rejoin_every_s": "0"}, "The epoch stands still, lag becomes level."
        ),
        Lever(
            "Hand over everything each time",
            {"consumers.settings.partition_assignment_strategy": "roundrobin"},
            "Worse: more partitions move with every rebalance than have to.",
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
    expect=("Lag stays near 0.",),
    seen=(Sight(figure="members", least=4),),
    levers=(
        Lever(
            "Two readers",
            {"consumers.count": "2"},
            "Nothing is handled more slowly.",
            seen=Sight(figure="members", most=2),
        ),
        Lever(
            "Four partitions",
            {"partitions": "4"},
            "Everybody has work; keys move, so their order breaks once.",
            seen=Sight(figure="partitions", least=4),
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
        "Lag rises by about 20 records a second, all of it with one member.",
        "The keys are even: there is no skew to blame.",
    ),
    seen=(Sight(figure="lag", least=200), None),
    levers=(
        Lever(
            "Mend its machine",
            {"consumers.slow_first": "1"},
            "It handles as many as the others, and lag falls.",
            seen=Sight(figure="lag_change", most=-1),
        ),
        Lever(
            "Six readers",
            {"consumers.count": "6"},
            "It has one partition less to do, which it just manages: the others take over what it cannot.",
            seen=Sight(figure="members", least=6),
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
        Look("group", "Members, and the lag once they are gone."),
        Look("overview", "The group is named as soon as nobody reads for it."),
    ),
    expect=("At first lag stays near 0.",),
    seen=(Sight(figure="lag", most=60),),
    levers=(
        Lever(
            "The readers end",
            {"consumers.count": "0"},
            "Lag rises by all that comes in, 60 records a second.",
            seen=Sight(figure="lag", least=300),
        ),
        Lever(
            "Start them again",
            {"consumers.count": "2"},
            "They go on at their commits: nothing is lost, and the lag is worked off.",
            seen=Sight(figure="lag_change", most=-1),
        ),
    ),
)
