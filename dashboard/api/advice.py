"""The advisor: what is wrong, why it is likely so, and what helps."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from dashboard import advice
from dashboard.pages.advisor import shown_key
from dashboard.pages.moments import NoMeasurements
from dashboard.presenters.advice import experiment_href
from streamlab.advisor import Finding

from .door import reads

router = Router(tags=["Advisor"])


class Number(Schema):
    name: str
    value: float | None = Field(description="null: not known")
    unit: str = Field(description="share is 0..1")
    limit: float | None = Field(description="What it was held against; null: it only explains.")


class Lever(Schema):
    says: str
    effect: str = Field(description="What to expect of it.")
    experiment: str = Field(description="Address of the experiment that would show it; empty: none.")


class FindingOut(Schema):
    rule: str = Field(description="Its name in the documentation of the advisor.")
    subject: str = Field(description="group:revenue, client:shop, broker")
    urgency: str = Field(description="now, soon or hint")
    title: str
    symptom: str
    cause: str
    key: str = Field(description="Of the records that the cause speaks of, where one is to blame.")
    not_causes: list[str]
    judged: str = Field(description="The rule, in words, with its limits.")
    numbers: list[Number]
    levers: list[Lever]
    group: str
    topic: str
    since_ms: int
    seen_ms: int


class AdviceOut(Schema):
    as_of_ms: int
    findings: list[FindingOut] = Field(description="What to look at first comes first.")
    looked_at: list[str] = Field(description="What there was to be judged, in sentences.")
    missing: list[str] = Field(description="What could not be judged, and why.")


class FindingQuery(Schema):
    group: str = Field("", max_length=500, description="Only what is about this group.")
    topic: str = Field("", max_length=249)


@router.get("/findings", auth=reads, response=AdviceOut, operation_id="list_findings")
def findings(request: HttpRequest, query: Query[FindingQuery]) -> object:
    """What the advisor finds: symptom, likely cause, numbers, what helps. At most five seconds old."""
    found, why = advice.current()
    if found is None:
        raise NoMeasurements(why)
    return {
        "as_of_ms": found.as_of_ms,
        "findings": [
            _finding(f)
            for f in found.findings
            if query.group in ("", f.group) and query.topic in ("", f.topic)
        ],
        "looked_at": found.looked_at,
        "missing": found.missing,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    same = (name for name in FindingOut.model_fields if name not in ("key", "levers", "numbers"))
    return {
        **{name: getattr(finding, name) for name in same},
        "key": shown_key(finding.topic, finding.record_key).strip("“”") if finding.record_key else "",
        "numbers": [
            {"name": n.name, "value": n.value, "unit": n.unit, "limit": n.limit} for n in finding.numbers
        ],
        "levers": [
            {
                "says": lever.says,
                "effect": lever.effect,
                "experiment": experiment_href(lever.experiment) if lever.experiment else "",
            }
            for lever in finding.levers
        ],
    }
