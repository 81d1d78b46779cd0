"""What an experiment is asked for: lever, values, what is measured and how long. What can be guessed is filled in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from dashboard.presenters.figures import spell_duration
from streamlab.configs.entity import Entity, EntityKind, entity
from streamlab.configs.settings import KINDS, TABLES, as_text
from streamlab.configs.store import Configs
from streamlab.errors import StreamlabError
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.plan import MOST_REPETITIONS, ROUNDS, WARM_UP_S, WINDOW_S, Plan, distinct
from streamlab.lab.experiments.today import in_force
from streamlab.metrics import telemetry
from streamlab.topics import is_internal

from ..kind import Form
from .configure import described, entities, settings_of

UNSET = "-"
"""Among the values: none of the entity's own, so that what is less near holds."""
SWEEPS: dict[str, tuple[Any, ...]] = {
    "linger_ms": (0, 50),
    "batch_size": (1, 1_024, 4_096, 16_384, 65_536),
    "max_poll_records": (1, 10, 100, 500),
    "compression_type": ("none", "lz4", "zstd"),
    "acks": (1, "all"),
    "fetch_max_wait_ms": (50, 500),
    "fetch_min_bytes": (1, 10_000),
    "max_partition_fetch_bytes": (4_096, 65_536, 1_048_576),
}
"""Values worth a try, offered where nothing else was asked for; today's comes first."""


