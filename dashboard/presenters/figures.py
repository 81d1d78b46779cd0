"""Numbers for humans: short text, unit, the exact value on hover, and a reason where nothing is known.

A figure draws itself in a template (`{{ row.lag }}`). What is unknown is "—" with its reason, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from django.utils.safestring import SafeString

DASH = "—"
NARROW, WIDE = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"
LONGEST_SYMBOL = 4
"""A unit of so many characters is a symbol ("kB/s"), a longer one is a word ("records")."""
_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True)
class Figure:
    """One figure on a page."""

    text: str  # "1.24 M"; DASH when unknown
    unit: str = ""  # "/s", "MB": drawn smaller, after the number
    exact: str = ""  # "1,238,771 records": the tooltip
    value: float | None = None  # for sorting and for machines; None: unknown

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def plain(self) -> str:
        """Text and unit for a sentence: "1.24 M", "830/s", "12 kB"."""
        if not self.unit:
            return self.text
        return f"{self.text}{'' if self.unit.startswith('/') else ' '}{self.unit}"

    def render(self) -> SafeString:
        """A page draws hundreds of figures a second: `format_html` would take four times as long."""
        if not self.known:
            return SafeString(
                f'<abbr class="unknown" title="{escape(self.exact or "Not known")}">{DASH}</abbr>'
            )
        gap = "" if self.unit.startswith("/") else NARROW if len(self.unit) <= LONGEST_SYMBOL else WIDE
        unit = f"{gap}<small>{escape(self.unit)}</small>" if self.unit else ""
        return SafeString(
            f'<data value="{self.value}" title="{escape(self.exact)}">{escape(self.text)}{unit}</data>'
        )

    __str__ = __html__ = render


def unknown(reason: str) -> Figure:
    """Why there is no number, as a sentence for the tooltip."""
    return Figure(DASH, exact=reason)


def _short(value: float, decimals: int = 2) -> str:
    """Three significant digits, without a trailing point of zeros.

    >>> [_short(9.996), _short(12.04), _short(123.4)]
    ['10', '12', '123']
    """
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else decimals
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scaled(value: float, scales: tuple[tuple[float, str], ...]) -> tuple[str, str]:
    for scale, name in scales:
        if abs(value) >= scale * 0.99995:
            return _short(value / scale), name
    return _short(value), ""


def count(value: float | None, noun: str = "records", reason: str = "Not measured yet") -> Figure:
    """
    >>> [count(n).text for n in (0, 999, 54_321, 1_238_771)]
    ['0', '999', '54,321', '1.24 M']
    """
    if value is None:
        return unknown(reason)
    exact = f"{value:,.0f} {noun}".strip()
    if abs(value) < 1e5:
        return Figure(f"{value:,.0f}", "", exact, value)
    text, scale = _scaled(value, _SCALES)
    return Figure(f"{text} {scale}", "", exact, value)


def rate(value: float | None, noun: str = "records", reason: str = "A rate needs two measurements") -> Figure:
    """
    >>> [rate(r).plain for r in (0, 0.25, 41.66, 1204.4, 530_000)]
    ['0/s', '0.25/s', '41.7/s', '1,204/s', '530 k/s']
    """
    if value is None:
        return unknown(reason)
    exact = f"{value:,.2f} {noun} per second"
    if abs(value) < 1000:
        return Figure(_short(value), "/s", exact, value)
    whole = count(value)
    return Figure(whole.text, "/s", exact, value)


def size(value: float | None, reason: str = "Not measured yet") -> Figure:
    """
    >>> [size(b).plain for b in (0, 812, 12_345, 7_502_883)]
    ['0 B', '812 B', '12.3 kB', '7.5 MB']
    """
    if value is None:
        return unknown(reason)
    text, scale = _scaled(value, _SIZES)
    return Figure(text, scale or "B", f"{value:,.0f} bytes", value)


def byte_rate(value: float | None, reason: str = "A rate needs two measurements") -> Figure:
    """
    >>> byte_rate(12_345).plain
    '12.3 kB/s'
    """
    if value is None:
        return unknown(reason)
    text, scale = _scaled(value, _SIZES)
    return Figure(text, f"{scale or 'B'}/s", f"{value:,.0f} bytes per second", value)


def spell_duration(ms: float) -> str:
    """The two largest units, so that it reads at a glance.

    >>> [spell_duration(ms) for ms in (0, 0.256, 83, 1500, 72_000, 7_380_000, 187_200_000)]
    ['0 s', '0.26 ms', '83 ms', '1.5 s', '1 min 12 s', '2 h 3 min', '2 d 4 h']
    """
    if ms < 0.005:
        return "0 s"
    if ms < 0.995:
        return f"{_short(ms)} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 9_950:
        return f"{_short(ms / 1000, 1)} s"
    seconds = round(ms / 1000)
    for size_s, name, inner_s, inner in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size_s:
            rest = seconds % size_s // inner_s
            return f"{seconds // size_s} {name}" + (f" {rest} {inner}" if rest else "")
    return f"{seconds} s"


def duration(ms: float | None, reason: str = "Not measured yet") -> Figure:
    """
    >>> duration(72_000).plain
    '1 min 12 s'
    """
    if ms is None:
        return unknown(reason)
    number, *unit = spell_duration(ms).split()
    if len(unit) > 1:  # "1 min 12 s" is drawn in one size
        return Figure(spell_duration(ms), "", f"{ms:,.0f} milliseconds", ms)
    return Figure(number, unit[0], f"{ms:,.{0 if ms >= 1 else 3}f} milliseconds", ms)


def percent(share: float | None, reason: str = "Not measured yet") -> Figure:
    """
    >>> [percent(s).plain for s in (0, 0.004, 0.1666, 1)]
    ['0 %', '0.4 %', '16.7 %', '100 %']
    """
    if share is None:
        return unknown(reason)
    return Figure(_short(share * 100, 1), "%", f"{share * 100:.3f} %", share)


def ratio(value: float | None, reason: str = "Not measured yet") -> Figure:
    """
    >>> ratio(1.2345).plain
    '1.23 ×'
    """
    if value is None:
        return unknown(reason)
    return Figure(_short(value), "×", f"{value:.4f} times", value)


def clock(ms: int) -> str:
    """
    >>> clock(1_700_000_000_123)
    '22:13:20'
    """
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S")


def moment(ms: int | None, now_ms: int | None = None, reason: str = "Never") -> Figure:
    """A moment as its age when `now_ms` is given, else as a time of day; exact and in UTC on hover."""
    if ms is None:
        return unknown(reason)
    exact = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now_ms is None:
        return Figure(clock(ms), "", exact, ms)
    age_ms = max(0, now_ms - ms) // 1000 * 1000
    return Figure(f"{spell_duration(age_ms)} ago" if age_ms else "now", "", exact, ms)
