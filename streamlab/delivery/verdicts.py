"""What a handler may say about a record besides returning: raise one of these, or return it.

return                  handled
raise Retryable(...)    failed, try again as the policy says, even where the policy would not retry the exception
raise RetryAfter(30)    failed, try again in 30 s
raise Permanent(...)    failed for good: a dead letter now
raise Release(...)      not failed, not handled: give it to me again later; no attempt is counted
any other exception     failed; the policy decides
"""

from __future__ import annotations

LONGEST_S = 366 * 86_400.0
"""What a handler asks for beyond this, or what is no number of seconds, is not a moment that a retry can be due at."""


def _within_bounds(seconds: float) -> float:
    """
    >>> _within_bounds(30), _within_bounds(-1), _within_bounds(float("nan")), _within_bounds(float("inf"))
    (30, 0.0, 0.0, 31622400.0)
    """
    return min(max(0.0, seconds), LONGEST_S)


class Verdict(Exception):
    """A handler's own judgement of a record."""


class Retryable(Verdict):
    """Raised by a handler when the record may succeed at another attempt."""


class RetryAfter(Retryable):
    """Raised by a handler when the record may succeed after `seconds`, and not before."""

    def __init__(self, seconds: float, message: str = ""):
        super().__init__(message or f"to be tried again after {seconds:g} s")
        self.seconds = _within_bounds(seconds)


class Permanent(Verdict):
    """Raised by a handler when the record can never succeed: it becomes a dead letter at once."""


class Release(Verdict):
    """Raised by a handler to give the record back for `seconds`. No attempt is counted."""

    def __init__(self, message: str = "", seconds: float = 1.0):
        super().__init__(message)
        self.seconds = _within_bounds(seconds)


class HandlerTimeout(Exception):
    """The handler did not return within `handler_timeout_ms`. It may still be running."""


class WorkerLost(Exception):
    """The worker died while it handled the record, again and again."""
