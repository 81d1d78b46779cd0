"""What fires now, for pages that are about something else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from dashboard.presenters.words import Tone

from .models import Firing, Severity

TONES = {Severity.CRITICAL: Tone.BAD, Severity.WARNING: Tone.WARN, Severity.INFO: Tone.NOTE}


@dataclass(frozen=True)
class FiringNow:
    """One alert that fires."""

    number: int
    rule: str
    says: str  # one sentence
    tone: Tone
    severity: str
    since: datetime
    acknowledged: bool
    href: str  # of the alert


def firing_now(most: int = 50) -> list[FiringNow]:
    """The gravest first, then the newest. One query. Call it where the database may be asked (`fresh_connection`)."""
    rank = {severity: place for place, severity in enumerate(Severity)}
    found = list(Firing.objects.filter(cleared_at=None).order_by("-id")[:500])
    return [
        FiringNow(
            firing.pk,
            firing.rule_name,
            firing.opened_says,
            TONES[Severity(firing.severity)],
            firing.severity,
            firing.opened_at,
            firing.acknowledged_at is not None,
            reverse("alert", args=[firing.pk]),
        )
        for firing in sorted(found, key=lambda f: (rank[Severity(f.severity)], -f.pk))[:most]
    ]
