"""How a group's lag on a partition stands, by Burrow's rules: pure, from its last commits and `now`.

The rules, in order; the first that fits decides (https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules):

    1. the lag is at most what is allowed                                                     OK
    -  fewer than half a window of commits is known                                           unknown
    2. silent for longer than the window is long, and no log end of late was read up to       STOP
    3. a committed offset went back and has not returned                                      REWIND
    4. some lag in the window was at most what is allowed                                     OK
    5. all committed offsets are equal                                                        STALL
    6. the lag never falls from one commit to the next                                        WARN
    7. otherwise                                                                              OK

Burrow keeps the last log ends to see whether one of them was read up to. The append time of the first unread record
says the same exactly: when it has waited for `LOG_ENDS_MS`, every log end since then lay above the committed offset.

A group stands as its worst partition does.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from operator import ge
from typing import NamedTuple

from .commit_windows import COMMITS, Window

ALLOWED_LAG = 0
HALF_A_WINDOW = COMMITS // 2
LOG_ENDS_MS = 10_000
"""The log ends of the last ten snapshots count as "of late"."""


class LagStatus(StrEnum):
    OK = "OK"
    UNKNOWN = "unknown"
    WARN = "WARN"  # it reads, and does not keep up
    REWIND = "REWIND"
    STALL = "STALL"  # it commits, and does not move
    STOP = "STOP"  # it does not even commit


WORST_FIRST = (
    LagStatus.STOP,
    LagStatus.STALL,
    LagStatus.REWIND,
    LagStatus.WARN,
    LagStatus.UNKNOWN,
    LagStatus.OK,
)


class Rule(StrEnum):
    """What decided."""

    CAUGHT_UP = "caught up"
    TOO_FEW = "too few commits"
    SILENT = "silent for longer than its commits span"
    WENT_BACK = "a committed offset went back"
    WAS_CAUGHT_UP = "caught up at some commit"
    STANDS_STILL = "all committed offsets are equal"
    NEVER_FALLS = "the lag never falls"
    FALLS = "the lag falls at times"


class Standing(NamedTuple):
    """What the rules say of one partition, and the numbers that they said it by."""

    status: LagStatus
    rule: Rule
    commits: int  # in the window
    lag: int | None  # now; None: it is not known
    # 0 of what is caught up, where nobody looks at them:
    first_lag: int  # at the first and the last commit of the window
    last_lag: int
    span_ms: int  # from the first to the last commit
    silent_ms: int  # since the last one


def standing(
    window: Window, lag: int | None, time_lag_ms: int | None, now_ms: int, allowed: int = ALLOWED_LAG
) -> Standing:
    """Lag and time lag are as of `now_ms`, server time. See the table above."""
    status, rule = judge(window, lag, time_lag_ms, now_ms, allowed)
    if rule is Rule.CAUGHT_UP:
        return Standing(status, rule, len(window), lag, 0, 0, 0, 0)
    first_lag, last_lag = (window[0].lag, window[-1].lag) if window else (0, 0)
    return Standing(
        status, rule, len(window), lag, first_lag, last_lag, window.span_ms, _silent_ms(window, now_ms)
    )


def judge(
    window: Window, lag: int | None, time_lag_ms: int | None, now_ms: int, allowed: int = ALLOWED_LAG
) -> tuple[LagStatus, Rule]:
    """What `standing` says, without the numbers: for the ten thousand partitions of which nobody reads these."""
    if lag is not None and lag <= allowed:
        return _CAUGHT_UP
    if len(window) < HALF_A_WINDOW:
        return _TOO_FEW
    if (time_lag_ms is None or time_lag_ms > LOG_ENDS_MS) and _silent_ms(window, now_ms) > window.span_ms:
        return _SILENT
    offsets = window.offsets
    newest = offsets[-1]
    if max(offsets) > newest:
        return _WENT_BACK
    lags = window.lags
    if min(lags) <= allowed:
        return _WAS_CAUGHT_UP
    if min(offsets) == newest:
        return _STANDS_STILL
    return _NEVER_FALLS if all(map(ge, lags[1:], lags)) else _FALLS


_CAUGHT_UP = LagStatus.OK, Rule.CAUGHT_UP
_TOO_FEW = LagStatus.UNKNOWN, Rule.TOO_FEW
_SILENT = LagStatus.STOP, Rule.SILENT
_WENT_BACK = LagStatus.REWIND, Rule.WENT_BACK
_WAS_CAUGHT_UP = LagStatus.OK, Rule.WAS_CAUGHT_UP
_STANDS_STILL = LagStatus.STALL, Rule.STANDS_STILL
_NEVER_FALLS = LagStatus.WARN, Rule.NEVER_FALLS
_FALLS = LagStatus.OK, Rule.FALLS


def _silent_ms(window: Window, now_ms: int) -> int:
    """Since the last commit; 0 when there was none."""
    return max(0, now_ms - window.last_ms) if window.last_ms is not None else 0


def worst(found: Iterable[LagStatus]) -> LagStatus:
    """
    >>> worst([LagStatus.OK, LagStatus.STALL, LagStatus.WARN]).value, worst([]).value
    ('STALL', 'unknown')
    """
    return min(found, key=WORST_FIRST.index, default=LagStatus.UNKNOWN)
