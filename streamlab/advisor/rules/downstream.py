"""What the handler calls is slow for some records: few take very long, and many of those fail."""

from __future__ import annotations

from collections.abc import Iterator

from .. import words
from ..finding import Finding, Lever, Number
from ..limits import Limit
from ..world import Standing, World
from . import attempts, handling

NAME = "slow-downstream"
FAILING = Limit("failing of slow", 0.02, 0.01, "share", "of attempts that fail, while some take very long")
TAIL_TIMES = Limit("tail", 10, 6, "times", "the median of a handler's time that its 95th percentile is")
TAIL_MS = Limit("tail time", 250, 150, "ms", "the 95th percentile of a handler's time")
LIMITS = (FAILING, TAIL_TIMES, TAIL_MS)


def find(world: World, standing: Standing) -> Iterator[Finding]:
    for name in world.snapshot.groups:
        stands = standing(NAME, f"group:{name}")
        tried, time = attempts.of_group(world, name), handling.of_group(world, name)
        if tried is None or time.slowest_ms is None or not time.record_ms:
            continue
        times = time.slowest_ms / time.record_ms
        if (
            FAILING.beyond(tried.failing, stands)
            and TAIL_TIMES.beyond(times, stands)
            and TAIL_MS.beyond(time.slowest_ms, stands)
        ):
            yield _finding(world, name, tried, time)


def undecided(world: World, group: str) -> bool:
    """Whether it may be this: some records take very long, and how many attempts fail is not known yet."""
    time = handling.of_group(world, group)
    if time.slowest_ms is None or not time.record_ms or attempts.of_group(world, group) is not None:
        return False
    return TAIL_MS.beyond(time.slowest_ms, False) and TAIL_TIMES.beyond(
        time.slowest_ms / time.record_ms, False
    )


def _finding(world: World, name: str, tried: attempts.Tried, time: handling.Handling) -> Finding:
    flow = world.flow(name)
    waits = flow is not None and flow.recent_slope > 0 and flow.lag > flow.in_rate
    lag = f" Lag rises by {words.rate(flow.recent_slope)}." if flow and waits else ""
    assert time.slowest_ms is not None and time.record_ms is not None
    return Finding(
        rule=NAME,
        subject=f"group:{name}",
        group=name,
        topic=flow.busiest_topic if flow else "",
        weight=flow.recent_slope if flow else 0.0,
        title=f"What {name} calls answers slowly",
        symptom=f"The middle record takes {words.time(time.record_ms)}, one in twenty {words.time(time.slowest_ms)} or "
        f"more, and {words.percent(tried.failing)} of the attempts fail.{lag}",
        cause="Something behind the handler (a database, another service) does not answer for some records. Handlers "
        "that wait for it are missing for all the others.",
        judged=f"{words.percent(FAILING.enter)} of attempts or more fail, and the 95th percentile of the "
        "handler's time is "
        f"{TAIL_MS.enter:g} ms or more and {TAIL_TIMES.enter:g} times its median or more.",
        numbers=(
            Number("attempts that fail", tried.failing, "share", FAILING.enter),
            Number("median of the handler", time.record_ms, "ms"),
            Number("95th percentile", time.slowest_ms, "ms", TAIL_MS.enter),
            Number(
                "95th percentile over median", time.slowest_ms / time.record_ms, "times", TAIL_TIMES.enter
            ),
            Number("attempts over their time", tried.timeouts_rate, "attempts/s"),
            *((Number("lag grows", flow.recent_slope, "records/s"),) if flow and waits else ()),
        ),
        not_causes=(
            "Not the handler's own work: most records are quick. Not poison: most of what fails succeeds when it "
            "is tried again."
            if tried.dead_rate < 0.2 * tried.failed_rate
            else "Not the handler's own work: most records are quick.",
        ),
        levers=(
            Lever(
                "Give up sooner",
                "A handler_timeout_ms (or the call's own time-out) of "
                f"{words.time(max(50.0, 10 * time.record_ms))} instead "
                f"of {words.time(time.slowest_ms)}: a stalled call costs that much less. What failed is "
                "tried again later.",
            ),
            Lever(
                "More handlers at once",
                "concurrency in the worker: waiting costs nothing while others work. The other side gets more at once.",
            ),
            Lever("Mend the other side", "Everything is quick again."),
        ),
    )
