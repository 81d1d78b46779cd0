"""What is done with one record in a handler's thread: decode → validate → handle.

Each step may end it with a `Failure`. What then becomes of the record (classify → settle → report) is decided in the
worker's own thread (`settling.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..clock import Clock
from ..cloudevents import InvalidEventError
from ..deserializers import deserialized
from ..errors import IllegalArgumentError, RetriableError
from ..model import ConsumerRecord
from .dead_letter import Cause
from .job import Context, Failure, Job
from .verdicts import Verdict

Handler = Callable[..., Any]
"""Of (record), or of (record, context). What it returns is ignored, unless it is a Verdict."""
Validate = Callable[[ConsumerRecord], Any]
"""Raises when the record, with key and value deserialised, is not what it should be."""


class Steps:
    """The way of every record through one worker."""

    def __init__(
        self,
        handler: Handler,
        key_deserializer: Any,
        value_deserializer: Any,
        validate: Validate | None,
        timeout_ms: float | None,
        clock: Clock,
    ):
        """Raises IllegalArgumentError when the handler takes neither one nor two arguments."""
        self._handler = handler
        self._with_context = takes_context(handler)
        self._deserializers = (key_deserializer, value_deserializer)
        self._decodes = key_deserializer is not None or value_deserializer is not None
        self._validate = validate
        self._timeout_ms = timeout_ms
        self._clock = clock

    def run(self, job: Job) -> Failure | None:
        """One attempt. Raises nothing; None: the record is handled."""
        record = job.record
        if self._decodes:
            decoded = self.decode(record)
            if isinstance(decoded, Failure):
                return decoded
            record = decoded
        if self._validate is not None:
            failure = self.validate(record)
            if failure is not None:
                return failure
        return self.handle(job, record)

    def decode(self, record: ConsumerRecord) -> ConsumerRecord | Failure:
        """Bytes to what the handler wants. Bytes that cannot be read today cannot be read tomorrow."""
        try:
            return deserialized(record, *self._deserializers)
        except RetriableError as error:  # of a registry that is away
            return Failure(error)
        except Exception as error:
            return Failure(error, cause_of(error))

    def validate(self, record: ConsumerRecord) -> Failure | None:
        assert self._validate is not None
        try:
            self._validate(record)
        except (RetriableError, Verdict) as error:
            return Failure(error)
        except Exception as error:
            return Failure(error, Cause.SCHEMA)
        return None

    def handle(self, job: Job, record: ConsumerRecord) -> Failure | None:
        try:
            if self._with_context:
                answer = self._handler(record, Context(job, record, self._timeout_ms, self._clock))
            else:
                answer = self._handler(record)
        except InvalidEventError as error:
            return Failure(error, Cause.DESERIALIZATION)
        except BaseException as error:  # a handler that says sys.exit() ends its attempt, not the worker
            return Failure(error)
        return Failure(answer) if isinstance(answer, Verdict) else None


def cause_of(error: Exception) -> Cause:
    """Of an exception that a deserializer raised; one that knows schemas says so by `dead_letter_cause`."""
    told = getattr(error, "dead_letter_cause", None)
    return Cause(told) if told in tuple(Cause) else Cause.DESERIALIZATION


def takes_context(handler: Handler) -> bool:
    """Whether it is a function of (record, context).

    >>> takes_context(lambda record: None), takes_context(lambda record, context: None)
    (False, True)
    """
    if not callable(handler):
        raise IllegalArgumentError(
            f"A handler is a function of (record) or (record, context), not {handler!r}."
        )
    if inspect.iscoroutinefunction(handler):
        raise IllegalArgumentError(
            "A handler is a plain function; call asyncio.run() inside it for a coroutine."
        )
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # of something written in C
        return False
    for arguments in (("record", "context"), ("record",)):
        try:
            signature.bind(*arguments)
            return len(arguments) == 2
        except TypeError:
            continue
    raise IllegalArgumentError(
        f"A handler is a function of (record) or (record, context), not of {signature}."
    )
