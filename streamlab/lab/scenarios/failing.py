"""Scenarios about handlers that fail."""

from __future__ import annotations

from ..loads.load import Consumers, Failures, Keys, Load, Producers
from .scenario import Lever, Look, Scenario, Sight

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
        Look("group", "Lag rises although the mean handler is quick."),
        Look("retries", "Time-outs wait for their next attempt; nearly all succeed at the second."),
    ),
    expect=(
        "Fewer than 20 records a second are handled, 40 come in.",
        "Retries wait, and hardly anything becomes a dead letter.",
    ),
    seen=(
        Sight(figure="consumed_rate", least=1, most=30),
        Sight(figure="retrying", least=5),
    ),
    levers=(
        Lever(
            "Give up after 200 ms",
            {"consumers.handler_timeout_ms": "200", "consumers.failures.stall_ms": "200"},
            "A stalled call costs a tenth of the time: lag falls. The retries stay.",
            seen=Sight(figure="lag_change", most=-1),
        ),
        Lever(
            "Eight calls at once",
            {"consumers.concurrency": "8"},
            "Waiting costs nothing while others work: lag falls; the downstream gets more at once.",
            seen=Sight(figure="lag_change", most=-1),
        ),
        Lever(
            "The downstream recovers",
            {"consumers.failures.stall_share": "0"},
            "Everything is quick again.",
            seen=Sight(figure="lag_change", most=-1),
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
            failures=Failures(permanent_share=0.02, transient_share=0.03),
        ),
    ),
    about="Two records in a hundred can never be handled. They become dead letters at once and the others go on; "
    "three more fail for a moment and succeed at a later attempt.",
    look=(
        Look("dead-letters", "About one letter a second, all with the same fingerprint."),
        Look("retries", "What failed for a moment waits, and what shares its key is parked behind it."),
        Look("group", "Lag stays low: poison does not stop a partition."),
    ),
    expect=(
        "Dead letters grow by about 70 a minute; all say PoisonError.",
        "The group keeps up.",
    ),
    seen=(
        Sight(figure="dead", least=20),
        Sight(figure="lag", most=300),
    ),
    levers=(
        Lever(
            "Mend the handler",
            {"consumers.failures.permanent_share": "0"},
            "No new letters. Replay the old ones from their page: now all of them succeed.",
        ),
        Lever(
            "Block the partition instead",
            {"consumers.ordering": "partition"},
            "Every retry now holds up its partition: lag rises in steps.",
            seen=Sight(figure="lag", least=50),
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
        Look("dead-letters", "None, until the change."),
        Look("group", "The advisor names the change, who made it, and when."),
    ),
    expect=("Retries come and go; nothing becomes a dead letter.",),
    seen=(Sight(figure="consumed_rate", least=40),),
    levers=(
        Lever(
            "Allow one attempt only",
            {"group.retry_max_attempts": "1"},
            "Dead letters come in, about 90 a minute.",
            seen=Sight(figure="dead", least=10),
        ),
        Lever(
            "Take the change back",
            {"group.retry_max_attempts": ""},
            "No new letters. Replay the old ones: all of them succeed.",
        ),
    ),
)
