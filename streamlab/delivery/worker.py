"""The worker: a handler for every record of some topics, with retries and dead letters.

    @broker.handler("orders", group_id="revenue", retry=RetryPolicy(max_attempts=5), ordering="key")
    def book(record, context):
        ...

A record's life, with the default policy:

    attempt 1 fails     into the retry queue; the offset is committed, the main stream goes on
    attempt 2           up to 1 s later
    attempt 3           up to 2 s after that
    attempt 4           up to 4 s
    attempt 5 fails     up to 8 s; now it is a dead letter on orders.revenue.dlq, with all that is known about the five
    replay              an operator puts it back: attempt 6, history kept, and again up to five attempts

A record is handled at least once. Its offset is committed only when it is handled, in the retry queue, or a dead
letter, and so is everything before it. docs/delivery.md tells the rest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..clock import SYSTEM_CLOCK, Clock
from ..config import CONSUMER, resolved
from ..connection import Connection
from ..errors import IllegalArgumentError, IllegalStateError, InvalidGroupIdError, KafkaConfigurationError
from .policy import RetryPolicy
from .shift import Shift
from .steps import Handler, Steps, Validate

log = logging.getLogger(__name__)

Ordering = Literal["none", "key", "partition"]
ORDERINGS = ("none", "key", "partition")


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What a worker is told besides its consumer's settings."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    ordering: Ordering = (
        "none"  # what is handled one after the other: nothing, a key's records, a partition's
    )
    concurrency: int = 1  # handlers at once, each in a thread
    handler_timeout_ms: float | None = (
        300_000  # an attempt that takes longer has failed; None: as long as it takes
    )
    drain_timeout_ms: float = (
        30_000  # so long a handler may finish when its partition goes or the worker stops
    )
    max_lost_threads: int = (
        8  # handlers past their time that still run; beyond, the worker stops with an error
    )
    max_queued: int = 10_000  # retries and parked records of a partition; beyond, it is not read on
    validate: Validate | None = None  # raises when a decoded record is not what it should be: a dead letter

    def __post_init__(self) -> None:
        if self.ordering not in ORDERINGS:
            raise IllegalArgumentError(f"ordering is one of {', '.join(ORDERINGS)}, not {self.ordering!r}.")
        if not isinstance(self.retry, RetryPolicy):
            raise IllegalArgumentError(f"retry is a RetryPolicy, not {self.retry!r}.")
        for name, least in (("concurrency", 1), ("max_lost_threads", 0), ("max_queued", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise IllegalArgumentError(f"{name} is a whole number from {least}, not {value!r}.")
        for name in ("handler_timeout_ms", "drain_timeout_ms"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise IllegalArgumentError(f"{name} must be above 0, not {value!r}.")


OPTIONS = frozenset(WorkerOptions.__dataclass_fields__)

DEFAULTS: dict[str, Any] = {"auto_offset_reset": "earliest", "auto_commit_interval_ms": 1_000}
"""Consumer settings whose default is another one for a worker: it must not skip what was there before it."""


class Worker:
    """Made by Broker.worker() and Broker.handler(). Does nothing until run(), or start()."""

    def __init__(
        self,
        connection: Connection,
        *topics: str,
        group_id: str,
        handler: Handler,
        clock: Clock = SYSTEM_CLOCK,
        **configs: Any,
    ):
        """`configs` are those of WorkerOptions, and consumer settings.

        Raises KafkaConfigurationError, IllegalArgumentError, InvalidGroupIdError.
        """
        if not topics:
            raise IllegalArgumentError("A worker needs a topic.")
        if not group_id:
            raise InvalidGroupIdError(
                "A worker needs a group_id: its retries and dead letters are the group's."
            )
        self.topics = topics
        self.group_id = group_id
        self.handler = handler
        self.options = WorkerOptions(**{name: configs.pop(name) for name in OPTIONS & configs.keys()})
        self.config = _consumer_config(configs, group_id)
        self._connection = connection
        self._clock = clock
        self._steps = Steps(
            handler,
            configs.get("key_deserializer"),
            configs.get("value_deserializer"),
            self.options.validate,
            self.options.handler_timeout_ms,
            clock,
        )
        self._shift: Shift | None = None
        self._begun = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        """Handle records until stop(). Then finish what is in hand, commit, leave the group.

        Raises StreamlabErrors that no waiting mends, among them TooManyLostThreads.
        """
        try:
            with self._lock:
                if self._shift is not None:
                    raise IllegalStateError("This worker runs already.")
                self._shift = shift = Shift(
                    self._connection, self.topics, self.config, self.options, self._steps, self._clock
                )
        finally:
            self._begun.set()
        try:
            shift.run(self._stopping)
        finally:
            self._shift = None

    def start(self) -> Worker:
        """run() in a thread of its own. What ends it by an error is logged; run() would have raised it."""
        self._thread = threading.Thread(target=self._run_logged, name=f"worker-{self.group_id}", daemon=True)
        self._thread.start()
        self._begun.wait(5)
        return self

    def _run_logged(self) -> None:
        try:
            self.run()
        except Exception:
            log.exception("%r has ended.", self)

    def stop(self, timeout_s: float | None = None) -> None:
        """End run(); from any thread, and from a signal's handler. After start() this waits for the end."""
        self._stopping.set()
        shift = self._shift
        if shift is not None:
            shift.halt()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def __enter__(self) -> Worker:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._shift is not None

    def metrics(self) -> dict[str, dict[str, float]]:
        """Figures since run() was called; nothing when it does not run."""
        shift = self._shift
        return {} if shift is None else {"worker-metrics": shift.named_metrics()}

    def __repr__(self) -> str:
        return f"<Worker {getattr(self.handler, '__name__', 'handler')} of {self.group_id} on {', '.join(self.topics)}>"


def _consumer_config(configs: Mapping[str, Any], group_id: str) -> dict[str, Any]:
    """Raises KafkaConfigurationError."""
    if configs.get("enable_auto_commit"):
        raise KafkaConfigurationError(
            "A worker commits what it has settled; enable_auto_commit cannot be on."
        )
    wanted = {**DEFAULTS, **configs, "group_id": group_id, "enable_auto_commit": False}
    try:
        resolved(wanted, CONSUMER)
    except KafkaConfigurationError as error:
        raise KafkaConfigurationError(f"{error} A worker has also: {', '.join(sorted(OPTIONS))}.") from None
    for name in ("key_deserializer", "value_deserializer"):  # the worker decodes, record by record
        wanted.pop(name, None)
    return wanted
