"""Small polls: a cheap handler that is asked for few records at a time spends its time on the asking."""

from __future__ import annotations

from .. import words
from ..finding import Experiment, Finding, Lever, Number
from ..limits import Limit
from ..world import World, fetched, joined, mean, polled
from .behind import JUDGED, Behind

NAME = "small-polls"
SMALL = Limit("small poll", 20, 20, "records", "max_poll_records")
FULL = Limit("full polls", 0.8, 0.8, "share", "of max_poll_records that a poll brings on average")
QUICK = Limit(
    "quick polls", 25, 25, "ms", "mean time from one poll to the next, which shows that records are cheap"
)
LIMITS = (SMALL, FULL, QUICK)


def cause(world: World, found: Behind) -> Finding | None:
    plain = [c for c in world.members(found.name).values() if c.kind == "consumer"]
    most = mean([c.values.get("max_poll_records") for c in plain])
    between_ms = mean([polled(c, "time-between-poll-avg") for c in plain])
    read = mean([fetched(c, "records-consumed-rate") for c in plain])
    if not plain or most is None or not between_ms or read is None:
        return None
    each = min(most, found.flow.out_rate / len(plain) * between_ms / 1000)
    if most > SMALL.enter or each < FULL.enter * most or between_ms > QUICK.enter:
        return None
    commits, commit_ms = (
        mean([joined(c, name) for c in plain]) for name in ("commit-rate", "commit-latency-avg")
    )
    now = f"{most:g}"
    return Finding(
        rule=NAME,
        subject=found.subject,
        group=found.name,
        topic=found.flow.busiest_topic,
        weight=found.growing,
        title=f"{found.name} polls few records at a time",
        symptom=found.symptom,
        cause=f"Each poll brings {words.number(each)} of at most {now} records and the next one comes "
        f"{words.time(between_ms)} "
        "later: what a poll costs, and the commit after it, is paid for every few records.",
        judged=f"{JUDGED} Polls bring {words.percent(FULL.enter)} or more of max_poll_records, which is "
        f"{SMALL.enter:g} or less, "
        f"{QUICK.enter:g} ms or less apart.",
        numbers=(
            *found.numbers,
            Number("max_poll_records", most, "records", SMALL.enter),
            Number("records in a poll", each, "records"),
            Number("from poll to poll", between_ms, "ms", QUICK.enter),
            Number("commits of a member", commits, "commits/s"),
            Number("a commit takes", commit_ms, "ms"),
        ),
        not_causes=("Not the handler: a poll with all its records is done quickly.",),
        levers=(
            Lever(
                "Larger polls",
                "What a poll and a commit cost is shared by more records; after a crash more are read again.",
                Experiment(
                    f"group:{found.name}",
                    "max_poll_records",
                    (now, "100", "500"),
                    found.flow.busiest_topic,
                    found.name,
                ),
            ),
        ),
    )
