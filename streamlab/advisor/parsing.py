"""From what the server answers to what rules speak of."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import sqrt
from typing import Any

import msgspec

from ..configs.store import Change
from ..delivery.dead_letter_topics import Source
from ..delivery.letter_headers import CONNECT_CLASS, SPRING_CLASS
from ..errors import StreamlabError
from ..groups.rebalances import Rebalance
from ..log import parse_entry, records_of
from ..metrics.history import Series
from ..metrics.snapshot import Snapshot, decode
from ..model import TopicPartition
from ..schemas import entries
from ..schemas.model import Version
from ..schemas.store import SCHEMAS_TOPIC
from ..server_defaults import server_defaults
from ..topics import TopicSpec
from .onset import Failed
from .world import Happened, Kept, Letters

CALM_S, SETTLES_S, GAP_S = 10, 30, 3
SURE = 3.0
"""By so many standard deviations of counts that come by chance."""
RISES_S = 10
"""What takes longer than this to rise is no burst: a shop's morning takes minutes."""
LETTERS_A_BATCH = 20
LAB, EXPERIMENT = "lab", "experiment"
"""By whom an experiment changes settings, and what its reasons say."""

_change = msgspec.json.Decoder(Change)
_rebalance = msgspec.json.Decoder(Rebalance)
_source = msgspec.json.Decoder(Source)
_spec = msgspec.json.Decoder(TopicSpec)


class NothingMeasured(Exception):
    """Raised when there is no fresh snapshot to judge. Its text says why and what to do."""


def snapshot_of(stored: bytes | None) -> Snapshot:
    """Raises NothingMeasured."""
    if stored is None:
        raise NothingMeasured("Nothing was measured for a minute. Is the sampler running?")
    try:
        return decode(stored)
    except msgspec.DecodeError as error:
        raise NothingMeasured("The sampler is of another version of Streamlab than this.") from error


def _pairs(reply: Any) -> Iterable[tuple[bytes, bytes]]:
    return reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)


