"""Scenarios about handlers that fail."""

from __future__ import annotations

from ..loads.load import Consumers, Failures, Keys, Load, Producers
from .scenario import LAG_FALLS, Expect, Lever, Look, Scenario, Sight, at_least, at_most

SLOW_DOWNSTREAM = Scenario(
    load=Load(
        name="slow-downstream",
        title="Slow downstream",
        producers=Producers(rate=40),
        consumers=Consumers(
            count=2,
            handler_ms=8,
            concurrency=2,
            failures=Failures(stall_share=0.1, stall_ms=2_000, transient_share=0.05),
        ),
    ),
    about="What the handler calls does not answer for one record in ten: 2 s are waited for nothing, then it is "
    "tried again later. The handlers that wait are the ones that are missing.",
    look=(
        Look("group", "Lag rises although most records take the handler a few milliseconds."),
        Look("retries", "Time-outs wait for their next attempt; nearly all succeed at the second."),
    ),
    expect=(
        Expect(
            "About 20 records a second are handled, 40 come in.",
            Sight(figure="consumed_rate", least=1, most=30),
        ),
        Expect("Retries wait, and hardly anything becomes a dead letter.", at_least("retrying", 5)),
    ),
    levers=(
        Lever(
            "Give up after 200 ms",
            {"consumers.handler_timeout_ms": "200", "consumers.failures.stall_ms": "200"},
            "A stalled call costs a tenth of the time: lag falls. The retries stay.",
            LAG_FALLS,
        ),
        Lever(
            "Eight calls at once",
            {"consumers.concurrency": "8"},
            "Waiting costs nothing while others work: lag falls; the downstream gets more at once.",
            LAG_FALLS,
            afresh=True,
        ),
        Lever(
            "The downstream recovers",
            {"consumers.failures.stall_share": "0", "consumers.failures.transient_share": "0"},
            "Everything is quick again.",
            LAG_FALLS,
            afresh=True,
        ),
    ),
)

POISON = Scenario(
    load=Load(
        name="poison-records",
        title="Poison records",
        producers=Producers(rate=60, keys=Keys(count=200)),
        consumers=Consumers(
            count=2,
            handler_ms=3,
            ordering="key",
            retry_base_ms=2_000,
            failures=Failures(permanent_share=0.02, transient_share=0.03),
        ),
    ),
    about="Two records in a hundred can never be handled. They become dead letters at once and the others go on; "
    "three more fail for a moment and succeed at a later attempt.",
    look=(
        Look("dead-letters", "About one letter a second comes in, all with the same fingerprint."),
        Look("retries", "What failed for a moment waits, and what shares its key is parked behind it."),
        Look("group", "Lag stays low: poison does not stop a partition."),
    ),
    expect=(
        Expect("Dead letters grow by about 70 a minute; all say PoisonError.", at_least("dying", 40)),
        Expect("The group keeps up.", at_most("lag", 300)),
    ),
    levers=(
        Lever(
            "Let a failure stop its partition",
            {"consumers.ordering": "partition"},
            "Every retry now holds up all that comes after it in its partition: lag jumps up and down.",
            at_least("lag", 100),
            role="no help",
        ),
        Lever(
            "Mend the handler",
            {"consumers.failures.permanent_share": "0", "consumers.ordering": "key"},
            "No new letters. Replay the old ones from their page: now all of them succeed.",
            at_most("dying", 0),
        ),
    ),
)

FAILING_AFTER_CHANGE = Scenario(
    load=Load(
        name="failing-after-change",
        title="Failing after a change",
        producers=Producers(rate=80),
        consumers=Consumers(count=2, handler_ms=3, failures=Failures(transient_share=0.02)),
    ),
    about="Two records in a hundred fail for a moment and succeed at a later attempt: nobody has to care. Then "
    "somebody allows one attempt only, and what used to heal by itself dies.",
    look=(
        Look("retries", "What failed for a moment waits, and succeeds."),
        Look("dead-letters", "There are none, until the change."),
        Look("group", "Once records die, the advisor names the change, who made it, and when."),
    ),
    expect=(
        Expect(
            "All that comes in is handled; retries come and go, and nothing becomes a dead letter.",
            at_least("consumed_rate", 40),
        ),
    ),
    levers=(
        Lever(
            "Somebody allows one attempt only",
            {"group.retry_max_attempts": "1"},
            "Dead letters come in, about 90 a minute.",
            at_least("dying", 45),
            role="happens",
        ),
        Lever(
            "Take the change back",
            {"group.retry_max_attempts": ""},
            "No new letters. Replay the old ones: all of them succeed.",
            at_most("dying", 0),
        ),
    ),
)
