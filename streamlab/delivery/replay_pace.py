"""How quickly a replay goes, and when it stops by itself. Pure: `now` is given."""

from __future__ import annotations

from .replay_jobs import ReplayCounts

CHUNK_LETTERS = 500
"""Letters in a chunk, at most."""
_CHUNKS_A_SECOND = 10
_CATCH_UP_S = 0.5
WINDOW = 1_000
"""Letters that may be unsettled before a replay waits for what comes of them, so that the guard sees it in time."""
PATIENCE_S = 2.0
"""How long it waits for the first one of them to be settled: perhaps nobody is there who would."""


def chunk_letters(rate: float | None) -> int:
    """
    >>> chunk_letters(None), chunk_letters(500), chunk_letters(0.5)
    (500, 50, 1)
    """
    return CHUNK_LETTERS if rate is None else max(1, min(CHUNK_LETTERS, int(rate / _CHUNKS_A_SECOND)))


class TokenBucket:
    """So many letters a second. After a stall it makes up for at most half a second.

    >>> bucket = TokenBucket(500)
    >>> bucket.spent(50, now=10.0)
    >>> round(bucket.delay_s(now=10.0), 3), bucket.delay_s(now=10.2)
    (0.1, 0.0)
    """

    def __init__(self, rate: float | None):
        self._gap_s = 0.0 if rate is None else 1 / rate
        self._due: float | None = None  # monotonic, of the next letter; None: none was sent yet

    def delay_s(self, now: float) -> float:
        """Seconds to wait before the next letter."""
        return 0.0 if self._due is None else max(0.0, self._due - now)

    def spent(self, letters: int, now: float) -> None:
        """So many were sent by now."""
        self._due = max(self._due or now, now - _CATCH_UP_S) + letters * self._gap_s


def stopped_by_guard(percent: float, sample: int, before: ReplayCounts, now: ReplayCounts) -> str | None:
    """Why the guard stops a replay; None: it does not. `before` is what was settled when this run began.

    >>> stopped_by_guard(20, 20, ReplayCounts(), ReplayCounts(sent=50, recovered=16, failed_again=4))
    >>> stopped_by_guard(20, 20, ReplayCounts(), ReplayCounts(sent=50, recovered=15, failed_again=6))
    '6 of 21 settled letters failed again (28.6 %), more than 20 % are too many'
    """
    failed = now.failed_again - before.failed_again
    settled = now.settled - before.settled
    if percent >= 100 or settled < sample or 100 * failed <= percent * settled:
        return None
    share = 100 * failed / settled
    return f"{failed} of {settled} settled letters failed again ({share:.1f} %), more than {percent:g} % are too many"


class SettlingWatch:
    """Whether a replay should wait for what comes of the letters that it has sent.

    >>> watch = SettlingWatch(window=100)
    >>> watch.wait(ReplayCounts(sent=100, recovered=10), now=0.0)
    False
    >>> watch.wait(ReplayCounts(sent=200, recovered=50), now=0.1)  # 150 are unsettled, and they are being settled
    True
    >>> watch.wait(ReplayCounts(sent=200, recovered=50), now=9.0)  # nobody settles any more: it goes on
    False
    """

    def __init__(self, window: int = WINDOW):
        self._window = window
        self._settled = -1
        self._since = 0.0  # monotonic: when that many were settled first

    def wait(self, counts: ReplayCounts, now: float) -> bool:
        if counts.settled != self._settled:
            self._settled, self._since = counts.settled, now
        return counts.sent - counts.settled >= self._window and now - self._since < PATIENCE_S
