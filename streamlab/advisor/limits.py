"""A threshold with a name: beyond `enter` something is found, and it stays found until it is back at `leave`."""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    name: str  # as docs/advisor.md has it
    enter: float
    leave: float
    unit: str
    says: str  # what is measured, as a phrase

    @property
    def rises(self) -> bool:
        """Whether more is worse."""
        return self.enter >= self.leave

    def beyond(self, value: float | None, standing: bool) -> bool:
        """Unknown is never beyond.

        >>> lag = Limit("behind", 8, 4, "s", "…")
        >>> [lag.beyond(v, False) for v in (9, 8, 5)], [lag.beyond(v, True) for v in (5, 4, None)]
        ([True, True, False], [True, False, False])
        >>> tiny = Limit("records", 4, 8, "records", "…")
        >>> [tiny.beyond(v, False) for v in (3, 4, 5)], [tiny.beyond(v, True) for v in (5, 8)]
        ([True, True, False], [True, False])
        """
        if value is None:
            return False
        if self.rises:
            return value > self.leave if standing else value >= self.enter
        return value < self.leave if standing else value <= self.enter
