"""What an experiment is asked to do. A Plan that exists can be run."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from ...configs.entity import entity
from ...configs.settings import named, value_of
from ...errors import IllegalArgumentError

MOST_VALUES, MOST_REPETITIONS = 8, 20
MOST_MINUTES = 180
ROUNDS, WARM_UP_S, WINDOW_S = 8, 3.0, 4.0
"""Unless somebody wants others: five values within five minutes, two within two.

Many short rounds beat few long ones: what drifts from round to round cancels out, and the more rounds there are, the
better it is known how much they differ by chance.
"""
SETTLES_S = 2.0
"""Clients take a change within half a second and push once a second; after this, what they tell is of the new value."""

Value = int | float | str | bool | None


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One setting and the values that are tried, the first being what the others are compared with."""

    entity: str  # as in `streamlab config`: client:checkout, group:revenue, topic:orders, broker
    setting: str
    values: list[Value]  # None: unset, so that what is less near holds
    topic: str  # whose records are counted
    group: str | None = None  # whose commits and lag; None: only producing is measured
    producers: str = ""  # client ids that begin so tell request latencies; "" all of them
    warm_up_s: float = WARM_UP_S  # after each change, not measured
    window_s: float = WINDOW_S  # then measured
    repetitions: int = ROUNDS  # of every value

    def __post_init__(self) -> None:
        who = entity(self.entity)
        name = named(who, self.setting)
        if len(self.values) < 2 or len(self.values) > MOST_VALUES:
            raise IllegalArgumentError(
                f"An experiment tries 2 to {MOST_VALUES} values, not {len(self.values)}."
            )
        typed = [None if value is None else value_of(who, name, value) for value in self.values]
        msgspec.structs.force_setattr(self, "values", typed)  # "50" is 50
        for field, low, high in (
            ("warm_up_s", 0, 600),
            ("window_s", 1, 3600),
            ("repetitions", 2, MOST_REPETITIONS),
        ):
            if not low <= getattr(self, field) <= high:
                raise IllegalArgumentError(f"{field} is {low} to {high}, not {getattr(self, field):g}.")
        if self.seconds > MOST_MINUTES * 60:
            raise IllegalArgumentError(
                f"That would take {self.seconds / 60:.0f} min; an experiment takes at most {MOST_MINUTES}."
            )

    @property
    def setting_name(self) -> str:
        """As the table has it."""
        return named(entity(self.entity), self.setting)

    @property
    def seconds(self) -> float:
        return (self.warm_up_s + self.window_s) * len(self.values) * self.repetitions

    @property
    def tells_latencies(self) -> bool:
        """Whether what clients tell of a window is of its own value only."""
        return self.warm_up_s >= SETTLES_S and self.window_s >= SETTLES_S

    def order(self) -> list[int]:
        """Which value is measured when. Every other round goes backwards, so that a steady drift cancels out.

        Of three values and more, each pair of rounds has an order of its own: what swings would otherwise be taken for
        an effect of those that are always far apart.

        >>> Plan(entity="client:a", setting="linger_ms", values=[0, 50], topic="t", repetitions=3).order()
        [0, 1, 1, 0, 0, 1]
        """
        forth, found = list(range(len(self.values))), []
        for n in range(self.repetitions):
            if n and n % 2 == 0 and len(forth) > 2:
                Random(n).shuffle(forth)  # the same for everybody who asks
            found += forth[::-1] if n % 2 else forth
        return found


def plan_of(plain: Any) -> Plan:
    """Raises IllegalArgumentError."""
    try:
        return distinct(msgspec.convert(plain, Plan))
    except msgspec.ValidationError as error:
        raise IllegalArgumentError(str(error)) from None


def distinct(plan: Plan) -> Plan:
    """The plan, whose values all differ. Raises IllegalArgumentError.

    Asked of whoever wants to begin, not of a Plan: one that was kept is read, whatever it tried.
    """
    for n, value in enumerate(plan.values):
        if value in plan.values[:n]:
            told = "unset (-)" if value is None else repr(value)
            raise IllegalArgumentError(
                f"The value {told} is asked for twice; each value is tried once, in as many rounds as you like."
            )
    return plan
