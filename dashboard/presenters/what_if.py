"""What would be, in words, figures and columns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamlab.key_sample import KeySample
from streamlab.what_if import members, partitions, retention
from streamlab.what_if.measured import Each
from streamlab.what_if.members import Load, Outcome

from .columns import Column, Columns
from .figures import Figure, byte_rate, count, percent, rate, ratio, size, spell_duration
from .keys import Spread, spread_of
from .words import Tone, plural

MOST_MOVES = 10
MOST_COLUMNS = 16


@dataclass(frozen=True)
class MoveRow:
    key: str
    before: int
    after: int
    share: Figure


@dataclass(frozen=True)
class PartitionsView:
    tone: Tone
    headline: str
    sentences: Sequence[str]
    pair: tuple[Spread, Spread]
    moves: list[MoveRow]
    more_moves: int
    assumed: Sequence[str]


def of_partitions(sample: KeySample, asked: int, shown: Callable[[bytes], str]) -> PartitionsView | None:
    """`shown` gives what a reader may see of a key. None when no key was sampled."""
    if not sample.keys:
        return None
    found = partitions.with_partitions(sample, asked)
    heaviest = sample.share(sample.keys[0])
    tone, headline = _spread_headline(found, asked, heaviest)
    sentences = []
    if not found.possible:
        sentences.append(f"Partitions are never taken away: {asked} would need a new topic.")
    if found.moves:
        sentences.append(
            f"{plural(len(found.moves), 'key')} of {found.keys:,}, which have "
            f"{percent(found.moving_share).plain} of the "
            "recent records, would go elsewhere: around that moment their new records may be handled before older ones."
        )
    if sample.elsewhere:
        sentences.append(f"{plural(sample.elsewhere, 'key')} were sent by another partitioner, or before partitions "
                         "were added; where those would go is not known.")  # fmt: skip
    return PartitionsView(
        tone,
        headline,
        sentences,
        (spread_of(found.before.amounts), spread_of(found.after.amounts)),
        [
            MoveRow(shown(move.key.key), move.key.partition, move.after, percent(sample.share(move.key)))
            for move in found.moves[:MOST_MOVES]
        ],
        max(0, len(found.moves) - MOST_MOVES),
        (
            f"Keys keep coming as in a sample of the newest {plural(sample.records, 'record')} of "
            f"{plural(sample.sampled_partitions, 'partition')}: {plural(len(sample.keys), 'key')}.",
            "Records without a key spread evenly whatever the number." if sample.keyless else
            "Every sampled record has a key.",
            "What is stored stays where it is; only new records follow the new number.",
        ),
    )  # fmt: skip


def _spread_headline(found: partitions.Partitions, asked: int, heaviest: float) -> tuple[Tone, str]:
    before, after = found.before.max_over_mean, found.after.max_over_mean
    if asked > 1 and heaviest * asked > 1.5:
        return Tone.WARN, (
            f"No number evens this out: one key alone has {percent(heaviest).plain}, a partition's share of "
            f"{asked} would "
            f"be {percent(1 / asked).plain}"
        )
    if after is None:
        return Tone.NOTE, "Every key would lie on the one partition"
    change = f"the fullest partition would hold {ratio(after).plain} the mean"
    if before is None:
        return Tone.OK, f"With {asked}, {change}"
    words = f"{change} instead of {ratio(before).plain}"
    if after < before * 0.95:
        return Tone.OK, f"Evener: {words}"
    if after > before * 1.05:
        return Tone.WARN, f"More uneven: {words}"
    return Tone.NOTE, f"About as even as now: {words}"


@dataclass(frozen=True)
class MembersView:
    tone: Tone
    headline: str
    sentences: Sequence[str]
    columns: Columns | None
    assumed: Sequence[str]


def of_members(loads: Sequence[Load], each: Each, now: int, asked: int) -> MembersView:
    """`now`, `asked`: numbers of members."""
    if each.rate is None or each.rate <= 0:
        return MembersView(Tone.IDLE, "What a member handles is not known", [each.because], None, [])
    most = min(max(len(loads) + 1, asked, now), MOST_COLUMNS, members.MOST_MEMBERS)
    outcomes = members.curve(loads, each.rate, most)
    wanted = members.with_members(loads, each.rate, min(max(1, asked), members.MOST_MEMBERS))
    return MembersView(
        Tone.OK if wanted.keeps_up else Tone.WARN,
        _members_headline(wanted, sum(load.lag for load in loads)),
        _members_sentences(wanted, outcomes, each.rate),
        None
        if all(o.catch_up_s is not None and o.catch_up_s < 1 for o in outcomes)  # nothing to draw
        else _members_columns(outcomes, now, asked),
        (
            f"A member handles {rate(each.rate).plain}. {each.because}",
            f"{rate(wanted.in_rate).plain} come in, as over the last half minute, to the same partitions.",
            "Partitions are shared out by work, as the assignor lag-aware does; others may do it less evenly.",
            "Nothing else becomes the limit: what the handlers call, the server, the machines.",
        ),
    )


def _members_headline(wanted: Outcome, lag: int) -> str:
    who = plural(wanted.members, "member")
    if wanted.catch_up_s is None:
        return f"{who} never catch up" if wanted.members != 1 else f"{who} never catches up"
    keep = "keeps" if wanted.members == 1 else "keep"
    if not lag:
        return f"{who} {keep} up"
    have = "has" if wanted.members == 1 else "have"
    return f"{who} {keep} up, and {have} caught up after {spell_duration(wanted.catch_up_s * 1000)}"


def _members_sentences(wanted: Outcome, outcomes: Sequence[Outcome], each: float) -> list[str]:
    said, least = [], members.least(outcomes)
    if wanted.held_up_by is not None:
        said.append(
            f"Partition {wanted.held_up_by.topic}/{wanted.held_up_by.partition} alone gets more than the "
            f"{rate(each).plain} of one member: no number of members helps it."
        )
    elif least is None:
        said.append("No number does: with a member for each partition they are still too slow.")
    elif least.members < wanted.members:
        said.append(f"{plural(least.members, 'member')} would be enough to keep up.")
    if (plateau := _plateau(outcomes)) is not None:
        said.append(
            f"From {plural(plateau, 'member')} on, more do not make it quicker: the fullest partition decides."
        )
    if wanted.idle:
        said.append(f"{plural(wanted.idle, 'member')} would have no partition to read.")
    return said


def _plateau(outcomes: Sequence[Outcome]) -> int | None:
    """The number of members from which on another one changes nothing; None: each does, or there is nothing to do."""
    if not outcomes or not outcomes[-1].catch_up_s:
        return None
    last = outcomes[-1].catch_up_s
    first = next(o for o in outcomes if o.catch_up_s is not None and o.catch_up_s <= 1.02 * last)
    return first.members if first.members < len(outcomes) - 1 else None


def _members_columns(outcomes: Sequence[Outcome], now: int, asked: int) -> Columns:
    times = [outcome.catch_up_s for outcome in outcomes if outcome.catch_up_s is not None]
    tallest = max(times, default=0.0)
    columns = []
    for outcome in outcomes:
        took = outcome.catch_up_s
        kind = "never" if took is None else "asked" if outcome.members == asked else ""
        if outcome.members == now:
            kind = f"{kind} now".strip()
        text = "never" if took is None else "at once" if took < 1 else _brief(took)
        columns.append(
            Column(
                f"{outcome.members}{' now' if outcome.members == now else ''}",
                text,
                f"{plural(outcome.members, 'member')}: {text}",
                1.0 if took is None else took / tallest if tallest else 0.0,
                kind,
            )
        )
    return Columns("Time to catch up by number of members", columns)


def _brief(seconds: float) -> str:
    """
    >>> [_brief(s) for s in (3.4, 75, 4000, 200_000)]
    ['3 s', '75 s', '67 min', '56 h']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.0f} h"


