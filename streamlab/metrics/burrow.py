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
from itertools import pairwise
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
    first_lag: int  # at the first and the last commit of the window
    last_lag: int
    span_ms: int  # from the first to the last commit
    silent_ms: int  # since the last one


def standing(
    window: Window, lag: int | None, time_lag_ms: int | None, now_ms: int, allowed: int = ALLOWED_LAG
) -> Standing:
    """Lag and time lag are as of `now_ms`, server time. See the table above."""
    status, rule = _judged(window, lag, time_lag_ms, now_ms, allowed)
    first, last = (window[0], window[-1]) if window else (None, None)
    return Standing(
        status,
        rule,
        len(window),
        lag,
        first.lag if first else 0,
        last.lag if last else 0,
        last.at_ms - first.at_ms if first and last else 0,
        max(0, now_ms - last.at_ms) if last else 0,
    )


def _judged(
    window: Window, lag: int | None, time_lag_ms: int | None, now_ms: int, allowed: int
) -> tuple[LagStatus, Rule]:
    if lag is not None and lag <= allowed:
        return LagStatus.OK, Rule.CAUGHT_UP
    if len(window) < HALF_A_WINDOW:
        return LagStatus.UNKNOWN, Rule.TOO_FEW
    if _stopped(window, time_lag_ms, now_ms):
        return LagStatus.STOP, Rule.SILENT
    if _rewound(window):
        return LagStatus.REWIND, Rule.WENT_BACK
    if any(commit.lag <= allowed for commit in window):
        return LagStatus.OK, Rule.WAS_CAUGHT_UP
    if len({commit.offset for commit in window}) == 1:
        return LagStatus.STALL, Rule.STANDS_STILL
    if all(after.lag >= before.lag for before, after in pairwise(window)):
        return LagStatus.WARN, Rule.NEVER_FALLS
    return LagStatus.OK, Rule.FALLS


def _stopped(window: Window, time_lag_ms: int | None, now_ms: int) -> bool:
    first, last = window[0], window[-1]
    if now_ms - last.at_ms <= last.at_ms - first.at_ms:
        return False
    return time_lag_ms is None or time_lag_ms > LOG_ENDS_MS


def _rewound(window: Window) -> bool:
    """Whether the last offset is below one that was committed before."""
    return max(commit.offset for commit in window) > window[-1].offset


def worst(found: Iterable[LagStatus]) -> LagStatus:
    """
    >>> worst([LagStatus.OK, LagStatus.STALL, LagStatus.WARN]).value, worst([]).value
    ('STALL', 'unknown')
    """
    return min(found, key=WORST_FIRST.index, default=LagStatus.UNKNOWN)
