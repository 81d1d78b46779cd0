"""What the windows say: effect, confidence interval, verdict. Pure, but for scipy, which is imported when it judges.

The test is Student's paired t-test on neighbouring windows: each round of an experiment has one window of every value,
so whatever drifts from round to round cancels out. It is made on ratios (differences of logarithms), because rates and
latencies vary by shares of themselves: what doubles in each round is sure, however high it was. Means are geometric, so
that theirs is the ratio that was tested. Where something was 0 it is made on plain differences and means.

How much rounds differ by chance is seen better in all values of a sweep than in two. So from `LEAST_POOLED` rounds of
three values on, the spread is what is left of all windows without the means of their rounds and values, with its
degrees of freedom (as in the analysis of variance of randomised blocks). A value may be noisier than the others,
though, the first one above all, with which all are compared: where one of the two is so (`NOISY`), or they differ by
so much more than all do, their own spread counts alone, with the fewer degrees of freedom that it has.

P-values of all measures of all values are corrected together by Holm's method, so that of 100 experiments that change
nothing about 98 say so in every one of their measures, however many values they try (`FAMILY_LEVEL`). An effect smaller
than `SMALLEST` is never called one, however sure it is: nobody would turn a knob for it.

Figures are rounded, percentiles to the buckets of a sketch: rounds that agree to the last digit are no surer than that.
So their spread is never taken to be less than that of rounding (`ROUNDING`).

With fewer than `LEAST_PAIRS` rounds nothing is called detectable: the figures are shown, and it says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import exp, log, sqrt
from statistics import fmean, geometric_mean, stdev
from typing import NamedTuple, TypeVar

import msgspec

from ...metrics.distribution import GAMMA
from .measuring import CARED_FOR, MEASURES, Figures, cared_for

FAMILY_LEVEL = 0.02
CONFIDENCE = 0.95
"""Of the interval that is shown for each effect."""
SMALLEST = 0.02
"""Relative effects below this are none."""
LEAST_PAIRS = 3
LEAST_POOLED = 8
"""With fewer rounds nobody can tell a noisy value from the others."""
NOISY = 1.2
"""Times the spread of all. With these two, 95 of 100 sweeps that change nothing say so, whichever value is noisy."""
ROUNDING = log(GAMMA) / sqrt(6)
"""Standard deviation of the logarithm of a ratio of two figures, each anywhere in a sketch's bucket."""
MOST_TIMES = 1_000.0
"""Intervals end here: three rounds that do not agree may reach to numbers that nobody reads."""