@dataclass(frozen=True)
class RetentionView:
    tone: Tone
    headline: str
    sentences: Sequence[str]
    columns: Columns
    assumed: Sequence[str]


@dataclass(frozen=True)
class Flow:
    """What comes in to a topic, and how it is kept."""

    rate: float
    byte_rate: float
    size_bytes: int
    partitions: int
    retention_ms: int  # of now; -1: for ever
    retention_bytes: int
    used_bytes: int  # of the server's memory
    limit_bytes: int  # 0: none
    memory_a_byte: float  # of what is stored

    @property
    def full_ms(self) -> int | None:
        """How long records last where retention.bytes removes them; None: it does not."""
        if self.retention_bytes <= 0 or self.byte_rate <= 0:
            return None
        lasts_ms = round(self.retention_bytes * self.partitions / self.byte_rate * 1000)
        return lasts_ms if self.retention_ms < 0 or lasts_ms < self.retention_ms else None

    @property
    def now_ms(self) -> int | None:
        """How long records last now, by what removes them first; None: for ever."""
        return self.full_ms or (self.retention_ms if self.retention_ms > 0 else None)


def of_retention(flow: Flow, asked_ms: int) -> RetentionView:
    kept = retention.with_retention(
        flow.byte_rate, flow.rate, asked_ms, flow.partitions, flow.retention_bytes, flow.memory_a_byte
    )
    room = retention.room(kept, flow.size_bytes, flow.byte_rate, flow.used_bytes, flow.limit_bytes)
    grows = kept.memory_bytes - flow.size_bytes * flow.memory_a_byte
    said = [
        f"{count(kept.records).plain} records; "
        + (f"{size(grows).plain} more than now." if grows >= 0 else f"{size(-grows).plain} less than now.")
    ]
    if flow.full_ms is not None:
        said.append(
            f"Now retention.bytes decides: it removes records after about {spell_duration(flow.full_ms)}, before their "
            "time is over."
        )
    tone = Tone.OK
    if room.full_in_s is not None:
        tone = Tone.BAD
        said.append(
            f"That does not fit: the server's {size(room.limit_bytes).plain} would be full in "
            f"{spell_duration(room.full_in_s * 1000)}, and writes refused."
        )
    elif room.limit_bytes:
        said.append(
            f"The server would use {percent(room.after_bytes / room.limit_bytes).plain} of its limit."
        )
    return RetentionView(
        tone,
        _retention_headline(kept, flow.byte_rate),
        said,
        _retention_columns(flow, asked_ms),
        (
            f"{byte_rate(flow.byte_rate).plain} and {rate(flow.rate).plain} come in, as over the last minutes.",
            f"A stored byte takes {flow.memory_a_byte:.2f} of memory, as what is kept now does; the append-only file "
            "as much again on disk.",
            "Other topics stay as they are.",
            "Retention removes whole batches every 30 s, so a little more is kept.",
        ),
    )


