"""Numbers in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float) -> str:
    """Three digits are enough for a sentence.

    >>> [number(v) for v in (0.034, 2.5, 12.34, 1234.5, 2_500_000)]
    ['0.03', '2.5', '12.3', '1,234', '2,500,000']
    """
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rate(per_s: float, noun: str = "records") -> str:
    """
    >>> rate(60), rate(0.5, "batches")
    ('60 records/s', '0.5 batches/s')
    """
    return f"{number(per_s)} {noun}/s"


def time(ms: float) -> str:
    """
    >>> [time(ms) for ms in (0.4, 25, 1500, 90_000, 7_200_000, 200_000_000)]
    ['0.4 ms', '25 ms', '1.5 s', '1 min 30 s', '2 h', '2 d 7 h']
    """
    if ms < 999.5:
        return f"{number(ms)} ms"
    if ms < 59_950:
        return f"{number(round(ms / 1000, 1))} s"
    seconds = round(ms / 1000)
    units = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
    size_s, name, inner_s, inner = next(unit for unit in units if seconds >= unit[0])
    rest = seconds % size_s // inner_s
    return f"{seconds // size_s} {name}" + (f" {rest} {inner}" if rest else "")


def size(count: float) -> str:
    """
    >>> size(812), size(16_384), size(7_500_000)
    ('812 B', '16.4 kB', '7.5 MB')
    """
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= scale:
            return f"{number(count / scale)} {unit}"
    return f"{number(count)} B"


def percent(share: float) -> str:
    """
    >>> percent(0.153), percent(1), percent(0.004)
    ('15 %', '100 %', '0.4 %')
    """
    return f"{number(round(100 * share, 0 if share >= 0.1 else 1))} %"


def many(n: int, noun: str, plural: str = "") -> str:
    """
    >>> many(1, "member"), many(3, "member"), many(0, "entry", "entries")
    ('1 member', '3 members', '0 entries')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a', 'a and b', 'a, b, c and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
