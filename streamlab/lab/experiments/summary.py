"""What an experiment found of what users feel, in a line: for lists, where whole verdicts have no room."""

from __future__ import annotations

from ...configs.settings import as_text
from .judging import Effect, Verdict, holds, label, told_apart
from .measuring import cared_for
from .notes import Outcome
from .reach import enough_rounds


def said(outcome: Outcome) -> str:
    """ "" when nothing was compared."""
    if not outcome.effects:
        return ""
    if too_few(outcome):
        return "Too few rounds to tell whether throughput, latency or lag changed."
    if len(outcome.effects) == 1:
        return told_apart(outcome.effects[0])[0]
    return certain(outcome) or "No detectable change of throughput, latency or lag."


def certain(outcome: Outcome) -> str:
    """Of a sweep: "Certain against 1: throughput better with 10 and 500, worse with 2; time behind worse with 500."

    "" where nothing is.
    """
    first, *others = ["unset" if value is None else as_text(value) for value in outcome.plan.values]
    found: dict[str, dict[Verdict, list[str]]] = {}
    for value, effects in zip(others, outcome.effects, strict=False):
        for effect in felt(effects):
            of_kind = found.setdefault(_kind(effect.measure), {})
            of_kind.setdefault(effect.verdict, []).append(value)
    told = [
        f"{kind} {', '.join(f'{verdict.value} with {_listed(values)}' for verdict, values in of_kind.items())}"
        for kind, of_kind in found.items()
    ]
    return f"Certain against {first}: {'; '.join(told)}." if told else ""


def felt(effects: list[Effect]) -> list[Effect]:
    """Verdicts on what users feel, one of a kind: throughput in and out are one, as are percentiles of a latency."""
    found = {(_kind(e.measure), e.verdict): e for e in effects if holds(e) and cared_for(e.measure)}
    return list(found.values())


def too_few(outcome: Outcome) -> bool:
    """Whether nothing that users feel changed for certain, and so few rounds would hardly have shown it."""
    rounds = max((e.pairs for effects in outcome.effects for e in effects), default=0)
    found = any(felt(effects) for effects in outcome.effects)
    return not found and rounds < enough_rounds(len(outcome.plan.values))


def _kind(measure: str) -> str:
    """What stands for all measures of its kind in a line.

    >>> _kind("rate_in"), _kind("e2e_p99")
    ('throughput', 'end-to-end latency')
    """
    return "throughput" if measure.startswith("rate_") else label(measure).partition(", p")[0]


def _listed(values: list[str]) -> str:
    """
    >>> _listed(["1"]), _listed(["1", "10", "500"])
    ('1', '1, 10 and 500')
    """
    *most, last = values
    return f"{', '.join(most)} and {last}" if most else last
