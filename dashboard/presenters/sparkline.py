"""The last quarter of an hour of one figure as a small line, drawn inside a table row. Pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString

WIDTH, HEIGHT = 120, 20
STEPS = 60
"""Points drawn at most: two user units apart is as fine as the eye gets here."""


@dataclass(frozen=True)
class Sparkline:
    """It draws itself in a template."""

    path: str  # SVG path data; "" when there are fewer than two samples
    words: str  # for those who cannot see it

    def render(self) -> SafeString:
        if not self.path:
            return SafeString("")
        return SafeString(
            f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
            f'aria-label="{escape(self.words)}"><path d="{self.path}"/></svg>'
        )

    __str__ = __html__ = render


NONE = Sparkline("", "No history yet")


def sparkline(times_ms: Sequence[int], values: Sequence[float | None], from_ms: int, to_ms: int) -> Sparkline:
    """A line over [from_ms, to_ms], scaled to its own highest value; a hole where nothing is known.

    >>> sparkline([0, 50, 100], [0, 10, 5], 0, 100).path
    'M0 19L60 1L120 10'
    """
    known = [v for v in values if v is not None]
    if len(known) < 2 or to_ms <= from_ms:
        return NONE
    highest = max(known) or 1
    stride = -(-len(values) // STEPS)
    path, pen_down = [], False
    for i in range((len(values) - 1) % stride, len(values), stride):
        value = values[i]
        if value is None or times_ms[i] < from_ms:
            pen_down = False
            continue
        x = (times_ms[i] - from_ms) / (to_ms - from_ms) * WIDTH
        y = HEIGHT - 1 - value / highest * (HEIGHT - 2)
        path.append(f"{'L' if pen_down else 'M'}{x:.0f} {y:.0f}")
        pen_down = True
    return Sparkline("".join(path), f"from {known[0]:,.4g} to {known[-1]:,.4g}, at most {max(known):,.4g}")
