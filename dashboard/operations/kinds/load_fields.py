"""The fields of a load in a form, named by their place as in its file. What has none of its own stands in `more`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django import forms

from streamlab.lab.loads import folder
from streamlab.lab.loads.files import as_text, changed, parsed
from streamlab.lab.loads.load import (
    MOST_CONSUMERS,
    MOST_PARTITIONS,
    MOST_PRODUCERS,
    MOST_RATE,
    InvalidLoadError,
    Load,
)

from ..kind import Form

_KEYS = [
    ("uniform", "all alike"),
    ("zipf", "few come often"),
    ("hot", "one has a share"),
    ("none", "none"),
]
_ORDERINGS = [("none", "none"), ("key", "by key"), ("partition", "by partition")]


def _number(label: str, least: float, most: float, help_text: str = "") -> forms.FloatField:
    return forms.FloatField(label=label, min_value=least, max_value=most, help_text=help_text)


def _count(label: str, least: int, most: int, help_text: str = "") -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=least, max_value=most, help_text=help_text)


def load_fields() -> dict[str, forms.Field]:
    """By place."""
    return {
        "partitions": _count("Partitions", 1, MOST_PARTITIONS),
        "minutes": _number("Ends after (minutes)", 0.05, 24 * 60),
        "producers.rate": _number("Records a second", 0, round(MOST_RATE), "Of all producers together."),
        "producers.count": _count("Producers", 0, MOST_PRODUCERS, "Processes."),
        "producers.size_bytes": _count("Bytes a record", 0, 256 * 1024),
        "producers.keys.kind": forms.ChoiceField(label="Keys", choices=_KEYS),
        "producers.keys.count": _count("Different keys", 1, 100_000),
        "producers.keys.hot_share": _number("Share of the one key", 0, 1, "0.7 is 70 % of all records."),
        "consumers.count": _count("Readers", 0, MOST_CONSUMERS, "Processes, members of one group."),
        "consumers.handler_ms": _number("Time a record takes (ms)", 0, 60_000, "The mean."),
        "consumers.spread": _number("Spread of that time", 0, 3, "Standard deviation over the mean."),
        "consumers.ordering": forms.ChoiceField(label="Order", choices=_ORDERINGS),
        "consumers.concurrency": _count("Handlers at once in a reader", 1, 16),
        "consumers.failures.permanent_share": _number("Share that is poison", 0, 1, "Fails always."),
        "consumers.failures.transient_share": _number("Share that fails for a moment", 0, 1),
        "consumers.failures.stall_share": _number("Share that times out", 0, 1),
        "producers.file": forms.ChoiceField(label="Rows of a file", required=False),
        "more": forms.CharField(
            label="More",
            required=False,
            widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
            help_text="One a line: producers.settings.linger_ms=50",
        ),
    }


class LoadForm(Form):
    """Fields of a load, filled in from `base`."""

    base: Load

    def fill(self) -> None:
        self.base = self.base_load()
        self.fields.update(load_fields())
        files = [(name, name) for name in folder.names()]
        self.fields["producers.file"].choices = [("", "none: records are invented"), *files]  # type: ignore[attr-defined]
        self.fields["producers.keys.count"].when = [("producers.keys.kind", "uniform zipf hot")]  # type: ignore[attr-defined]
        self.fields["producers.keys.hot_share"].when = [("producers.keys.kind", "hot")]  # type: ignore[attr-defined]
        known = flat(self.base)
        for place in load_fields():
            value = known.get(place)
            self.initial.setdefault(place, as_text(value) if isinstance(value, float) else value)
        rest = {p: v for p, v in known.items() if p not in self.fields and v != _DEFAULTS.get(p)}
        rest.pop("name", None)
        rest.pop("title", None)
        self.initial["more"] = "\n".join(f"{place}={as_text(value)}" for place, value in rest.items())

    def base_load(self) -> Load:
        raise NotImplementedError

    def load_from(self, data: Mapping[str, Any], base: Load) -> Load:
        """The load that was asked for. Raises InvalidLoadError."""
        more = parsed([line for line in data["more"].splitlines() if line.strip()])
        gone = {place: "" for place in flat(self.base) if place.startswith(_FREE) and place not in more}
        given = {place: as_text(data[place]) for place in load_fields() if place != "more"}
        return changed(base, gone | given | more)


_FREE = ("producers.settings.", "consumers.settings.", "topic.", "group.")


def flat(load: Load) -> dict[str, Any]:
    """Every value by its place.

    >>> flat(Load(name="a"))["producers.keys.kind"]
    'uniform'
    """
    found: dict[str, Any] = {}

    def walk(plain: Mapping[str, Any], prefix: str) -> None:
        for name, value in plain.items():
            if isinstance(value, Mapping):
                walk(value, f"{prefix}{name}.")
            else:
                found[prefix + name] = value

    walk(msgspec.to_builtins(load), "")
    return found


_DEFAULTS = flat(Load(name="a")) | {"producers.burst": None}


def differences(before: Load, after: Load) -> dict[str, tuple[str, str]]:
    """Place -> value before and after, for all that differ; "" where there is none."""
    old, new = flat(before), flat(after)
    places = dict.fromkeys([*old, *new])
    pairs = {place: (as_text(old.get(place)), as_text(new.get(place))) for place in places}
    return {place: pair for place, pair in pairs.items() if pair[0] != pair[1]}


__all__ = ["InvalidLoadError", "LoadForm", "differences", "flat", "load_fields"]
