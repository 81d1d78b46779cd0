"""What a topic's page says beside its figures: settings, retention and what it threatens, schema, keys on demand."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

from django.core.cache import cache

from dashboard.broker import broker
from dashboard.masking.rules import shield_of
from dashboard.presenters import groups, keys
from dashboard.presenters.figures import Figure, duration, size, spell_duration, unknown
from dashboard.presenters.words import Status, Tone
from dashboard.schema_registry.core import registry
from streamlab import key_sample
from streamlab.configs.resources import ConfigResource, ConfigResourceType
from streamlab.errors import StreamlabError
from streamlab.metrics.snapshot import GroupSnapshot, TopicSnapshot
from streamlab.topics import MAX_PARTITIONS

from .page import Address
from .table import link

READ_EVERY_S = 3
"""Settings and schema of a page that is drawn every second are read again so often."""
SOURCES = {
    "DYNAMIC_TOPIC_CONFIG": "this topic",
    "DYNAMIC_BROKER_CONFIG": "server",
    "DYNAMIC_DEFAULT_BROKER_CONFIG": "server",
    "DEFAULT_CONFIG": "default",
}


def _key(what: str, topic: str) -> str:
    return f"{what}:{quote(topic, safe='')}"


class Setting(NamedTuple):
    name: str
    value: str
    source: str
    own: bool  # given for this topic
    says: str


def settings(topic: str) -> list[Setting]:
    """Every setting in force; those of this topic first. [] when the server does not answer."""
    found: list[Setting] | None = cache.get(_key("settings", topic))
    if found is None:
        found = _read_settings(topic)
        cache.set(_key("settings", topic), found, READ_EVERY_S)
    return found


def _read_settings(topic: str) -> list[Setting]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    try:
        described = broker().admin().describe_configs([resource], config_filter="all")["topic"][topic]
    except StreamlabError:
        return []
    rows = [
        Setting(
            name,
            _in_words(name, entry["value"]),
            SOURCES.get(entry["config_source"], entry["config_source"].lower()),
            entry["config_source"] == "DYNAMIC_TOPIC_CONFIG",
            entry["documentation"],
        )
        for name, entry in described.items()
    ]
    return sorted(rows, key=lambda row: (not row.own, row.source == "default", row.name))


def _in_words(name: str, value: str) -> str:
    """
    >>> _in_words("retention.ms", "60000"), _in_words("retention.ms", "-1"), _in_words("cleanup.policy", "delete")
    ('60000 (1 min)', '-1 (no limit)', 'delete')
    """
    if value == "-1":
        return "-1 (no limit)"
    if name.endswith(".ms") and value.isdigit():
        return f"{value} ({spell_duration(int(value))})"
    if name.endswith("bytes") and value.isdigit():
        return f"{value} ({size(int(value)).plain})"
    return value


class Loss(NamedTuple):
    """When a group begins to lose records to retention, were it to stand still."""

    left: Figure
    status: Status


def retention_ms(found: list[Setting]) -> int | None:
    """None: records are kept for ever, or it is not known."""
    text = next((s.value.partition(" ")[0] for s in found if s.name == "retention.ms"), "-1")
    return int(text) if text.isdigit() else None


def time_to_loss(group: GroupSnapshot, topic: TopicSnapshot, kept_ms: int | None) -> Loss:
    age_ms = groups.time_lag_on(group, topic.topic)
    if kept_ms is None:
        return Loss(unknown("Records are kept whatever their age"), Status("never", Tone.OK))
    if age_ms is None:
        return Loss(unknown(groups.NEVER_COMMITTED), Status("unknown", Tone.IDLE))
    if not groups.lag_on(group, topic.topic):
        return Loss(unknown("Nothing waits"), Status("nothing waits", Tone.OK))
    left_ms = max(0, kept_ms - age_ms)
    tone = Tone.BAD if left_ms < kept_ms * 0.05 else Tone.WARN if left_ms < kept_ms * 0.25 else Tone.OK
    why = f"Records are kept for {spell_duration(kept_ms)}, the oldest unread one is {spell_duration(age_ms)} old"
    return Loss(duration(left_ms), Status("left" if left_ms else "losing now", tone, why))


def schema_subjects(topic: str) -> list[str]:
    """Subjects of its keys and values; [] without any."""
    found: list[str] | None = cache.get(_key("subjects", topic))
    if found is None:
        try:
            known = set(registry().subjects())
        except StreamlabError:
            known = set()
        found = [s for s in (f"{topic}-value", f"{topic}-key") if s in known]
        cache.set(_key("subjects", topic), found, READ_EVERY_S)
    return found


def on_demand(topic: TopicSnapshot, address: Address) -> dict[str, Any]:
    """The hot keys (`?keys=1`) and the spread over another number of partitions (`?whatif=12`), where asked for."""
    asked = address.query.get("whatif", "")
    partitions = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    problem = (
        ""
        if not asked or 1 <= partitions <= MAX_PARTITIONS
        else f"Write a number from 1 to {MAX_PARTITIONS:,}."
    )
    links = {
        "keys_href": link(address, keys="1"),
        "keys_close_href": link(address, keys=None, whatif=None),
        "whatif_problem": problem,
        "whatif_value": asked if not problem and asked else str(len(topic.partitions) * 2),
    }
    if address.query.get("keys") != "1" and (not asked or problem):
        return links
    try:
        sample = key_sample.sample(
            broker().connection, topic.topic, [p.log_end - p.log_start for p in topic.partitions]
        )
    except StreamlabError as error:
        return {**links, "whatif_problem": str(error)}
    shield = shield_of(topic.topic)
    return {
        **links,
        "hot_keys": keys.hot_keys(sample, lambda key: keys.as_text(key) if shield.key(key) == key else None),
        "what_if": keys.what_if(sample, partitions) if asked and not problem else None,
    }


def is_on_demand(address: Address) -> bool:
    """Whether this view shows a sample, which stands still."""
    return address.query.get("keys") == "1" or bool(address.query.get("whatif"))
