"""When a failed record is tried again, and when it is given up: pure rules.

    attempt 1 fails   wait up to 1 s     (base)
    attempt 2 fails   wait up to 2 s     (base · multiplier)
    attempt 3 fails   wait up to 4 s     ...
    attempt 5 fails   dead letter        (max_attempts)

"Up to": with full jitter every moment of the wait is as likely as every other, so that what failed together does not
come back together (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

The rules, in their order; the first that fits decides:

    1  Release                              given back after its own delay; no attempt is counted
    2  Permanent                            rejected
    3  the bytes cannot be decoded          deserialization
    4  the value breaks its schema          schema
    5  an exception of `never_retry`        rejected
    6  not one of `retry_on`                rejected (a Retryable verdict is always one)
    7  attempt >= max_attempts              exhausted
    8  age + delay > max_age_ms             expired: the next attempt would come too late
    9  else                                 tried again; RetryAfter says its own delay
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

from ..errors import IllegalArgumentError
from .dead_letter import Cause
from .verdicts import Permanent, Release, Retryable, RetryAfter

Exceptions = tuple[type[BaseException], ...]

MISTAKES: Exceptions = (TypeError, AttributeError, NameError, NotImplementedError)
"""Of the program, not of the moment: the same call would fail again. Spring Kafka gives up on the like at once too."""


@dataclass(frozen=True)
class RetryIn:
    """Try it again after so long."""

    delay_ms: float
    counted: bool = True  # False: given back, no attempt was made


@dataclass(frozen=True)
class GiveUp:
    """A dead letter, for this cause."""

    cause: Cause


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often, how soon, and after which exceptions.

    >>> RetryPolicy(base_ms=100, jitter="none").delay_ms(3)
    400.0
    """

    base_ms: float = 1_000  # longest wait after the first attempt
    cap_ms: float = 60_000  # longest wait at all
    multiplier: float = 2.0  # of the longest wait, from attempt to attempt
    jitter: Literal["full", "none"] = "full"
    max_attempts: int = 5  # attempts in all, the first one included
    max_age_ms: float | None = None  # from the begin of the first attempt; None: no limit
    retry_on: Exceptions = (Exception,)  # other exceptions are dead letters at once
    never_retry: Exceptions = MISTAKES  # takes precedence over retry_on

    def __post_init__(self) -> None:
        if not (0 <= self.base_ms < inf and 0 <= self.cap_ms < inf and 1 <= self.multiplier < inf):
            raise IllegalArgumentError(
                "base_ms and cap_ms must be 0 or more, multiplier 1 or more, all finite."
            )
        if self.max_age_ms is not None and not self.max_age_ms >= 0:
            raise IllegalArgumentError(f"max_age_ms must be 0 or more, or None, not {self.max_age_ms}.")
        if self.max_attempts < 1:
            raise IllegalArgumentError(f"max_attempts must be 1 or more, not {self.max_attempts}.")
        if self.jitter not in ("full", "none"):
            raise IllegalArgumentError(f"jitter must be 'full' or 'none', not {self.jitter!r}.")

    @property
    def settings(self) -> dict[str, float]:
        """Those that can change while a worker runs, under their names in `config.RETRY`."""
        age_ms = -1 if self.max_age_ms is None else self.max_age_ms
        return {
            "retry_base_ms": self.base_ms,
            "retry_cap_ms": self.cap_ms,
            "retry_multiplier": self.multiplier,
            "retry_max_attempts": self.max_attempts,
            "retry_max_age_ms": age_ms,
        }

    def with_settings(self, values: Mapping[str, Any]) -> RetryPolicy:
        """
        >>> RetryPolicy().with_settings(RetryPolicy().settings | {"retry_max_attempts": 2}).max_attempts
        2
        """
        age_ms = values["retry_max_age_ms"]
        return replace(
            self,
            base_ms=values["retry_base_ms"],
            cap_ms=values["retry_cap_ms"],
            multiplier=values["retry_multiplier"],
            max_attempts=values["retry_max_attempts"],
            max_age_ms=None if age_ms < 0 else age_ms,
        )

    def longest_ms(self, attempt: int) -> float:
        """The longest wait after that many failed attempts.

        >>> [RetryPolicy().longest_ms(n) for n in (1, 2, 3, 10)]
        [1000.0, 2000.0, 4000.0, 60000.0]
        """
        try:
            return float(min(self.cap_ms, self.base_ms * self.multiplier ** (attempt - 1)))
        except OverflowError:
            return float(self.cap_ms)

    def delay_ms(self, attempt: int, draw: random.Random | None = None) -> float:
        """How long to wait after attempt number `attempt` (from 1) has failed."""
        longest = self.longest_ms(attempt)
        if self.jitter == "none":
            return longest
        return (draw or _random).uniform(0, longest)

    def decide(
        self,
        error: BaseException,
        attempt: int,
        age_ms: float = 0,
        *,
        cause: Cause | None = None,
        draw: random.Random | None = None,
    ) -> RetryIn | GiveUp:
        """What becomes of a record whose attempt number `attempt` ended in `error`, `age_ms` after its first began.

        `cause` is given when it failed before the handler saw it: deserialization or schema.
        """
        if isinstance(error, Release):
            return RetryIn(error.seconds * 1000, counted=False)
        if isinstance(error, Permanent):
            return GiveUp(Cause.REJECTED)
        if cause is not None:
            return GiveUp(cause)
        if not self.retries(error):
            return GiveUp(Cause.REJECTED)
        if attempt >= self.max_attempts:
            return GiveUp(Cause.EXHAUSTED)
        delay_ms = error.seconds * 1000 if isinstance(error, RetryAfter) else self.delay_ms(attempt, draw)
        if self.max_age_ms is not None and age_ms + delay_ms > self.max_age_ms:
            return GiveUp(Cause.EXPIRED)
        return RetryIn(delay_ms)

    def retries(self, error: BaseException) -> bool:
        """Whether this exception is one after which a record is tried again."""
        if isinstance(error, Retryable):
            return True
        return isinstance(error, self.retry_on) and not isinstance(error, self.never_retry)


_random = random.Random()
