"""Turn knobs of running clients, of groups, topics and the whole broker; see who has taken them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from shlex import quote
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.urls import reverse

from streamlab.broker import Broker
from streamlab.config import Setting
from streamlab.configs.applied import acknowledgement, wait_until_applied
from streamlab.configs.entity import Entity, EntityKind, entity
from streamlab.configs.preview import preview as preview_change
from streamlab.configs.settings import TABLES, as_text, parsed
from streamlab.configs.store import Changed, Configs
from streamlab.errors import StreamlabError
from streamlab.metrics.telemetry import read_states

from ..kind import Form, Job, Kind, Preview, Result, Spec
from .fields import plural, shell, shortened, some

PATIENCE_S = 10.0
_HARDLY_A_LIMIT = 2**31 - 1

LEVERS: Mapping[str, tuple[str, ...]] = {
    "client": ("batch_size", "linger_ms", "compression_type", "acks", "max_request_size"),
    "group": (
        "max_poll_records",
        "fetch_min_bytes",
        "fetch_max_wait_ms",
        "fetch_max_bytes",
        "max_partition_fetch_bytes",
        "assignor",
    ),
    "topic": ("retention.ms", "retention.bytes", "max.message.bytes", "cleanup.policy"),
}
"""What people tune first; the other settings of an entity follow them in the form."""

TRADES: Mapping[str, str] = {
    "batch_size": "Larger: more records a request and fewer commands; they wait longer for their batch to fill.",
    "linger_ms": "Longer: fuller batches and more throughput; each record waits up to so long.",
    "compression_type": "Fewer bytes in memory and on the wire, for more CPU in the clients.",
    "acks": "More copies before a send counts as done: safer, slower.",
    "max_poll_records": "More: fewer rounds, more throughput; longer between commits, so more repeats after a kill.",
    "fetch_min_bytes": "More: fewer, larger fetches; records wait until enough is there.",
    "fetch_max_wait_ms": "Longer: fewer empty fetches; a record waits up to so long when there is little.",
    "fetch_max_bytes": "More: fewer fetches while catching up; more memory in the consumer.",
    "max_partition_fetch_bytes": "Less: partitions take fairer turns; more: a hot one is read faster.",
    "retention.ms": "Longer: groups may be away longer; more memory.",
    "retention.bytes": "More: the same, counted in bytes.",
    "max.message.bytes": "Larger records are let in; each holds up the ones behind it.",
    "cleanup.policy": "delete keeps everything for a while; compact keeps the newest of each key for ever.",
    "assignor": "lag-aware balances work instead of counts; cooperative-sticky moves the least.",
}


class ConfigForm(Form):
    """One field a setting; only those that are changed make up the operation."""

    entity = forms.ChoiceField(
        label="Of",
        widget=forms.Select(attrs={"data-reload": "entity"}),
        help_text="The nearer one wins: a client's "
        "own settings, then its group's, then the broker's defaults, then what its program gave it.",
    )

    def fill(self) -> None:
        named = entities(self.broker)
        asked = str(self._asked())
        if asked not in dict(named) and self._who() is not None:
            named.append((asked, asked))  # a client that does not run yet
        self.fields["entity"].choices = named  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.who = self._who()
        self.now: Mapping[str, Any] = {}
        if self.who is not None:
            self._add_settings(self.who)

    def _who(self) -> Entity | None:
        try:
            return entity(str(self._asked()))
        except StreamlabError:
            return None

    def _asked(self) -> Any:
        return (self.data.get("entity") if self.is_bound else self.initial.get("entity")) or "broker"

    def _add_settings(self, who: Entity) -> None:
        try:
            self.now = Configs(self.broker.connection).get(who).values
        except StreamlabError:
            return  # clean_entity says it
        table = TABLES[who.kind]
        for name in settings_of(who.kind):
            field = self.fields[name] = _field(name, table[name], self.now.get(name))
            field.try_href = f"{reverse('experiment-new')}?{urlencode({'entity': str(who), 'setting': name})}"  # type: ignore[attr-defined]

    def clean_entity(self) -> str:
        text: str = self.cleaned_data["entity"].strip()
        try:
            Configs(self.broker.connection).get(entity(text))
        except StreamlabError as error:
            raise forms.ValidationError(str(error)) from error
        return text

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.who is None or self.errors:
            return given
        table = TABLES[self.who.kind]
        for name in table:
            text = str(given.get(name) or "").strip()
            if text:
                self._check(name, table[name], text)
        if not self.errors and not self._changes() and not self._gone():
            raise forms.ValidationError("Nothing is changed.")
        return given

    def _check(self, name: str, setting: Setting, text: str) -> None:
        try:
            Configs(self.broker.connection).checked(self.who, {name: parsed(setting, text)})  # type: ignore[arg-type]
        except StreamlabError as error:
            self.add_error(name, str(error))

    def _changes(self) -> dict[str, str]:
        """Settings that were given another value than they have here."""
        texts = {n: str(self.cleaned_data.get(n) or "").strip() for n in TABLES[self.who.kind]}  # type: ignore[union-attr]
        now = {name: as_text(value) for name, value in self.now.items()}
        return {name: text for name, text in texts.items() if text and text != now.get(name)}

    def _gone(self) -> list[str]:
        """Settings that have a value here and were emptied."""
        return [name for name in self.now if name in self.fields and not self.cleaned_data.get(name)]

    def spec(self) -> dict[str, Any]:
        return {"entity": self.cleaned_data["entity"], "set": self._changes(), "unset": self._gone()}


def described(name: str, setting: Setting) -> str:
    """What a setting means, its range, its default, and what it trades.

    >>> described("linger_ms", TABLES[EntityKind.CLIENT]["linger_ms"]).split(". ")[1:3]
    ['From 0 up', 'Default 5']
    """
    words = [setting.meaning[:1].upper() + setting.meaning[1:] + "."]
    if setting.low > -math.inf:
        most = f" to {setting.high:,.0f}" if setting.high < _HARDLY_A_LIMIT else " up"
        words.append(f"From {setting.low:,.0f}{most}.")
    words.append(f"Default {_default(setting.default)}.")
    words.append(TRADES.get(name, ""))
    return " ".join(filter(None, words))


def _default(value: Any) -> str:
    """
    >>> _default(604_800_000), _default(0.5), _default(None), _default(True), _default(2**62)
    ('604,800,000', '0.5', 'none', 'true', 'no limit')
    """
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return as_text(value)
    return "no limit" if value >= _HARDLY_A_LIMIT else f"{value:,}"


def entities(broker: Broker) -> list[tuple[str, str]]:
    """Whatever has settings now, as choices of a form."""
    admin = broker.admin()
    groups = sorted(group["group_id"] for group in admin.list_groups())
    return [
        ("broker", "the whole broker"),
        *[(f"group:{name}", f"group {name}") for name in groups],
        *[(f"topic:{name}", f"topic {name}") for name in sorted(admin.list_topics())],
        *[(f"client:{name}", f"client {name}") for name in client_ids(broker)],
    ]


def settings_of(kind: EntityKind) -> list[str]:
    """Names of an entity's settings, those that people tune first in front."""
    first = [name for name in LEVERS.get(kind, ()) if name in TABLES[kind]]
    return [*first, *sorted(set(TABLES[kind]) - set(first))]