def letter_topics(reply: Any, snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    """Topics of dead letters that exist, with the topic and the group that they are of."""
    found = {}
    for name, text in _pairs(reply):
        if name.decode() in snapshot.topics:
            source = _source.decode(text)
            found[name.decode()] = source.topic, source.group
    return found


def retentions(topics: Any, defaults: Any) -> dict[str, Kept]:
    """Of topics whose old records are removed."""
    of_server = server_defaults(_pairs(defaults)).configs
    found = {}
    for name, text in _pairs(topics):
        spec = _spec.decode(text)
        if "delete" not in str(spec.configs.get("cleanup.policy", of_server.get("cleanup.policy", "delete"))):
            continue
        ms, size = (
            spec.configs.get(setting, of_server.get(setting, spec.config(setting)))
            for setting in ("retention.ms", "retention.bytes")
        )
        found[name.decode()] = Kept(int(ms), int(size))
    return found


def changes_since(reply: Sequence[Any], oldest_ms: int) -> list[Happened]:
    """Changes of settings, newest first; not those of an experiment, which tries values and puts them back."""
    found = []
    for _, fields in reply:
        fields = fields if isinstance(fields, Mapping) else dict(zip(fields[::2], fields[1::2], strict=True))
        change = _change.decode(fields[b"data"])
        if change.at_ms < oldest_ms:
            break
        if change.by == LAB and EXPERIMENT in (change.reason or ""):
            continue
        entity = f"{change.entity_type}:{change.entity}" if change.entity else change.entity_type
        of = f"{change.entity_type} {change.entity}".strip()
        before, after = (_quoted(v) for v in (change.before, change.after))
        says = f"{change.name} of {of} from {before} to {after}"
        found.append(Happened(change.at_ms, entity, says, change.by or ""))
    return found


def _quoted(value: str | None) -> str:
    return "its default" if value is None else value


def registered(item: Any) -> list[Happened]:
    """Versions of schemas that an entry of the registry's topic holds."""
    try:
        records = records_of(TopicPartition(SCHEMAS_TOPIC, 0), parse_entry(item))
        facts = [entries.decode(record.key, record.value)[1] for record in records]
    except (StreamlabError, msgspec.MsgspecError):
        return []
    return [
        Happened(
            fact.registered_ms, f"schema:{fact.subject}", f"version {fact.version} of schema {fact.subject}"
        )
        for fact in facts
        if isinstance(fact, Version) and not fact.deleted
    ]


def rebalanced(reply: Sequence[Any]) -> list[Rebalance]:
    """From entries of a group's outbox, newest first."""
    found = []
    for _, fields in reply:
        fields = fields if isinstance(fields, Mapping) else dict(zip(fields[::2], fields[1::2], strict=True))
        if fields[b"type"] == b"group.rebalanced":
            found.append(_rebalance.decode(fields[b"data"]))
    return found


def sample_of(name: str, numbers: Sequence[int], replies: Sequence[Any]) -> Letters:
    """What the newest dead letters of a topic died of."""
    reasons: Counter[str] = Counter()
    for number, raw in zip(numbers, replies, strict=True):
        for item in raw:
            try:
                records = records_of(TopicPartition(name, number), parse_entry(item))
            except StreamlabError:
                continue
            for record in records[-LETTERS_A_BATCH:]:
                headers = dict(record.headers)
                reason = headers.get(SPRING_CLASS) or headers.get(CONNECT_CLASS) or b"an unknown reason"
                reasons[reason.decode("utf-8", "replace").rpartition(".")[2][:80]] += 1
    return Letters(sum(reasons.values()), reasons.most_common(3))


def deaths_by_second(letters: Series, topic: Series) -> list[Failed]:
    """How many letters came in. A second in which the topic itself was not measured says nothing; the topic of letters
    has no history before the first of them.

    >>> deaths_by_second({"t": [2_000], "rate": [3.0]}, {"t": [1_000, 2_000], "rate": [None, 9.0]})
    [Failed(from_ms=0, until_ms=2000, of=0.0, failed=0.0), Failed(from_ms=1000, until_ms=3000, of=1.0, failed=3.0)]
    """
    died = dict(zip(letters["t"], letters["rate"], strict=True))
    found = []
    for at_ms, measured in zip(topic["t"], topic["rate"], strict=True):
        assert at_ms is not None
        began_ms = int(at_ms) - 1_000  # a rate is that since the tick before
        of = 0.0 if measured is None else 1.0
        found.append(Failed(began_ms, began_ms + 2_000, of, died.get(at_ms) or 0.0))
    return found


def calm_rate(rates: Sequence[float | None], times: float) -> float | None:
    """The least that came in a second in ten neighbouring ones after which, within RISES_S, ten seconds followed with
    so many times as much; None: nothing came in for so long, or nothing rose so fast.

    A few records a second come by chance, now three and now eight: what is not more than chance makes of it is no rise.

    Half a minute on both sides of a gap, of seconds in which nothing came in, and at the beginning is left out:
    somebody began, paused or restarted there, and came to speed by and by, which is not calm. A second or two alone
    are no gap; they and their neighbours, which may not be whole, only count for nothing.

    >>> calm_rate([None, *[0.0] * 20, *[25.0] * 29, *[40.0] * 12, 220.0, *[400.0] * 30], 2.5)
    40.0

    Who restarts, and what rises over minutes, bursts not:

    >>> calm_rate([60.0] * 60 + [9.0] * 12 + [0.0] * 8 + [7.0] * 15 + [60.0] * 50, 2.5)
    >>> calm_rate([10.0 + second for second in range(300)], 2.5)
    """
    calm: list[float] = []
    for first, last in _between_gaps(rates):
        part = rates[first:last] if last > first else []
        settled = [b for a, b, c in zip(part, part[1:], part[2:], strict=False) if a and b and c]
        counts = [sum(settled[i : i + CALM_S]) for i in range(len(settled) - CALM_S + 1)]
        for i, before in enumerate(counts):
            after = max(counts[i + CALM_S : i + CALM_S + RISES_S + 1], default=0.0)
            if after - times * before >= SURE * sqrt(after + times**2 * before):
                calm.append(before / CALM_S)
    return min(calm, default=None)


def _between_gaps(rates: Sequence[float | None]) -> Iterator[tuple[int, int]]:
    """(first second, the one behind the last) of what is SETTLES_S or more from every gap; the beginning is one."""
    begins, at = SETTLES_S, 0
    for nothing, run in itertools.groupby(rates, key=lambda rate: not rate):
        seconds = len(list(run))
        if nothing and seconds >= GAP_S:
            yield begins, at - SETTLES_S
            begins = at + seconds + SETTLES_S
        at += seconds
    yield begins, at
