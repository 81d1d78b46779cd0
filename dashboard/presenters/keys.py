"""The keys behind a skew, and how they would spread over another number of partitions: shares of a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamlab.key_sample import KeySample, SampledKey
from streamlab.metrics.skew import skew

from .figures import Figure, percent, ratio
from .payload import payload
from .words import plural

MOST_KEYS = 12
BAR_PITCH, BAR_HEIGHT = 10, 60
MOST_BARS = 64
"""More partitions than this are summed up in numbers alone."""


@dataclass(frozen=True)
class KeyRow:
    text: str  # as it can be shown
    partition: int
    records: int  # in the sample
    share: Figure  # of the topic
    share_value: float


@dataclass(frozen=True)
class HotKeys:
    rows: list[KeyRow]
    left_out: int  # further keys
    about: str  # what was looked at, as a sentence
    warning: str  # what the sample cannot tell; "" when nothing


def hot_keys(sample: KeySample, shown: Callable[[bytes], str | None]) -> HotKeys:
    """`shown` gives a key's text, or None when rules hide it."""
    rows = [_row(sample, key, shown) for key in sample.keys[:MOST_KEYS]]
    about = (
        f"{plural(len(sample.keys), 'key')} among the newest {plural(sample.records, 'record')} "
        f"of {plural(sample.sampled_partitions, 'partition')}"
    )
    if sample.keyless:
        about += f"; {plural(sample.keyless, 'record')} without a key"
    return HotKeys(rows, max(0, len(sample.keys) - MOST_KEYS), about + ".", _warning(sample))


def _row(sample: KeySample, key: SampledKey, shown: Callable[[bytes], str | None]) -> KeyRow:
    share = sample.share(key)
    text = shown(key.key)
    return KeyRow(
        text="hidden by masking rules" if text is None else text,
        partition=key.partition,
        records=key.records,
        share=percent(share),
        share_value=share,
    )


def as_text(key: bytes) -> str:
    """
    >>> as_text(b"customer-7"), as_text(b"")
    ('customer-7', 'empty')
    """
    return payload(key).line[:80] or "empty"


def _warning(sample: KeySample) -> str:
    if not sample.keys:
        return "None of the sampled records has a key: the producers choose the partition."
    if sample.elsewhere > len(sample.keys) // 10:
        return (
            f"{plural(sample.elsewhere, 'key')} of {len(sample.keys):,} are not where Kafka's partitioner puts them: "
            "another one sent them, or partitions were added since."
        )
    return ""


@dataclass(frozen=True)
class Bar:
    partition: int
    share: Figure
    height: float  # of the tallest, 0..1

    @property
    def x(self) -> int:
        return self.partition * BAR_PITCH + 1

    @property
    def high(self) -> str:
        return f"{max(1.0, self.height * BAR_HEIGHT):.1f}"

    @property
    def y(self) -> str:
        return f"{BAR_HEIGHT - max(1.0, self.height * BAR_HEIGHT):.1f}"


@dataclass(frozen=True)
class Spread:
    """How the sampled keys lie on so many partitions."""

    partitions: int
    max_over_mean: Figure
    variation: Figure
    bars: list[Bar]  # [] for more than can be drawn

    @property
    def width(self) -> int:
        return self.partitions * BAR_PITCH


@dataclass(frozen=True)
class WhatIf:
    asked: int
    now: Spread
    then: Spread
    verdict: str

    @property
    def pair(self) -> tuple[Spread, Spread]:
        return self.now, self.then


def what_if(sample: KeySample, partitions: int) -> WhatIf | None:
    """None when no key was sampled."""
    if not sample.keys:
        return None
    now, then = spread_of(sample.spread(sample.partitions)), spread_of(sample.spread(partitions))
    return WhatIf(partitions, now, then, _verdict(sample, now, then))


def spread_of(amounts: Sequence[float]) -> Spread:
    """Of so many records on each partition."""
    found = skew([round(amount) for amount in amounts])
    whole, most = sum(amounts), max(amounts)
    bars = [
        Bar(n, percent(amount / whole if whole else None), amount / most if most else 0.0)
        for n, amount in enumerate(amounts)
    ]
    why = "One partition cannot be uneven"
    return Spread(
        len(amounts),
        ratio(found.max_over_mean if found else None, why),
        percent(found.variation if found else None, why),
        bars if len(bars) <= MOST_BARS else [],
    )


def _verdict(sample: KeySample, now: Spread, then: Spread) -> str:
    heaviest = sample.share(sample.keys[0])
    if heaviest * then.partitions > 1.5:
        return (
            f"One key alone holds {percent(heaviest).plain}, more than a partition's share of "
            f"{percent(1 / then.partitions).plain}: no number of partitions evens that out."
        )
    before, after = now.max_over_mean.value, then.max_over_mean.value
    if before is None or after is None:
        return "Every key would lie on the one partition."
    if after < before * 0.95:
        return (
            f"Evener: the fullest would hold {ratio(after).plain} the mean instead of {ratio(before).plain}."
        )
    if after > before * 1.05:
        return f"More uneven: the fullest would hold {ratio(after).plain} the mean instead of {ratio(before).plain}."
    return "About as even as now."
