"""Scenarios about how readers ask: how many records a poll brings, how long a fetch waits."""

from __future__ import annotations

from ..loads.load import Burst, Consumers, Keys, Load, Producers
from .scenario import LAG_FALLS, Expect, Lever, Look, Scenario, Trial, at_least, at_most

SMALL_POLLS = Scenario(
    load=Load(
        name="small-polls",
        title="Small polls",
        partitions=2,
        topic={"retention.bytes": 64 * 1024 * 1024},  # so that the lag, not what is lost, is what is seen
        producers=Producers(
            rate=4_000,
            size_bytes=50,
            keys=Keys(kind="none"),
            settings={"linger_ms": 50, "batch_size": 32_768, "compression_type": "lz4"},
        ),
        consumers=Consumers(kind="consumer", handler_ms=0, spread=0, settings={"max_poll_records": 1}),
    ),
    about="A record costs this reader next to nothing, but it asks for one at a time and commits after each: "
    "all its time goes into the asking.",
    look=(
        Look("group", "Lag rises although the handler does nothing."),
        Look("clients", "The reader polls and commits hundreds of times a second."),
    ),
    expect=(Expect("Lag rises by a thousand records a second or more.", at_least("lag", 5_000)),),
    levers=(
        Lever(
            "A second reader",
            {"consumers.count": "2"},
            "Twice the asking: it hardly helps, and costs the server twice as much.",
            at_least("members", 2),
            role="no help",
        ),
        Lever(
            "500 records a poll",
            {"consumers.settings.max_poll_records": "500"},
            "What a poll and a commit cost is shared by 500: lag falls at once.",
            LAG_FALLS,
        ),
    ),
    trials=(Trial("max_poll_records over four values", "group", "max_poll_records", (1, 10, 100, 500)),),
)

LONG_POLLS = Scenario(
    load=Load(
        name="long-polls",
        title="Long polls",
        partitions=1,
        producers=Producers(
            rate=0.3,
            burst=Burst(times=1_000, for_s=1, every_s=6, after_s=3),
            settings={"linger_ms": 1_500, "batch_size": 131_072},
        ),
        consumers=Consumers(kind="consumer", handler_ms=14, settings={"max_poll_interval_ms": 7_000}),
    ),
    about="Records come 300 at once, every six seconds. The reader gets hundreds of them in one poll and works through "
    "all before it polls again; after 7 s without a poll its group takes it for dead.",
    look=(
        Look("clients", "The longest time between two polls comes close to max_poll_interval_ms."),
        Look("group", "Lag goes up and down like a saw: a whole poll is committed at once."),
    ),
    expect=(
        Expect(
            "Four seconds and more pass between two polls; one slow record more and the member is put out.",
            at_least("poll_ms", 3_500),
        ),
    ),
    levers=(
        Lever(
            "50 records a poll",
            {"consumers.settings.max_poll_records": "50"},
            "It comes back within a second, and nothing is handled more slowly.",
            at_most("poll_ms", 2_500),
        ),
        Lever(
            "A longer interval",
            {"consumers.settings.max_poll_interval_ms": "60000"},
            "It stays in the group whatever happens; a member that truly hangs is noticed a minute later.",
        ),
    ),
    trials=(Trial("Smaller polls", "group", "max_poll_records", (500, 50)),),
)

IDLE_FETCHES = Scenario(
    load=Load(
        name="idle-fetches",
        title="Idle fetches",
        producers=Producers(rate=5),
        consumers=Consumers(count=2, handler_ms=2, settings={"fetch_max_wait_ms": 5}),
    ),
    about="Five records a second come in, and two readers ask for them hundreds of times a second: the server may "
    "hold a question for 5 ms only, then it answers that there is nothing.",
    look=(
        Look("clients", "Hardly any fetch brings a record."),
        Look("overview", "The server's processor works for nothing."),
    ),
    expect=(
        Expect("Four hundred fetches a second bring nothing.", at_least("vain", 200)),
        Expect("Nothing is late, and nothing breaks: it only costs.", at_most("lag", 50)),
    ),
    levers=(
        Lever(
            "Let the server wait",
            {"consumers.settings.fetch_max_wait_ms": "500"},
            "Two questions a second of each reader; records come as soon as before.",
            at_most("vain", 10),
        ),
    ),
    trials=(Trial("Let the server wait", "group", "fetch_max_wait_ms", (5, 50, 500)),),
)