def _retention_headline(kept: retention.Kept, byte_rate: float) -> str:
    memory = f"{size(kept.memory_bytes).plain} of memory"
    if not kept.by_bytes:
        return f"{spell_duration(kept.retention_ms)} of records take {memory}"
    lasts_ms = kept.bytes / byte_rate * 1000  # a limit that bites has something coming in
    return f"retention.bytes keeps {spell_duration(lasts_ms)} at most, which take {memory}"


def _retention_columns(flow: Flow, asked_ms: int) -> Columns:
    now_ms = flow.now_ms
    steps = retention.ladder(now_ms or asked_ms, asked_ms)
    each = [
        retention.with_retention(
            flow.byte_rate, flow.rate, ms, flow.partitions, flow.retention_bytes, flow.memory_a_byte
        )
        for ms in steps
    ]
    tallest = max((kept.memory_bytes for kept in each), default=0.0)
    columns = [
        Column(
            _age(kept.retention_ms) + (" now" if kept.retention_ms == now_ms else ""),
            size(kept.memory_bytes).plain,
            f"{spell_duration(kept.retention_ms)}: {size(kept.memory_bytes).plain}",
            kept.memory_bytes / tallest if tallest else 0.0,
            " ".join(
                kind
                for kind, here in (
                    ("asked", kept.retention_ms == asked_ms),
                    ("now", kept.retention_ms == now_ms),
                )
                if here
            ),
        )
        for kept in each
    ]
    return Columns("Memory by retention", columns)


def _age(ms: int) -> str:
    """
    >>> _age(90_000), _age(3_600_000), _age(604_800_000)
    ('90 s', '60 min', '7 d')
    """
    for unit_ms, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if ms >= 2 * unit_ms:
            return f"{ms / unit_ms:.0f} {name}"
    return f"{ms / 1000:.0f} s"
