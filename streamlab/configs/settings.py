"""Which settings an entity can have, what text means as a value, and which a running client takes.

    broker    defaults of topics and of clients, and what holds for the whole server
    topic     the topic's own
    group     the group's own, and those of consumers and workers
    client    those of producers, consumers and workers

Of a client's settings only those in `LIVE` can be given from outside: the others are part of its program (serializers,
ids) or cannot change while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from .. import config
from ..config import BROKER, CONSUMER, GROUP, PRODUCER, RETRY, TOPIC, Setting
from ..errors import InvalidConfigurationError, KafkaConfigurationError, StreamlabError
from .entity import Entity, EntityKind

LIVE_PRODUCER = frozenset(
    [
        "acks",
        "allow_auto_create_topics",
        "batch_size",
        "buffer_memory",
        "compression_type",
        "delivery_timeout_ms",
        "linger_ms",
        "max_block_ms",
        "max_in_flight_requests_per_connection",
        "max_request_size",
        "request_timeout_ms",
        "retry_backoff_max_ms",
        "retry_backoff_ms",
    ]
)
"""What a running producer takes. New batches follow it; what was sent or closed before stays as it is."""

LIVE_CONSUMER = frozenset(
    [
        "allow_auto_create_topics",
        "auto_commit_interval_ms",
        "auto_offset_reset",
        "check_crcs",
        "consumer_timeout_ms",
        "fetch_max_bytes",
        "fetch_max_wait_ms",
        "fetch_min_bytes",
        "heartbeat_interval_ms",
        "max_partition_fetch_bytes",
        "max_poll_interval_ms",
        "max_poll_records",
        "retry_backoff_max_ms",
        "session_timeout_ms",
    ]
)
"""What a running consumer takes, from its next poll() or fetch on."""

KINDS: Mapping[str, Mapping[str, Setting]] = MappingProxyType(
    {
        "producer": {name: PRODUCER[name] for name in sorted(LIVE_PRODUCER)},
        "consumer": {name: CONSUMER[name] for name in sorted(LIVE_CONSUMER)},
        "worker": {name: (CONSUMER | RETRY)[name] for name in sorted(LIVE_CONSUMER | RETRY.keys())},
    }
)
"""Kind of client -> the settings that it takes while it runs."""

_CLIENTS = {**KINDS["worker"], **KINDS["producer"]}

TABLES: Mapping[EntityKind, Mapping[str, Setting]] = MappingProxyType(
    {
        EntityKind.BROKER: {**BROKER, **TOPIC, **_CLIENTS},
        EntityKind.TOPIC: TOPIC,
        EntityKind.GROUP: {**GROUP, **KINDS["worker"]},
        EntityKind.CLIENT: _CLIENTS,
    }
)
"""Kind of entity -> every setting that it can have."""

_ELSEWHERE = {
    EntityKind.TOPIC: "a topic's: set it for topic:NAME, or for broker as the default of all topics",
    EntityKind.GROUP: "a group's: set it for group:NAME",
    EntityKind.CLIENT: "a producer's: set it for client:ID, or for broker as the default of all clients",
    EntityKind.BROKER: "the whole server's: set it for broker",
}


def named(entity: Entity, name: str) -> str:
    """The setting's name in the table; dots and underscores mean the same.

    >>> named(Entity(EntityKind.GROUP, "g"), "max.poll.records")
    'max_poll_records'

    Raises KafkaConfigurationError, InvalidConfigurationError for a topic: which was meant, or where it belongs.
    """
    table = TABLES[entity.kind]
    for spelled in (name, name.replace(".", "_"), name.replace("_", ".")):
        if spelled in table:
            return spelled
    raise _error(entity, _why_not(entity, name))


def _why_not(entity: Entity, name: str) -> str:
    for spelled in (name.replace(".", "_"), name.replace("_", ".")):
        for kind in (EntityKind.TOPIC, EntityKind.CLIENT, EntityKind.GROUP, EntityKind.BROKER):
            if spelled in TABLES[kind]:
                return f"{spelled} is not a setting of {entity}. It is {_ELSEWHERE[kind]}."
        if spelled in PRODUCER or spelled in CONSUMER:
            return f"{spelled} cannot change while a client runs: give it to the constructor and restart the program."
    table = TABLES[entity.kind]
    close = get_close_matches(name.replace("." if "_" in min(table) else "_", "_"), table, n=1, cutoff=0.5)
    meant = f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(sorted(table))}."
    return f"{entity} has no setting {name!r}. {meant}"


def value_of(entity: Entity, name: str, given: Any) -> Any:
    """The value of a setting, which may be given as text. Raises as `named`, and when it is out of its range."""
    setting = TABLES[entity.kind][name]
    if name in TOPIC:
        return config.topic_configs({name: given})[name]
    value = parsed(setting, given) if isinstance(given, str) else given
    problem = setting.problem(value)
    if problem:
        raise _error(entity, f"{name} {problem}.")
    return value


def parsed(setting: Setting, text: str) -> Any:
    """What text means; text that means nothing stays text, which `Setting.problem` refuses.

    >>> parsed(PRODUCER["linger_ms"], "20"), parsed(PRODUCER["acks"], "1"), parsed(CONSUMER["check_crcs"], "false")
    (20, 1, False)
    """
    if setting.choices:
        return next((choice for choice in setting.choices if str(choice) == text), text)
    if isinstance(setting.default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(setting.default, (int, float)):
        for number in (int, float):
            try:
                return number(text)
            except ValueError:
                pass
    return text


def as_text(value: Any) -> str:
    """As `parsed` reads it.

    >>> as_text(True), as_text(20), as_text(None), as_text("lz4")
    ('true', '20', 'none', 'lz4')
    """
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _error(entity: Entity, sentence: str) -> StreamlabError:
    kind = InvalidConfigurationError if entity.kind is EntityKind.TOPIC else KafkaConfigurationError
    return kind(sentence)
