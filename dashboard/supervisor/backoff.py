"""How long a part that ended waits before it is started again."""

from __future__ import annotations

DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
CAPPED_DELAY_S = 60.0
GOOD_RUN_S = 60.0


class Backoff:
    """Half a second after the first end, then longer; a minute once it looks like a crash loop.

    A run of a minute counts as good, and the next end is a first one again.

    >>> backoff = Backoff()
    >>> [backoff.ended(ran_s=1) for _ in range(7)]
    [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 60.0]
    >>> backoff.capped
    True
    >>> backoff.ended(ran_s=61)
    0.5
    """

    def __init__(self) -> None:
        self.ends = 0  # in a row, each after less than a good run

    def ended(self, ran_s: float) -> float:
        """Seconds to wait, given how long the part ran this time."""
        self.ends = 1 if ran_s >= GOOD_RUN_S else self.ends + 1
        return DELAYS_S[self.ends - 1] if self.ends <= len(DELAYS_S) else CAPPED_DELAY_S

    @property
    def capped(self) -> bool:
        return self.ends > len(DELAYS_S)
