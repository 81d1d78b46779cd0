"""Start, change and stop loads of the lab: scenarios, and such as somebody made up."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

import msgspec
from django import forms

from dashboard.presenters.commands import LAB
from dashboard.presenters.figures import spell_duration
from dashboard.presenters.words import plural
from streamlab.broker import Broker
from streamlab.errors import IllegalStateError, StaleConfigError
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.files import changed, load_of
from streamlab.lab.loads.load import InvalidLoadError, Load
from streamlab.lab.scenarios import SCENARIOS

from ..kind import Form, Job, Kind, Preview, Result, Spec, Table, WorldMoved
from .fields import shell
from .load_fields import LoadForm, differences

NO_LAB = (
    "No lab runs now, so nothing begins before one is started: make demo has one, or in a shell of its own:"
)


def _warnings(broker: Broker) -> list[str]:
    return [] if Loads(broker.connection).status() is not None else [f"{NO_LAB} {LAB}"]


# -- start -----------------------------------------------------------------------------------------------------


class StartForm(LoadForm):
    scenario = forms.ChoiceField(label="Begin with", required=False)
    name = forms.SlugField(
        label="Name",
        max_length=40,
        help_text="Small letters, digits, hyphens. Also of its topic, lab-NAME.",
        error_messages={"invalid": "A name has 1 to 40 small letters, digits, hyphens."},
    )

    def base_load(self) -> Load:
        choices = [("", "a load of my own"), *((s.name, s.title) for s in SCENARIOS.values())]
        self.fields["scenario"].choices = choices  # type: ignore[attr-defined]
        self.fields["scenario"].widget.attrs["data-reload"] = "scenario"
        chosen = self.data.get("scenario", self.initial.get("scenario", ""))
        base = SCENARIOS[chosen].load if chosen in SCENARIOS else Load(name="my-load")
        self.initial.setdefault("name", base.name)
        return base

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                named = msgspec.structs.replace(self.base, name=data["name"])
                self.cleaned_load = self.load_from(data, load_of(msgspec.to_builtins(named)))
            except InvalidLoadError as error:
                raise forms.ValidationError(str(error)) from None
        return data

    def spec(self) -> dict[str, Any]:
        return {"load": msgspec.to_builtins(self.cleaned_load)}


def preview_start(broker: Broker, spec: Spec) -> Preview:
    load = load_of(spec["load"])
    running = Loads(broker.connection).get(load.name)
    return Preview(
        effect=f"{plural(load.producers.count, 'producer')} and {plural(load.consumers.count, 'reader')} start: "
        f"{load.producers.pace} into topic {load.topic_name}, for {_minutes(load)}.",
        facts=[
            ("Topic", f"{load.topic_name}, {plural(load.partitions, 'partition')}"),
            ("Group", load.group_id),
            ("A record", f"{load.producers.size_bytes} B, {load.consumers.handler_ms:g} ms to handle"),
            ("At most", "what the server takes" if load.producers.full_speed else _most_rate(load)),
        ],
        warnings=_warnings(broker),
        blocked=f"The load {load.name} runs already: change it, or stop it first." if running else "",
        undo="An undo stops it.",
    )


def run_start(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    load = load_of(spec["load"])
    try:
        desired = Loads(broker.connection).start(load, by=job.by)
    except IllegalStateError as error:
        raise WorldMoved(str(error)) from None
    job.tell(1, 1)
    return Result(f"{load.name} was started, for {_minutes(load)}.", data={"run": desired.run})


def _most_rate(load: Load) -> str:
    return f"{load.producers.most_rate:g} records/s"


def _minutes(load: Load) -> str:
    return spell_duration(load.minutes * 60_000)


def _start_command(spec: Spec) -> str:
    load = load_of(spec["load"])
    base = SCENARIOS.get(load.name)
    if base is None:
        return ""
    sets = [
        "--set " + quote(f"{place}={after}") for place, (_, after) in differences(base.load, load).items()
    ]
    return shell("lab start", load.name, *sets)


START = Kind(
    name="start-load",
    title="Start a load",
    verb="Start",
    about="Real producers and consumers on a topic of their own: a scenario of the lab, or what you make up.",
    form=StartForm,
    subject=lambda spec: f"load {spec['load']['name']}",
    preview=preview_start,
    run=run_start,
    command=_start_command,
    undo=lambda spec, data: ("stop-load", {"name": spec["load"]["name"]}),
)


# -- change ----------------------------------------------------------------------------------------------------


class ChangeForm(LoadForm):
    name = forms.ChoiceField(label="Load")

    def base_load(self) -> Load:
        running = Loads(self.broker.connection).all()
        if not running:
            raise IllegalStateError("No load runs. Start one first.")
        self.fields["name"].choices = [(name, name) for name in running]  # type: ignore[attr-defined]
        self.fields["name"].widget.attrs["data-reload"] = "name"
        chosen = self.data.get("name", self.initial.get("name", ""))
        return (running.get(chosen) or next(iter(running.values()))).load

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                after = self.load_from(data, self.base)
            except InvalidLoadError as error:
                raise forms.ValidationError(str(error)) from None
            self.changes = {place: new for place, (_, new) in differences(self.base, after).items()}
            if not self.changes:
                raise forms.ValidationError("That is what it does already.")
        return data

    def spec(self) -> dict[str, Any]:
        return {"name": self.cleaned_data["name"], "changes": self.changes}


def preview_change(broker: Broker, spec: Spec) -> Preview:
    desired = Loads(broker.connection).require(spec["name"])
    after = changed(desired.load, spec["changes"])
    found = differences(desired.load, after)
    fewer = after.partitions < desired.load.partitions
    return Preview(
        effect=f"Load {spec['name']}: "
        + ", ".join(f"{place} becomes {new or 'none'}" for place, (_, new) in found.items())
        + ".",
        table=Table(
            ["Field", "Now", "Then"], [[p, old or "none", new or "none"] for p, (old, new) in found.items()]
        ),
        warnings=_warnings(broker),
        blocked="A topic cannot lose partitions: stop the load and start it again." if fewer else "",
        undo="An undo gives back what there is now.",
        world={"version": desired.version, "run": desired.run},
    )


def run_change(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    loads = Loads(broker.connection)
    desired = loads.get(spec["name"])
    if desired is None or desired.run != world["run"]:
        raise WorldMoved(f"the load {spec['name']} does not run any more.")
    after = changed(desired.load, spec["changes"])
    found = differences(desired.load, after)
    try:
        loads.change(after, world["version"])
    except StaleConfigError as error:
        raise WorldMoved(str(error)) from None
    job.tell(1, 1)
    told = ", ".join(f"{place} {old or 'none'} → {new or 'none'}" for place, (old, new) in found.items())
    return Result(
        f"Load {spec['name']}: {told}.", data={"before": {place: old for place, (old, _) in found.items()}}
    )


CHANGE = Kind(
    name="change-load",
    title="Change a running load",
    verb="Change",
    about="Turn the knobs of a load: its processes follow within a second.",
    form=ChangeForm,
    subject=lambda spec: f"load {spec['name']}",
    preview=preview_change,
    run=run_change,
    command=lambda spec: shell(
        "lab change", spec["name"], *(quote(f"{place}={value}") for place, value in spec["changes"].items())
    ),
    undo=lambda spec, data: ("change-load", {"name": spec["name"], "changes": data["before"]}),
)


# -- stop ------------------------------------------------------------------------------------------------------


class StopForm(Form):
    name = forms.ChoiceField(label="Load")

    def fill(self) -> None:
        running = Loads(self.broker.connection).all()
        if not running:
            raise IllegalStateError("No load runs, so there is nothing to stop.")
        self.fields["name"].choices = [(name, name) for name in running]  # type: ignore[attr-defined]


def preview_stop(broker: Broker, spec: Spec) -> Preview:
    desired = Loads(broker.connection).require(spec["name"])
    load = desired.load
    return Preview(
        effect=f"{plural(load.processes, 'process', 'processes')} of load {load.name} end. "
        f"Topic {load.topic_name} and the commits of its group stay.",
        undo="An undo starts it again with the same values.",
        world={"run": desired.run},
    )


def run_stop(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    loads = Loads(broker.connection)
    desired = loads.get(spec["name"])
    if desired is None or not loads.stop(spec["name"], world["run"]):
        raise WorldMoved(f"the load {spec['name']} does not run any more, or was started anew.")
    job.tell(1, 1)
    return Result(f"Load {spec['name']} was stopped.", data={"load": msgspec.to_builtins(desired.load)})


STOP = Kind(
    name="stop-load",
    title="Stop a load",
    verb="Stop",
    about="End the producers and consumers of a load; its topic stays to be looked at.",
    form=StopForm,
    subject=lambda spec: f"load {spec['name']}",
    preview=preview_stop,
    run=run_stop,
    command=lambda spec: shell("lab stop", spec["name"]),
    undo=lambda spec, data: ("start-load", {"load": data["load"]}),
)
