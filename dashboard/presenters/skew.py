"""How evenly a topic's records spread over its partitions, in a word, a sentence and numbers."""

from __future__ import annotations

from streamlab.metrics.snapshot import Skew, TopicSnapshot

from .figures import ratio
from .words import Status, Tone, listed, plural

EVEN_BELOW = 1.10
"""max / mean up to here is as even as hashing gets (the balance threshold that Cruise Control uses)."""
UNEVEN_FROM = 1.5
ENOUGH_RECORDS_A_PARTITION = 20
"""With fewer, chance alone spreads records so unevenly that the word would mean nothing."""


def in_a_word(topic: TopicSnapshot) -> Status:
    """even, slight, uneven or hot, with the numbers as the reason."""
    skew = topic.skew
    if skew is None:
        why = "One partition cannot be uneven" if len(topic.partitions) < 2 else "Nothing is stored"
        return Status("—", Tone.IDLE, why)
    if not skew.hot and topic.records < ENOUGH_RECORDS_A_PARTITION * len(topic.partitions):
        return Status(
            "too few", Tone.IDLE, f"{plural(topic.records, 'record')} tell nothing yet. {sentence(topic)}"
        )
    return Status(_word(skew), _tone(skew), sentence(topic))


def _word(skew: Skew) -> str:
    if skew.hot:
        return "hot"
    if skew.max_over_mean < EVEN_BELOW:
        return "even"
    return "slight" if skew.max_over_mean < UNEVEN_FROM else "uneven"


def _tone(skew: Skew) -> Tone:
    if skew.hot or skew.max_over_mean >= UNEVEN_FROM:
        return Tone.WARN
    return Tone.OK


def sentence(topic: TopicSnapshot) -> str:
    """What a tooltip or a screen reader says about the spread."""
    skew = topic.skew
    if skew is None:
        return in_a_word(topic).why
    fullest = max(topic.partitions, key=lambda p: p.log_end - p.log_start)
    text = f"Partition {fullest.partition} keeps {ratio(skew.max_over_mean).plain} the mean"
    if skew.hot:
        text += f"; hot, far above the others: {listed([str(p) for p in skew.hot])}"
    return text