class ExperimentForm(Form):
    entity = forms.ChoiceField(label="Of", help_text="Whose setting is turned, and put back at the end.")
    setting = forms.ChoiceField(label="Lever")
    values = forms.CharField(label="Values", max_length=300)
    topic = forms.ChoiceField(label="Topic", help_text="Whose records are counted.")
    group = forms.ChoiceField(
        label="Group",
        required=False,
        help_text="Whose commits, lag and end-to-end latency count. Without one only producing is measured.",
    )
    producers = forms.CharField(
        label="Producers",
        required=False,
        max_length=200,
        help_text="Client ids that begin so tell request latency and waiting. Empty: all producers.",
    )
    repetitions = forms.IntegerField(
        label="Rounds",
        min_value=2,
        max_value=MOST_REPETITIONS,
        initial=ROUNDS,
        help_text="Each has one window of every value. Fewer than 4 find huge effects only.",
    )
    warm_up_s = forms.FloatField(
        label="Warm-up (s)",
        min_value=0,
        max_value=600,
        initial=f"{WARM_UP_S:g}",
        help_text="After each change; does not count.",
    )
    window_s = forms.FloatField(
        label="Window (s)",
        min_value=1,
        max_value=3_600,
        initial=f"{WINDOW_S:g}",
        help_text="Then so long is measured: longer where little comes in.",
    )

    def fill(self) -> None:
        self.running = notes.current(self.broker.connection)
        named = entities(self.broker)
        topics = sorted(self.broker.admin().list_topics(), key=lambda name: (is_internal(name), name))
        groups = sorted(group["group_id"] for group in self.broker.admin().list_groups())
        reader = self._reader_of(str(self._given("topic") or ""), groups)
        asked = str(self._given("entity") or (f"group:{reader}" if reader else _first_choice(named)))
        who = _entity(asked)
        if who is not None and asked not in dict(named):
            named.append((asked, asked))  # a client that does not run yet
        self._choices("entity", named, reload=True)
        self.initial.setdefault("entity", asked)
        self.who = who
        if who is not None:
            self._fill_lever(who)
        self._choices("topic", [(name, name) for name in topics])
        self._choices("group", [("", "none: only producing"), *((name, name) for name in groups)])
        if who is not None:
            self._guess(who, topics, groups)

    def _fill_lever(self, who: Entity) -> None:
        table = TABLES[who.kind]
        names, asked = self._levers(who), self._given("setting")
        if asked in table and asked not in names:
            names.append(str(asked))  # a link may ask for it; the preview says who has it
        name = str(asked) if asked in names else names[0]
        labels = [(n, f"{n} ({table[n].unit})" if table[n].unit else n) for n in names]
        self._choices("setting", labels, reload=True)
        self.initial["setting"] = name
        self.fields["setting"].help_text = described(name, table[name])
        today = self._today(who, name)
        said = f"Now {as_text(today)}. " if today is not None else ""
        self.fields["values"].help_text = (
            f"{said}Separated by commas, 2 to 8; the others are compared with the first. "
            f"{UNSET} stands for unset."
        )
        self.initial.setdefault("values", ", ".join(_worth_a_try(name, table[name].choices, today)))

    def _levers(self, who: Entity) -> list[str]:
        """Of a client id that runs: what a program of its kind has."""
        names = settings_of(who.kind)
        if who.kind is not EntityKind.CLIENT:
            return names
        states = telemetry.read_states(self.broker.connection).values()
        theirs = [KINDS.get(state.kind, {}) for state in states if state.client_id == who.name]
        return [name for name in names if not theirs or any(name in settings for settings in theirs)]

    def _today(self, who: Entity, name: str) -> Any:
        try:
            plan = Plan(entity=str(who), setting=name, values=[None, None], topic="any")
            return in_force(self.broker.connection, plan, Configs(self.broker.connection).get(who).values)
        except StreamlabError:
            return None

    def _guess(self, who: Entity, topics: list[str], groups: list[str]) -> None:
        """What goes with the entity: its topic, who reads that, and who writes it."""
        of_lab = who.name.startswith("lab-")
        load = who.name.partition("-producer-")[0].partition("-reader")[0] if of_lab else ""
        group = who.name if who.kind is EntityKind.GROUP else ""
        topic = self._given("topic") or (who.name if who.kind is EntityKind.TOPIC else "")
        topic = topic or (load if load in topics else "") or self._topic_of(group)
        group = group or (
            f"{load}-readers" if f"{load}-readers" in groups else self._reader_of(topic, groups)
        )
        self.initial.setdefault("topic", topic or next(iter(topics), ""))
        self.initial.setdefault("group", group)
        client = who.kind is EntityKind.CLIENT
        self.initial.setdefault("producers", load or (who.name if client else ""))

    def _topic_of(self, group: str) -> str:
        if not group:
            return ""
        positions = self.broker.admin().list_group_offsets(group).get(group, {})
        return next((p.topic for p in sorted(positions)), "")

    def _reader_of(self, topic: str, groups: Iterable[str]) -> str:
        if topic not in self.broker.admin().list_topics():
            return ""
        there = list(self.broker.admin().list_partition_offsets(topic))
        committed = self.broker.admin().list_group_offsets(dict.fromkeys(groups, there))
        return next((group for group, found in committed.items() if found), "")

    def _given(self, name: str) -> Any:
        return self.data.get(name) if self.is_bound else self.initial.get(name)

    def _choices(self, name: str, choices: list[tuple[str, str]], reload: bool = False) -> None:
        field = self.fields[name]
        asked = self._given(name)
        if name in ("topic", "group") and asked and asked not in dict(choices):
            choices = [*choices, (str(asked), str(asked))]  # `clean` says that there is none
        field.choices = choices  # type: ignore[attr-defined]
        if reload:
            field.widget.attrs["data-reload"] = name
            field.widget.attrs["data-reload-with"] = "entity"

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        try:
            self.plan = self._plan(given)
        except StreamlabError as error:
            raise forms.ValidationError(str(error)) from None
        known = self.broker.admin().list_topics()
        if given["topic"] not in known:
            self.add_error("topic", f"There is no topic {given['topic']}.")
        if given["group"] and given["group"] not in {
            g["group_id"] for g in self.broker.admin().list_groups()
        }:
            self.add_error("group", f"There is no group {given['group']}.")
        return given

    def _plan(self, given: dict[str, Any]) -> Plan:
        texts = _texts(given["values"])
        return distinct(
            Plan(
                entity=given["entity"],
                setting=given["setting"],
                values=[None if text == UNSET else text for text in texts],
                topic=given["topic"],
                group=given["group"] or None,
                producers=given["producers"].strip(),
                warm_up_s=given["warm_up_s"],
                window_s=given["window_s"],
                repetitions=given["repetitions"],
            )
        )

    @property
    def estimate(self) -> str:
        """How long it would take as it is filled in; the page keeps it up to date."""
        try:
            count = len(_texts(str(self["values"].value() or "")))
            each = float(self["warm_up_s"].value()) + float(self["window_s"].value())
            return spell_duration(count * int(self["repetitions"].value()) * each * 1000)
        except (TypeError, ValueError):
            return ""

    def spec(self) -> dict[str, Any]:
        plan = self.plan
        return {field: getattr(plan, field) for field in plan.__struct_fields__}


def _texts(values: str) -> list[str]:
    return [text.strip() for text in values.split(",") if text.strip()]


def _entity(text: str) -> Entity | None:
    try:
        return entity(text)
    except StreamlabError:
        return None


def _first_choice(named: list[tuple[str, str]]) -> str:
    """A group before anything else: consumers are what people tune first."""
    return next((name for name, _ in named if name.startswith("group:")), "broker")


def _worth_a_try(name: str, choices: tuple[Any, ...], today: Any) -> list[str]:
    """
    >>> _worth_a_try("linger_ms", (), 20)
    ['20', '0', '50']
    >>> _worth_a_try("session_timeout_ms", (), 10_000)
    ['10000', '20000']
    """
    tried = list(SWEEPS.get(name) or [choice for choice in choices if choice is not None][:4])
    if today is None:
        return [as_text(value) for value in tried]
    if not tried and isinstance(today, (int, float)) and not isinstance(today, bool):
        tried = [today * 2]
    if isinstance(today, bool):
        tried = [not today]
    texts = dict.fromkeys(as_text(value) for value in [today, *tried])
    return list(texts)[:8]
