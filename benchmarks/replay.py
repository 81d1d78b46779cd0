"""How long does a replay of 10,000 dead letters take, and does it keep to a rate?

as fast as it goes    from the plan to the job's end; into the retry queues of the failing group, nobody handles them
with a worker         the same beside a worker that handles them, until all are recovered
to a topic            the same, appended to another topic
at 500/s              letters over the time from the job's begin to its end

Letters are of 1 kB with a traceback, two attempts and all their headers, in 6 partitions.

    python -m benchmarks replay
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import streamlab
from streamlab.broker import Broker
from streamlab.delivery.dead_letter import Attempt, Cause, headers_of, letter_for
from streamlab.delivery.dead_letter_topics import DEAD_LETTER_PRODUCER, DeadLetterTopics
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.replay_jobs import ReplayJob, ReplayState
from streamlab.model import ConsumerRecord

from .findings import Figure, Finding, Outcome, not_above
from .rounds import alternate, spread
from .scale import Scale
from .server import Server

PART = "replay"
LIMIT_MS = 10_000.0
RATE, TOLERANCE_PERCENT = 500.0, 5.0
PARTITIONS = 6
_TOPIC, _GROUP, _OTHER = "orders", "revenue", "repaired"
_TIMEOUT_S = 120.0
_RECORDS_A_LETTER = 150  # of Scale.produced: 10,000 letters with FULL

UNTHROTTLED, WORKED, APPENDED = "as fast as it goes", "with a worker, until all are recovered", "to a topic"
AT_RATE = f"at {RATE:g}/s"


def run(server: Server, scale: Scale) -> Outcome:
    letters = scale.produced // _RECORDS_A_LETTER
    turns = {
        UNTHROTTLED: partial(_replay, server, letters),
        WORKED: partial(_worked, server, letters),
        APPENDED: partial(_replay, server, letters, to=_OTHER),
        AT_RATE: partial(_at_rate, server, letters),
    }
    measured = alternate(turns, min(3, scale.rounds))
    figures = [Figure(PART, what, spread(measured[what]), "ms") for what in (UNTHROTTLED, WORKED, APPENDED)]
    findings = [
        not_above(PART, f"{letters:,} dead letters {what}", spread(measured[what]), LIMIT_MS)
        for what in (UNTHROTTLED, WORKED, APPENDED)
    ]
    figures.append(Figure(PART, AT_RATE, spread(measured[AT_RATE]), "rec/s"))
    findings.append(_kept_rate(letters, measured[AT_RATE]))
    return Outcome(findings, figures, [])


def _kept_rate(letters: int, rates: list[float]) -> Finding:
    middle, low, high = spread([100 * abs(rate - RATE) / RATE for rate in rates])
    target = f"≤ {TOLERANCE_PERCENT:g} % off"
    figure = f"{middle:.2f} % ({low:.2f}–{high:.2f})"
    return Finding(PART, f"{letters:,} dead letters {AT_RATE}", figure, target, middle <= TOLERANCE_PERCENT)


def _replay(server: Server, count: int, to: str = "group") -> float:
    """Milliseconds."""
    with _with_letters(server, count) as broker:
        return _timed(partial(_run, broker, to))


def _at_rate(server: Server, count: int) -> float:
    """Letters a second."""
    with _with_letters(server, count) as broker:
        job = _run(broker, "group", RATE)
        assert job.started_ms is not None and job.ended_ms is not None
        return count / max(1, job.ended_ms - job.started_ms) * 1_000


def _worked(server: Server, count: int) -> float:
    with _with_letters(server, count) as broker:
        letters = broker.dead_letters(_TOPIC, _GROUP)
        worker = broker.worker(_TOPIC, group_id=_GROUP, handler=lambda record: None)
        worker.start()
        try:
            return _timed(lambda: (_run(broker, "group"), _until_recovered(letters, count)))
        finally:
            worker.stop()


def _run(broker: Broker, to: str, rate: float | None = None) -> ReplayJob:
    replays = broker.replays()
    plan = replays.plan(broker.dead_letters(_TOPIC, _GROUP), to=to, rate=rate)
    job = replays.run(replays.draft(plan, by="benchmark").id)
    if job.state is not ReplayState.DONE:
        raise RuntimeError(f"The replay is {job.state}: {job.reason}")
    return job


def _until_recovered(letters: DeadLetters, count: int) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while letters.counts().recovered < count:
        if time.monotonic() > deadline:
            raise TimeoutError("Not all letters were recovered.")
        time.sleep(0.02)


def _timed(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return (time.monotonic() - started) * 1_000


def _with_letters(server: Server, count: int) -> Broker:
    """A broker on an emptied server, where a group has given up so many records."""
    server.empty()
    broker = streamlab.connect(server.url)
    broker.admin().create_topics({name: {"num_partitions": PARTITIONS} for name in (_TOPIC, _OTHER)})
    dlq = DeadLetterTopics(broker.connection).ensure(_TOPIC, _GROUP)
    error = _an_error()
    now_ms = time.time_ns() // 1_000_000
    attempts = [
        Attempt(attempt=n, planned_ms=now_ms, actual_ms=now_ms, error_class="ValueError") for n in (1, 2)
    ]
    with broker.producer(**DEAD_LETTER_PRODUCER | {"linger_ms": 5}) as producer:
        for n in range(count):
            partition, offset = n % PARTITIONS, n // PARTITIONS
            record = ConsumerRecord(_TOPIC, partition, offset, now_ms, b"%d" % n, b"x" * 1_000)
            letter = letter_for(
                record,
                group=_GROUP,
                cause=Cause.EXHAUSTED,
                died_ms=now_ms,
                error=error,
                attempts=attempts,
            )
            producer.send(dlq, letter.value, letter.key, headers_of(letter), partition=partition)
        producer.flush()
    return broker


def _an_error() -> Exception:
    try:
        raise ValueError("no stock for order 536365")
    except ValueError as error:
        return error