def _field(name: str, setting: Setting, now: Any) -> forms.Field:
    """A setting as a field, with what stands here now."""
    value = "" if now is None else as_text(now)
    label = f"{name} ({setting.unit})" if setting.unit else name
    about = {"label": label, "required": False, "initial": value, "help_text": described(name, setting)}
    if isinstance(setting.default, bool):
        known = [("true", "true"), ("false", "false")]
        return forms.ChoiceField(choices=[("", "not set here"), *known], **about)  # type: ignore[arg-type]
    if setting.choices:
        known = [(as_text(choice), as_text(choice)) for choice in setting.choices if choice is not None]
        return forms.ChoiceField(choices=[("", "not set here"), *known], **about)  # type: ignore[arg-type]
    widget = forms.TextInput(attrs={"placeholder": "not set here", "autocomplete": "off"})
    return forms.CharField(max_length=300, widget=widget, **about)  # type: ignore[arg-type]


def _values(spec: Spec) -> dict[str, Any]:
    table = TABLES[entity(spec["entity"]).kind]
    return {name: parsed(table[name], text) for name, text in spec["set"].items()}


def preview(broker: Broker, spec: Spec) -> Preview:
    who = spec["entity"]
    seen = preview_change(broker.connection, who, _values(spec), spec["unset"])
    rows = [[n, _shown(s.before), _shown(s.after)] for n, s in seen.changes.items()]
    refusing = [
        f"{e.client.client_id} refuses {n}: {why}" for e in seen.effects for n, why in e.refuses.items()
    ]
    hidden = [
        f"{e.client.client_id} keeps {n}: {source} is nearer"
        for e in seen.effects
        for n, source in e.hidden.items()
    ]
    taking = sum(1 for effect in seen.effects if effect.takes)
    if seen.effects:
        take = "takes" if taking == 1 else "take"
        reach = f"{taking} of {plural(len(seen.effects), 'running client')} {take} it within a second."
    elif entity(who).kind is EntityKind.TOPIC:
        reach = "It holds from the next append and sweep on."
    else:
        reach = "No running client has it; the next one to start takes it."
    change = "changes" if len(seen.changes) == 1 else "change"
    return Preview(
        effect=f"{plural(len(seen.changes), 'setting')} of {who} {change}. {reach}",
        table=shortened(("Setting", "Now", "Then"), rows),
        warnings=some(refusing + hidden),
        blocked="" if seen.changes else "Everything is set like that already.",
        undo="An undo sets them back.",
        world={"version": str(seen.version), "before": {n: s.before for n, s in seen.changes.items()}},
    )


