"""What a value did, measure by measure: figures, the interval as a bar, better or worse; and a dot for each window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.operations.kinds.experiment import shown
from streamlab.lab.experiments.judging import LEAST_PAIRS, LEAST_POOLED, Effect, Verdict, holds, leans, mean
from streamlab.lab.experiments.measuring import MEASURES, cared_for
from streamlab.lab.experiments.notes import Outcome

from .figures import DASH, Figure
from .plot import Tick, figure, from_zero
from .words import Status, Tone

TONES = {
    Verdict.BETTER: Tone.OK,
    Verdict.WORSE: Tone.BAD,
    Verdict.NONE: Tone.IDLE,
    Verdict.UNKNOWN: Tone.IDLE,
}
BAR_WIDTH, BAR_HEIGHT = 160.0, 18.0
WIDEST = math.log(8)
"""The bar reaches from an eighth to eight times."""
CHIEF = (
    "rate_in",
    "rate_out",
    "e2e_p99",
    "request_p99",
    "lag_ms",
    "batch_records",
    "record_bytes",
    "server_cpu",
)
"""What is shown where there is no room for all."""


@dataclass(frozen=True)
class Bar:
    """An interval around no change; places within `BAR_WIDTH`, in equal steps of a factor."""

    low: str
    width: str
    at: str
    title: str


@dataclass(frozen=True)
class EffectRow:
    name: str
    label: str
    baseline: Figure
    value: Figure
    change: str  # "+12 %", "3.2 ×"; "—" where nothing can be said
    interval: str  # "+8 % to +15 %"
    bar: Bar | None
    status: Status
    p: str


def row(effect: Effect) -> EffectRow:
    measure = MEASURES[effect.measure]
    why = "Not measured in these windows"
    p = (
        ""
        if effect.p is None
        else f"corrected p {effect.p:.3f}"
        if effect.p >= 0.001
        else "corrected p < 0.001"
    )
    return EffectRow(
        name=effect.measure,
        label=measure.label,
        baseline=figure(effect.baseline, measure.unit, why),
        value=figure(effect.value, measure.unit, why),
        change=_change(effect),
        interval=_interval(effect),
        bar=_bar(effect),
        status=_status(effect, p),
        p=p,
    )


def _status(effect: Effect, why: str) -> Status:
    """Of what users do not feel it is said that it changed, not that it is better."""
    if leans(effect):
        return Status("not certain", Tone.IDLE, why)
    if holds(effect) and not cared_for(effect.measure):
        return Status("changed", Tone.NOTE, why)
    if effect.verdict is Verdict.NONE and effect.pairs < LEAST_PAIRS:
        return Status("too few rounds", Tone.IDLE, f"{LEAST_PAIRS} are the least")
    return Status(effect.verdict.value, TONES[effect.verdict], why)


def about_intervals(outcome: Outcome, chosen: int) -> str:
    """Why an interval of this value excludes no change where there is no verdict; "" where none does."""
    tested = [effect for effects in outcome.effects for effect in effects if effect.p is not None]
    if len(outcome.effects) < chosen or not any(leans(effect) for effect in outcome.effects[chosen - 1]):
        return ""
    return (
        "Not certain: the interval alone excludes no change, but one in 20 does so by chance, and "
        f"{len(tested)} figures were compared. More rounds decide."
    )


def pooled(outcome: Outcome) -> bool:
    """Whether chance was judged by all values together."""
    rounds = max((effect.pairs for effects in outcome.effects for effect in effects), default=0)
    return len(outcome.plan.values) > 2 and rounds >= LEAST_POOLED


def told(share: float) -> str:
    """A relative change.

    >>> told(0.124), told(-0.5), told(3.2), told(0.004)
    ('+12 %', '−50 %', '4.2 ×', '+0.4 %')
    """
    if share > 2:
        return f"{1 + share:.1f} ×"
    text = f"{share * 100:+.0f}" if abs(share) >= 0.01 else f"{share * 100:+.1f}"
    return f"{text.replace('-', '−')} %"


def _change(effect: Effect) -> str:
    if effect.relative is not None:
        return f"{_times(effect.relative)} ×" if _in_times(effect) else told(effect.relative)
    return DASH if effect.change is None else f"{effect.change:+.3g}"


def _relative(effect: Effect) -> tuple[float, float] | None:
    if effect.low is None or effect.high is None or not effect.baseline:
        return None
    low, high = sorted((effect.low / effect.baseline, effect.high / effect.baseline))
    return max(-1.0, low), high  # nothing that is measured is below 0


def _interval(effect: Effect) -> str:
    """Both ends in one unit."""
    found = _relative(effect)
    if found is None:
        return DASH
    if _in_times(effect):
        return f"{_times(found[0])} to {_times(found[1])} ×"
    return f"{told(found[0])} to {told(found[1])}"


def _in_times(effect: Effect) -> bool:
    """Whether change and interval are told as factors: where shares would be of hundreds of percent."""
    found = _relative(effect)
    return max(effect.relative or 0, found[1] if found else 0) > 2


def _times(share: float) -> str:
    """
    >>> _times(1.984), _times(40), _times(-0.5)
    ('2.98', '41.0', '0.50')
    """
    factor = 1 + share
    return f"{factor:.2f}" if factor < 10 else f"{factor:,.1f}"


def _bar(effect: Effect) -> Bar | None:
    found, middle = _relative(effect), effect.relative
    if found is None or middle is None:
        return None
    low, high = _place(found[0]), _place(found[1])
    return Bar(f"{low:.1f}", f"{max(2.0, high - low):.1f}", f"{_place(middle):.1f}", _interval(effect))


def _place(share: float) -> float:
    """
    >>> _place(0.0), _place(7.0), _place(-1.5)
    (80.0, 160.0, 0.0)
    """
    times = math.log(max(1 + share, 1e-6))
    return BAR_WIDTH * (0.5 + 0.5 * max(-1.0, min(1.0, times / WIDEST)))


# -- all values beside each other ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    figure: Figure
    change: str
    status: Status | None  # None: what the others are compared with, or nothing to say


@dataclass(frozen=True)
class ValueRow:
    index: int
    label: str
    slot: int
    tags: list[str]
    cells: list[Cell]


def measured(outcome: Outcome) -> list[str]:
    """Chief measures that at least one window has."""
    return [name for name in CHIEF if any(run.figures.get(name) is not None for run in outcome.runs)]


def means(outcome: Outcome, name: str, index: int) -> float | None:
    """Of the windows of one value: geometric where no window of any was 0, as those that are judged are."""
    found = [(run.value, value) for run in outcome.runs if (value := run.figures.get(name)) is not None]
    own = [value for of, value in found if of == index]
    return mean(own, ratios=min(value for _, value in found) > 0) if own else None


def value_rows(outcome: Outcome, best: Sequence[int] = ()) -> list[ValueRow]:
    """`best`: numbers of the values on the frontier."""
    rows, names = [], measured(outcome)
    for index, value in enumerate(outcome.plan.values):
        effects = (
            {e.measure: e for e in outcome.effects[index - 1]} if 0 < index <= len(outcome.effects) else {}
        )
        tags = ["compared with"] if index == 0 else []
        tags += ["today"] if outcome.is_todays(value) else []
        tags += ["frontier"] if index in best else []
        cells = [_cell(outcome, name, index, effects.get(name)) for name in names]
        rows.append(ValueRow(index, shown(value), index % 8, tags, cells))
    return rows


def _cell(outcome: Outcome, name: str, index: int, effect: Effect | None) -> Cell:
    found = figure(means(outcome, name, index), MEASURES[name].unit, "Not measured yet")
    if effect is None or not holds(effect):
        return Cell(found, "", None)
    return Cell(found, _change(effect), _status(effect, _interval(effect)))


# -- a dot for each window -------------------------------------------------------------------------------------------

DOTS_WIDTH, DOTS_HEIGHT = 320.0, 150.0
DOTS_LEFT, DOTS_TOP, DOTS_BASE = 52.0, 10.0, 126.0


@dataclass(frozen=True)
class WindowDot:
    x: str
    y: str
    slot: int
    title: str


@dataclass(frozen=True)
class MeanLine:
    y: str
    slot: int


@dataclass(frozen=True)
class DotChart:
    name: str
    label: str
    dots: list[WindowDot]
    means: list[MeanLine]
    ticks: list[Tick]
    rounds: list[Tick]

    width, height, left, base = DOTS_WIDTH, DOTS_HEIGHT, DOTS_LEFT, DOTS_BASE


def dot_charts(outcome: Outcome) -> list[DotChart]:
    return [_dot_chart(outcome, name) for name in measured(outcome)]


def _dot_chart(outcome: Outcome, name: str) -> DotChart:
    measure, plan = MEASURES[name], outcome.plan
    known = [(n, run, run.figures.get(name)) for n, run in enumerate(outcome.runs)]
    y = from_zero([value for _, _, value in known if value is not None], DOTS_BASE, DOTS_TOP)
    each = len(plan.values)
    room = (DOTS_WIDTH - DOTS_LEFT - 8) / plan.repetitions

    def x(number: int, value: int) -> float:
        """A round's windows stand beside each other, by value."""
        return DOTS_LEFT + room * (number // each + (value + 0.75) / (each + 0.5))

    dots = [
        WindowDot(
            f"{x(n, run.value):.1f}",
            f"{y.at(value):.1f}",
            run.value % 8,
            f"Round {n // each + 1}, {shown(plan.values[run.value])}: {figure(value, measure.unit).plain}",
        )
        for n, run, value in known
        if value is not None
    ]
    averages = [(i, means(outcome, name, i)) for i in range(each)]
    return DotChart(
        name=name,
        label=measure.label,
        dots=dots,
        means=[MeanLine(f"{y.at(v):.1f}", i % 8) for i, v in averages if v is not None],
        ticks=[Tick(f"{y.at(v):.1f}", figure(v, measure.unit).plain) for v in y.ticks(3)],
        rounds=[
            Tick(f"{DOTS_LEFT + room * (n + 0.5):.1f}", str(n + 1))
            for n in range(plan.repetitions)
            if plan.repetitions <= 10 or n % 5 == 4 or n == 0
        ],
    )
