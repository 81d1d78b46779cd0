"""One member of a load's group: a worker with a handler that takes its time and fails as the load says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

from ...delivery.policy import RetryPolicy
from ...delivery.verdicts import Permanent
from ...errors import GroupError, RetriableError, StreamlabError
from ...model import ConsumerRecord
from .draws import Fate, fate, handler_s, luck_of
from .load import Consumers, Load
from .watching import LOOK_EVERY_S, Watch

log = logging.getLogger(__name__)

_DEFAULTS = {
    "auto_offset_reset": "earliest",
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 2_000,
}
_FOLLOWED = ("count", "handler_ms", "spread", "slow_first", "failures", "rejoin_every_s")
"""What a member takes over while it runs. For anything else it leaves, and comes back with it."""


_SHORTEST_S = 0.002
"""Shorter times are saved up: a clock cannot be slept on for microseconds."""


class DownstreamSlowError(TimeoutError):
    """Raised by the handler when what it calls has not answered in time. It will, later."""


class DownstreamBusyError(ConnectionError):
    """Raised by the handler once or twice for a record: a failure that passes."""


class PoisonError(Permanent):
    """Raised by the handler for a record that no attempt will ever succeed with."""


def run(broker: Any, watch: Watch, number: int, stop: threading.Event) -> None:
    """Handle until `stop`, or until the load is started anew; leave and come back when the load says so.

    Of a load that is not wanted any more the supervisor ends the readers, once they have read what is left.
    """
    while not (stop.is_set() or watch.replaced):
        load = watch.look().load
        leave = _leaving(watch, load, number, stop)
        member = _work if load.consumers.kind == "worker" else _poll
        member(broker, watch, load, number, leave)
        if load.consumers.rejoin_every_s:
            stop.wait(0.5)


def _leaving(watch: Watch, load: Load, number: int, stop: threading.Event) -> Callable[[], bool]:
    """Asked often: whether this member should leave now. Members come and go one after the other, not at once."""
    began = time.monotonic()

    def leave() -> bool:
        now = watch.look().load.consumers
        if stop.is_set() or watch.replaced or _made_of(now) != _made_of(load.consumers):
            return True
        every_s = now.rejoin_every_s
        late_s = every_s * ((number - 1) % max(1, now.count)) / max(1, now.count) / 2
        return bool(every_s) and time.monotonic() - began >= every_s / 2 + late_s

    return leave


def _made_of(consumers: Consumers) -> dict[str, Any]:
    fields = consumers.__struct_fields__
    return {name: getattr(consumers, name) for name in fields if name not in _FOLLOWED}


def _client(load: Load, number: int) -> dict[str, Any]:
    return {
        "group_id": load.group_id,
        "client_id": f"{load.topic_name}-reader-{number}",
        **_DEFAULTS,
        **load.consumers.settings,
    }


def _work(broker: Any, watch: Watch, load: Load, number: int, leave: Callable[[], bool]) -> None:
    wanted = load.consumers
    worker = broker.worker(
        load.topic_name,
        handler=handler_for(watch, number),
        retry=RetryPolicy(base_ms=wanted.retry_base_ms, cap_ms=30_000, max_attempts=wanted.max_attempts),
        ordering=wanted.ordering,
        concurrency=wanted.concurrency,
        handler_timeout_ms=wanted.handler_timeout_ms,
        drain_timeout_ms=2_000,
        **_client(load, number),
    )
    with worker:
        while not leave():
            if not worker.running:
                raise StreamlabError("The worker has ended by itself.")  # a new process takes its place
            time.sleep(0.1)


def record_ms(consumers: Consumers, number: int) -> float:
    """Mean time that a record takes this member, by its number from 1."""
    return consumers.handler_ms * (consumers.slow_first if number == 1 else 1.0)


def handler_for(watch: Watch, number: int) -> Callable[[ConsumerRecord, Any], None]:
    """A handler that takes its time and fails as the load says at this moment."""
    chance = Random()

    def handle(record: ConsumerRecord, context: Any) -> None:
        wanted = watch.desired.load.consumers
        time.sleep(handler_s(record_ms(wanted, number), wanted.spread, chance))
        if wanted.failures.any:
            _fail(record, context.attempt, wanted)

    return handle


def _fail(record: ConsumerRecord, attempt: int, wanted: Consumers) -> None:
    record_id = f"{record.topic}/{record.partition}@{record.offset}"
    match fate(wanted.failures, record_id):
        case Fate.PERMANENT:
            raise PoisonError(f"Record {record_id} is poison: no attempt will succeed.")
        case Fate.TRANSIENT if attempt <= 1 + int(luck_of(record_id + "!") * 2):
            raise DownstreamBusyError("The downstream refuses: too busy.")
        case Fate.STALL if attempt == 1:
            time.sleep(wanted.failures.stall_ms / 1000)
            raise DownstreamSlowError(f"No answer within {wanted.failures.stall_ms:g} ms.")


def _poll(broker: Any, watch: Watch, load: Load, number: int, leave: Callable[[], bool]) -> None:
    consumer = broker.consumer(load.topic_name, enable_auto_commit=False, **_client(load, number))
    chance = Random()
    try:
        while not leave():
            try:
                polled = consumer.poll(timeout_ms=300)
                if polled and _handled(sum(map(len, polled.values())), watch, number, leave, chance):
                    consumer.commit()
            except (RetriableError, GroupError) as error:
                log.warning("It waits: %s", error)
                time.sleep(0.5)
    finally:
        consumer.close(autocommit=False)


def _handled(records: int, watch: Watch, number: int, leave: Callable[[], bool], chance: Random) -> bool:
    """Take the time that so many records take. False: it has to leave in the middle of them."""
    owed_s = 0.0
    for _ in range(records):
        wanted = watch.desired.load.consumers
        owed_s += handler_s(record_ms(wanted, number), wanted.spread, chance)
        while owed_s >= _SHORTEST_S:
            slept_s = min(owed_s, LOOK_EVERY_S)
            time.sleep(slept_s)
            owed_s -= slept_s
            if leave():
                return False
    time.sleep(owed_s)
    return True
