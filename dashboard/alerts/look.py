"""One look: read the world, judge every rule, and write down what changed together with whom it must be told.

Every change of a subject is one write that names what it expects to find, so of two that look at once exactly one
opens an alert, and only that one leaves notices. Alert and notices are one transaction: after a kill at any moment
there is both or neither.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import DatabaseError, transaction

from . import notices
from .conditions import CONDITIONS, Condition, Reading, seen
from .gather import Gatherer
from .judge import Change, Event, Hold, Phase, State, judge
from .models import Firing, Rule, Watched
from .world import World

log = logging.getLogger(__name__)


@dataclass
class Looked:
    """What came of a look."""

    opened: list[Firing] = field(default_factory=list)
    cleared: list[Firing] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)  # what could not be seen


def look(gatherer: Gatherer, *, unbroken: bool = True) -> Looked:
    """`unbroken` False: nobody looked for a while. Raises DatabaseError; then the next look finds the same again."""
    rules = list(Rule.objects.filter(enabled=True, condition__in=CONDITIONS).prefetch_related("channels"))
    looked = Looked()
    if not rules:
        return looked
    world, looked.trouble = gatherer.look(rules)
    now = at(world.now_ms)
    _announce_after_mutes(rules, now)
    remembered: dict[int, dict[str, Watched]] = {rule.pk: {} for rule in rules}
    for row in Watched.objects.filter(rule__in=rules):
        remembered[row.rule_id][row.subject] = row
    for rule in rules:
        try:
            _look_by(rule, world, remembered[rule.pk], looked, unbroken)
        except DatabaseError:
            raise
        except Exception as error:  # one rule that stumbles must not blind the others
            log.exception("%s could not be judged", rule)
            looked.trouble.append(f"The rule {rule.name} could not be judged: {type(error).__name__}.")
    return looked


def _look_by(rule: Rule, world: World, rows: Mapping[str, Watched], looked: Looked, unbroken: bool) -> None:
    condition = CONDITIONS[rule.condition]
    found = condition.read(world, rule)
    readings = None if found is None else {reading.subject: reading for reading in found}
    changes = judge(
        {subject: State(Phase(row.phase), row.since_ms) for subject, row in rows.items()},
        None if readings is None else {s: seen(rule, condition, r) for s, r in readings.items()},
        Hold(rule.for_s * 1000, rule.clear_for_s * 1000),
        world.now_ms,
        unbroken=unbroken,
    )
    if changes:
        _Writer(rule, condition, readings or {}, rows, at(world.now_ms)).write(changes, looked)


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


class _Writer:
    """Writes the changes of one rule."""

    def __init__(
        self,
        rule: Rule,
        condition: Condition,
        readings: Mapping[str, Reading],
        rows: Mapping[str, Watched],
        now: datetime,
    ):
        self._rule, self._condition, self._readings, self._rows, self._now = (
            rule, condition, readings, rows, now,
        )  # fmt: skip

    def write(self, changes: Sequence[Change], looked: Looked) -> None:
        quiet = [change for change in changes if change.event is None]
        with transaction.atomic():
            self._remember(quiet)
            self._forget(quiet)
            self._move(quiet)
            opened = [f for c in changes if c.event is Event.OPENED for f in self._open(c)]
            cleared = [f for c in changes if c.event is Event.CLEARED for f in self._clear(c)]
            if not self._rule.muted(self._now):
                notices.opened(self._rule, opened, self._now)
            notices.cleared(cleared, self._now)
        looked.opened += opened
        looked.cleared += cleared

    # -- what nobody is told of ------------------------------------------------------------------------------------

    def _remember(self, changes: Sequence[Change]) -> None:
        Watched.objects.bulk_create(
            [
                Watched(rule=self._rule, subject=c.subject, phase=c.after.phase, since_ms=c.after.since_ms)
                for c in changes
                if c.before is None and c.after is not None
            ],
            ignore_conflicts=True,  # somebody else remembers it
        )

    def _forget(self, changes: Sequence[Change]) -> None:
        gone = [self._rows[c.subject].pk for c in changes if c.before is not None and c.after is None]
        if gone:
            Watched.objects.filter(pk__in=gone, phase=Phase.PENDING).delete()

    def _move(self, changes: Sequence[Change]) -> None:
        """From one phase to another, or the time begun anew; all that move alike in one write."""
        alike: dict[tuple[Phase, State], list[int]] = {}
        for c in changes:
            if c.before is not None and c.after is not None:
                alike.setdefault((c.before.phase, c.after), []).append(self._rows[c.subject].pk)
        for (phase, after), pks in alike.items():
            Watched.objects.filter(pk__in=pks, phase=phase).update(phase=after.phase, since_ms=after.since_ms)

    # -- what is told ------------------------------------------------------------------------------------------------

    def _open(self, change: Change) -> list[Firing]:
        """The alert, unless somebody else was faster."""
        if change.after is None or not self._take(change):
            return []
        reading = self._readings[change.subject]
        firing = Firing.objects.create(
            rule=self._rule,
            rule_name=self._rule.name,
            condition=self._rule.condition,
            subject=change.subject,
            severity=self._rule.severity,
            href=reading.href[:1000],
            opened_at=self._now,
            opened_value=reading.value,
            opened_says=reading.says,
        )
        Watched.objects.filter(rule=self._rule, subject=change.subject).update(firing=firing)
        return [firing]

    def _take(self, change: Change) -> bool:
        assert change.after is not None
        changes = {"phase": change.after.phase, "since_ms": change.after.since_ms}
        if change.before is None:
            _, created = Watched.objects.get_or_create(
                rule=self._rule, subject=change.subject, defaults=changes
            )
            return created
        return bool(self._expected(change).update(**changes))

    def _clear(self, change: Change) -> list[Firing]:
        row = self._rows[change.subject]
        taken, _ = self._expected(change).delete()
        firing = None
        if taken and row.firing_id is not None:
            firing = Firing.objects.filter(pk=row.firing_id, cleared_at=None).first()
        if firing is None:
            return []
        reading = self._readings.get(change.subject)
        firing.cleared_at = self._now
        firing.cleared_value = reading.value if reading else None
        firing.cleared_says = (
            reading.says if reading else f"{_capital(change.subject)} {self._condition.gone}"
        )
        firing.save(update_fields=["cleared_at", "cleared_value", "cleared_says"])
        return [firing]

    def _expected(self, change: Change):  # type: ignore[no-untyped-def]  # a QuerySet
        assert change.before is not None
        return Watched.objects.filter(
            pk=self._rows[change.subject].pk, phase=change.before.phase, since_ms=change.before.since_ms
        )


def _announce_after_mutes(rules: Sequence[Rule], now: datetime) -> None:
    """What opened while its rule was muted, and still fires when that is over, is told then."""
    by_number = {rule.pk: rule for rule in rules if rule.channels.all() and not rule.muted(now)}
    waiting: dict[int, list[Firing]] = {}
    for firing in Firing.objects.filter(cleared_at=None, announced_at=None, rule__in=by_number):
        waiting.setdefault(firing.rule_id or 0, []).append(firing)
    for number, firings in waiting.items():
        with transaction.atomic():
            notices.opened(by_number[number], firings, now)


def close_all(rule: Rule, why: str, now: datetime) -> int:
    """End whatever fires under a rule that nobody looks after any more, and tell those who were told that it fired."""
    with transaction.atomic():
        Watched.objects.filter(rule=rule).delete()
        firing = list(Firing.objects.select_for_update().filter(rule=rule, cleared_at=None))
        Firing.objects.filter(pk__in=[f.pk for f in firing]).update(cleared_at=now, cleared_says=why)
        for one in firing:
            one.cleared_at, one.cleared_says = now, why
        notices.cleared(firing, now)
    return len(firing)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