class Verdict(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    NONE = "no detectable change"
    UNKNOWN = "not measured"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What one value did to one measure, against the first value."""

    measure: str
    verdict: Verdict
    baseline: float | None = None  # mean of the first value's windows, geometric where all are above 0
    value: float | None = None  # mean of this value's windows, likewise
    change: float | None = None  # value - baseline
    low: float | None = None  # of the confidence interval of the change
    high: float | None = None
    p: float | None = None  # corrected; None: not tested
    pairs: int = 0

    @property
    def relative(self) -> float | None:
        return self.change / self.baseline if self.change is not None and self.baseline else None


def judge(baseline: Sequence[Figures], *others: Sequence[Figures]) -> list[list[Effect]]:
    """The effects of each other value. `baseline[i]` and `other[i]` are of the same round."""
    spreads = {name: _shared(name, [baseline, *others]) for name in MEASURES}
    found = [
        {
            name: _compared(name, *_pairs(baseline, other, name), _of_two(spreads[name], 0, number))
            for name in MEASURES
        }
        for number, other in enumerate(others, start=1)
    ]
    corrected = holm(
        {(i, name): e.p for i, effects in enumerate(found) for name, e in effects.items() if e.p is not None}
    )
    return [
        [_judged(msgspec.structs.replace(e, p=corrected.get((i, name)))) for name, e in effects.items()]
        for i, effects in enumerate(found)
    ]


class Spread(NamedTuple):
    """How much the logarithm of the ratio of two windows of a round differs by chance."""

    deviation: float
    freedom: int  # degrees of it
    noisy: frozenset[int] = frozenset()  # values that differ more than the others


def _shared(name: str, values: Sequence[Sequence[Figures]]) -> Spread | None:
    """Of all values together, by the rounds that have all of them; None: nothing is known beyond that of each pair.

    >>> rounds = [[{"lag": x * f} for f in (1.0, 2.0, 1.0, 3.0) * 2] for x in (1.0, 3.0, 5.0)]
    >>> _shared("lag", rounds).deviation, _shared("lag", rounds).freedom
    (0.0, 14)
    """
    known = [[figures.get(name) for figures in round_] for round_ in zip(*values, strict=False)]
    rounds = [[log(v) for v in round_ if v is not None and v > 0] for round_ in known]
    rounds = [round_ for round_ in rounds if len(round_) == len(values)]
    if len(values) < 3 or len(rounds) < LEAST_POOLED:
        return None
    of_values = [fmean(column) for column in zip(*rounds, strict=True)]
    whole = fmean(of_values)
    left = [
        [value - fmean(round_) - of_value + whole for value, of_value in zip(round_, of_values, strict=True)]
        for round_ in rounds
    ]
    squares = [sum(x * x for x in column) for column in zip(*left, strict=True)]
    noisy = (i for i, square in enumerate(squares) if square > NOISY**2 * fmean(squares))
    freedom = (len(rounds) - 1) * (len(values) - 1)
    return Spread(round(sqrt(2 * sum(squares) / freedom), 12), freedom, frozenset(noisy))


def _of_two(shared: Spread | None, one: int, other: int) -> Spread | None:
    """What all values tell of these two; None: nothing, as one of them is noisier than the others."""
    return None if shared is None or shared.noisy & {one, other} else shared


def _pairs(
    baseline: Sequence[Figures], other: Sequence[Figures], name: str
) -> tuple[list[float], list[float]]:
    """Of the rounds in which both are known."""
    pairs = [
        (a, b)
        for one, two in zip(baseline, other, strict=False)
        if (a := one.get(name)) is not None and (b := two.get(name)) is not None
    ]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _compared(name: str, a: list[float], b: list[float], shared: Spread | None) -> Effect:
    """Without a verdict yet, p not corrected."""
    if not a:
        return Effect(measure=name, verdict=Verdict.UNKNOWN)
    ratios = min(*a, *b) > 0
    mean_a, mean_b = mean(a, ratios), mean(b, ratios)
    effect = Effect(
        measure=name,
        verdict=Verdict.NONE,
        baseline=mean_a,
        value=mean_b,
        change=mean_b - mean_a,
        pairs=len(a),
    )
    if len(a) < LEAST_PAIRS:
        return effect
    steps = [log(y / x) if ratios else y - x for x, y in zip(a, b, strict=True)]
    low, high, p = _tested(steps, ROUNDING if ratios else ROUNDING * max(*a, *b), shared if ratios else None)
    if ratios:
        low, high = (mean_a * (exp(min(step, log(MOST_TIMES))) - 1) for step in (low, high))
    return msgspec.structs.replace(effect, low=low, high=high, p=p)


def mean(values: Sequence[float], ratios: bool | None = None) -> float:
    """Geometric; plain where a value is not positive, or `ratios` says so.

    >>> round(mean([100.0, 400.0])), mean([0.0, 400.0])
    (200, 200.0)
    """
    if min(values) > 0 if ratios is None else ratios:
        return geometric_mean(values)
    return fmean(values)


def _tested(steps: list[float], rounding: float, shared: Spread | None) -> tuple[float, float, float]:
    """Interval of their mean, and how likely such a one would be by chance, were it 0."""
    spread = Spread(max(stdev(steps), rounding), len(steps) - 1)
    if shared is not None and spread.deviation <= NOISY * shared.deviation:
        spread = Spread(max(spread.deviation, shared.deviation), shared.freedom)
    middle, error = fmean(steps), spread.deviation / sqrt(len(steps))
    if not error:
        return middle, middle, 1.0  # nothing but zeros
    from scipy import special  # Student's distribution, and the inverse of it

    reach = float(special.stdtrit(spread.freedom, (1 + CONFIDENCE) / 2)) * error
    return middle - reach, middle + reach, 2 * float(special.stdtr(spread.freedom, -abs(middle) / error))


def _judged(effect: Effect) -> Effect:
    if effect.p is None or effect.p >= FAMILY_LEVEL or not effect.change:
        return effect
    if effect.baseline and abs(effect.change / effect.baseline) < SMALLEST:
        return effect
    good = (effect.change > 0) == MEASURES[effect.measure].more_is_better
    return msgspec.structs.replace(effect, verdict=Verdict.BETTER if good else Verdict.WORSE)


Name = TypeVar("Name")


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Corrected p-values (Holm, 1979): the smallest times their number, the next times one less, never falling.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    corrected, least = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        least = max(least, min(1.0, p_values[name] * (len(p_values) - rank)))
        corrected[name] = round(least, 12)
    return corrected


def holds(effect: Effect) -> bool:
    """Whether it is certain that something changed."""
    return effect.verdict in (Verdict.BETTER, Verdict.WORSE)


def leans(effect: Effect) -> bool:
    """Whether its interval alone excludes no change, which among so many figures is no verdict.

    Intervals are of one figure each, verdicts are corrected for all: one interval in 20 does so by chance.
    """
    if effect.verdict is not Verdict.NONE or effect.p is None or effect.p < FAMILY_LEVEL:
        return False
    return effect.low is not None and effect.high is not None and effect.low * effect.high > 0


def words(effects: Sequence[Effect]) -> str:
    """A few sentences: what was gained of what users feel, what that cost, and what else changed."""
    verdict, rest = told_apart(effects)
    return " ".join([verdict, *rest])


def told_apart(effects: Sequence[Effect]) -> tuple[str, list[str]]:
    """The verdict on what users feel, and the sentences after it."""
    if not any(holds(effect) for effect in effects):
        if all(e.pairs < LEAST_PAIRS for e in effects):
            return f"Too few rounds were measured to say anything: {LEAST_PAIRS} are the least.", []
        return "No detectable change.", []
    felt = [effect for effect in effects if cared_for(effect.measure)]
    better = _chief([e for e in felt if e.verdict is Verdict.BETTER])
    worse = _chief([e for e in felt if e.verdict is Verdict.WORSE])
    open_ = _chief([e for e in felt if leans(e)])
    others = _chief([e for e in effects if holds(e) and e not in felt])
    verdict, rest = [], []
    for title, found in (("Better", better), ("Paid with" if better else "Worse", worse)):
        if found:
            verdict.append(f"{title}: {', '.join(_told(e) for e in found)}.")
    if open_:
        rest.append(f"Not certain: {', '.join(label(e.measure) for e in open_)}; more rounds decide.")
    if others:
        rest.append(f"What else changed: {', '.join(_told(e) for e in others)}.")
    return " ".join(verdict) or "No detectable change of throughput, latency or lag.", rest


def _chief(effects: Sequence[Effect]) -> list[Effect]:
    """In the order of `CARED_FOR`; of several percentiles of the same latency the highest speaks for all."""
    found = {effect.measure.partition("_p")[0]: effect for effect in effects}
    ranks = {start: rank for rank, start in enumerate(CARED_FOR)}

    def rank(effect: Effect) -> int:
        return next((n for start, n in ranks.items() if effect.measure.startswith(start)), len(ranks))

    return sorted(found.values(), key=rank)


def label(name: str) -> str:
    """Of a measure, within a sentence.

    >>> label("rate_in"), label("server_cpu")
    ('throughput in', 'CPU of the server')
    """
    text = MEASURES[name].label
    return text[0].lower() + text[1:] if text[1].islower() else text


def _told(effect: Effect) -> str:
    name, relative = label(effect.measure), effect.relative
    if relative is None:
        return f"{name} {effect.change:+.3g} {MEASURES[effect.measure].unit}"
    assert effect.baseline is not None and effect.low is not None and effect.high is not None
    low, high = sorted((effect.low / effect.baseline, effect.high / effect.baseline))
    if relative > 2:  # "+3900 %" says less than "40 times"
        return (
            f"{name} {1 + relative:.1f} times as high (95 % interval {1 + low:.1f} to {1 + high:.1f} times)"
        )
    return f"{name} {_percent(relative)} (95 % interval {_percent(low)} to {_percent(high)})"


def _percent(share: float) -> str:
    """
    >>> _percent(0.124), _percent(-0.5)
    ('+12 %', '−50 %')
    """
    return f"{share * 100:+.0f} %".replace("-", "−")