def _shown(value: Any) -> str:
    return "not set here" if value is None else as_text(value)


def run(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    configs, who = Configs(broker.connection), entity(spec["entity"])
    reason = f"operation {job.number}"
    changed = configs.change(who, _values(spec), spec["unset"], job.by, reason, int(world["version"]))
    said = _wait(broker, changed, job)
    back = {name: as_text(value) for name, value in world["before"].items() if value is not None}
    are = "is" if len(changed.names) == 1 else "are"
    return Result(
        f"{plural(len(changed.names), 'setting')} of {who} {are} changed; {said}.",
        data={"set": back, "unset": [name for name, value in world["before"].items() if value is None]},
    )


def _wait(broker: Broker, changed: Changed, job: Job) -> str:
    """Until every client that is there has said something, with n of n as the progress."""
    if changed.entity.kind is EntityKind.TOPIC:
        job.tell(1, 1)
        return "it holds from now on"
    for _ in range(int(PATIENCE_S)):
        said = wait_until_applied(broker.connection, changed, timeout_s=1.0)
        job.tell(len(said.applied) + len(said.refused), said.clients, str(said))
        if said.settled:
            break
    return str(acknowledgement(broker.connection, changed))


def command(spec: Spec) -> str:
    """
    >>> command({"entity": "group:revenue", "set": {"max_poll_records": "50"}, "unset": []})
    '.venv/bin/python -m streamlab config set --entity group:revenue max_poll_records=50'
    """
    who = quote(spec["entity"])
    pairs = [quote(f"{name}={value}") for name, value in spec["set"].items()]
    lines = [shell("config set --entity", who, *pairs)] if pairs else []
    if spec["unset"]:
        lines.append(shell("config unset --entity", who, *map(quote, spec["unset"])))
    return " && ".join(lines)


def client_ids(broker: Broker) -> list[str]:
    """Of the clients that run now."""
    return sorted({state.client_id for state in read_states(broker.connection).values()})


KIND = Kind(
    name="configure",
    title="Change settings",
    verb="Change",
    about="Turn a knob of running producers, consumers, groups or topics, and see who has taken it.",
    form=ConfigForm,
    subject=lambda spec: spec["entity"],
    preview=preview,
    run=run,
    command=command,
    undo=lambda spec, data: (
        "configure",
        {"entity": spec["entity"], "set": data["set"], "unset": data["unset"]},
    ),
)
