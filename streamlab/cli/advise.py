"""`streamlab advise`: the advisor's findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import FAILED
from .options import Json, Url, broker_at
from .output import duration, note, print_json, safe

if TYPE_CHECKING:
    from ..advisor import Finding, Number


def advise(
    url: Url = None,
    json: Json = False,
    group: Annotated[str, typer.Option(help="Only what is about this group.")] = "",
    topic: Annotated[str, typer.Option(help="Only what is about this topic.")] = "",
) -> None:
    """What is wrong, why it is likely so, what is not the reason, and what helps."""
    from .. import advisor

    with broker_at(url) as broker:
        try:
            advice = advisor.advise(broker.connection)
        except advisor.NothingMeasured as reason:
            note(f"{reason} Start one: streamlab sampler")
            raise typer.Exit(FAILED) from None
    found = [f for f in advice.findings if group in ("", f.group) and topic in ("", f.topic)]
    if json:
        import msgspec

        for finding in found:
            print_json(msgspec.to_builtins(finding))
    else:
        for finding in found:
            _show(finding, advice.as_of_ms)
        if not found:
            print("Nothing to advise. What was looked at:\n")
            for sentence in advice.looked_at:
                print(f"  {safe(sentence)}")
    for sentence in advice.missing:
        note(sentence)


def _show(finding: Finding, now_ms: int) -> None:
    since = duration(max(0, now_ms - finding.since_ms))
    print(f"{finding.urgency.upper():5} {safe(finding.title)}   ({finding.rule}, for {since})")
    print(f"      {safe(finding.symptom)}")
    key = f" It is {safe(finding.record_key)}." if finding.record_key else ""
    print(f"      Likely cause: {safe(finding.cause)}{key}")
    for sentence in finding.not_causes:
        print(f"      {safe(sentence)}")
    for lever in finding.levers:
        print(f"      + {safe(lever.says)}: {safe(lever.effect)}")
    print(f"      {'; '.join(_number(number) for number in finding.numbers)}\n")


def _number(number: Number) -> str:
    """
    >>> from streamlab.advisor import Number
    >>> _number(Number("behind", 12.34, "s", 8)), _number(Number("share", None, "share"))
    ('behind 12.3 s (limit 8 s)', 'share -')
    >>> _number(Number("members", 1, "members"))
    'members 1'
    """
    unit = number.shown_unit
    limit = "" if number.limit is None else f" (limit {_amount(number.limit, unit)})"
    return f"{safe(number.name)} {_amount(number.value, unit)}{limit}"


def _amount(value: float | None, unit: str) -> str:
    from ..advisor import words

    if value is None:
        return "-"
    if unit == "share":
        return words.percent(value)
    if unit in ("ms", "s"):
        return words.time(value * (1000 if unit == "s" else 1))
    return words.size(value) if unit == "bytes" else f"{words.number(value)} {unit}".rstrip()
