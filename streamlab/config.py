"""Settings of producers, consumers and topics: name, default, range, in one table each.

Names and defaults are Kafka's in snake_case. A name that does not exist is an error that says which one was meant;
names that kafka-python knows and Redis has no meaning for are accepted and ignored (`IGNORED`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from typing import Any

from . import codec
from .errors import InvalidConfigurationError, KafkaConfigurationError


def _exact(bound: float) -> str:
    """Every digit of a whole number: who is told a range may want its end."""
    return str(int(bound)) if float(bound).is_integer() else f"{bound:g}"


@dataclass(frozen=True)
class Setting:
    """One setting and what it may be."""

    default: Any
    meaning: str
    unit: str = ""
    low: float = -inf
    high: float = inf
    choices: tuple[Any, ...] = ()
    check: Callable[[Any], bool] | None = None
    optional: bool = False  # None is allowed

    @property
    def _whole(self) -> bool:
        """Times may have fractions, counts and sizes not."""
        return isinstance(self.default, int) and self.unit != "ms"

    def problem(self, value: Any) -> str | None:
        """What is wrong with the value, None when nothing is."""
        if value is None:
            return None if self.optional or self.default is None else "must have a value"
        if self.choices:
            return None if value in self.choices else f"must be one of {', '.join(map(repr, self.choices))}"
        if self.check is not None:
            return None if self.check(value) else f"cannot be {value!r}: {self.meaning}"
        if isinstance(self.default, bool):
            return None if isinstance(value, bool) else "must be True or False"
        if isinstance(self.default, (int, float)):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return f"must be a number{f' of {self.unit}' if self.unit else ''}, not {value!r}"
            if self._whole and not isinstance(value, int):
                return f"must be a whole number{f' of {self.unit}' if self.unit else ''}, not {value!r}"
            if not self.low <= value <= self.high:
                unit = f" {self.unit}" if self.unit else ""
                return f"must be between {_exact(self.low)} and {_exact(self.high)}{unit}"
        return None


_NEVER = float(2**31 - 1)

CLIENT: dict[str, Setting] = {
    "client_id": Setting(None, "name of this client in listings"),
    "request_timeout_ms": Setting(30_000, "longest wait for one answer of the server", "ms", 100, _NEVER),
    "retry_backoff_ms": Setting(100, "first pause before a repeat", "ms", 1, _NEVER),
    "retry_backoff_max_ms": Setting(1_000, "longest pause before a repeat", "ms", 1, _NEVER),
    "metadata_max_age_ms": Setting(5_000, "how often the topics are looked at again", "ms", 100, _NEVER),
    "allow_auto_create_topics": Setting(True, "create a topic at its first use"),
    "metrics_enabled": Setting(True, "push figures to the server once a second"),
}

PRODUCER: dict[str, Setting] = CLIENT | {
    "acks": Setting(
        1, "0: not awaited; 1: in the server's memory; 'all': on replicas and disk", choices=(0, 1, -1, "all")
    ),
    "batch_size": Setting(
        16_384, "bytes of records of one partition sent as one batch", "bytes", 0, 64 << 20
    ),
    "linger_ms": Setting(5, "how long a batch waits for more records", "ms", 0, _NEVER),
    "buffer_memory": Setting(
        33_554_432, "bytes of records that may wait to be sent", "bytes", 1, float(2**40)
    ),
    "compression_type": Setting(
        None, "how batches are compressed", choices=(*codec.COMPRESSIONS, None), optional=True
    ),
    "delivery_timeout_ms": Setting(
        120_000, "longest time from send() to success or failure", "ms", 1, _NEVER
    ),
    "enable_idempotence": Setting(True, "a repeated batch is appended once"),
    "key_serializer": Setting(None, "key → bytes"),
    "value_serializer": Setting(None, "value → bytes"),
    "max_block_ms": Setting(60_000, "longest time that send() waits for room", "ms", 0, _NEVER),
    "max_in_flight_requests_per_connection": Setting(
        5, "requests on the way at once, of up to 2 batches a partition each", "", 1, 5
    ),
    "max_request_size": Setting(1_048_576, "largest record", "bytes", 1, 256 << 20),
    "partitioner": Setting(
        None, "(key, all, available) → partition; None: murmur2 and sticky", check=callable
    ),
}

CONSUMER: dict[str, Setting] = CLIENT | {
    "group_id": Setting(None, "the group; None: no group, no commits"),
    "auto_commit_interval_ms": Setting(5_000, "how often positions are committed", "ms", 1, _NEVER),
    "auto_offset_reset": Setting(
        "latest", "where to start without a valid position", choices=("earliest", "latest", "none")
    ),
    "check_crcs": Setting(True, "verify the checksum of each batch"),
    "consumer_timeout_ms": Setting(inf, "iteration ends after this long without a record", "ms", 0, inf),
    "enable_auto_commit": Setting(True, "commit positions in the background"),
    "exclude_internal_topics": Setting(True, "a pattern does not match topics that begin with __"),
    "fetch_max_bytes": Setting(
        52_428_800, "most bytes of one fetch and of all that waits to be polled", "bytes", 0, _NEVER
    ),
    "fetch_max_wait_ms": Setting(
        500, "how long the server holds a fetch that has too little", "ms", 0, 60_000
    ),
    "fetch_min_bytes": Setting(1, "least bytes for the server to answer at once", "bytes", 0, _NEVER),
    "group_instance_id": Setting(
        None,
        "1 to 249 of letters, digits, '.', '_' and '-'",
        check=lambda name: (
            isinstance(name, str)
            and re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) is not None
            and name not in (".", "..")
        ),
        optional=True,
    ),
    "heartbeat_interval_ms": Setting(3_000, "how often a member says that it lives", "ms", 10, _NEVER),
    "key_deserializer": Setting(None, "bytes → key"),
    "max_partition_fetch_bytes": Setting(
        1_048_576, "most bytes of one partition in one fetch", "bytes", 0, _NEVER
    ),
    "max_poll_interval_ms": Setting(300_000, "longest time between two polls of a member", "ms", 1, _NEVER),
    "max_poll_records": Setting(500, "most records that one poll() returns", "records", 1, _NEVER),
    "partition_assignment_strategy": Setting(None, "assignor that this member asks for", optional=True),
    "session_timeout_ms": Setting(45_000, "a silent member is dead after this", "ms", 50, 1_800_000),
    "value_deserializer": Setting(None, "bytes → value"),
}

RETRY: dict[str, Setting] = {
    "retry_base_ms": Setting(1_000, "longest wait after the first failed attempt", "ms", 0, _NEVER),
    "retry_cap_ms": Setting(60_000, "longest wait between two attempts at all", "ms", 0, _NEVER),
    "retry_multiplier": Setting(2.0, "of the longest wait, from attempt to attempt", "", 1, 100),
    "retry_max_attempts": Setting(5, "attempts in all, the first one included", "", 1, _NEVER),
    "retry_max_age_ms": Setting(
        -1, "no attempt so long after the first one began; -1: no limit", "ms", -1, _NEVER
    ),
}
"""Of a worker: in the program they are `RetryPolicy(base_ms=...)` and so on."""

_EVER = float(2**62)

TOPIC: dict[str, Setting] = {
    "cleanup.policy": Setting(
        "delete",
        "how old records go: by retention, by compaction, or by both",
        choices=("delete", "compact", "compact,delete"),
    ),
    "retention.ms": Setting(604_800_000, "records older than this are removed; -1: never", "ms", -1, _EVER),
    "retention.bytes": Setting(-1, "a partition keeps about this much; -1: all", "bytes", -1, _EVER),
    "max.message.bytes": Setting(1_048_588, "largest record batch", "bytes", 1, 256 << 20),
    "message.timestamp.type": Setting(
        "CreateTime",
        "whose time a record carries: the producer's, or the server's at the append",
        choices=("CreateTime", "LogAppendTime"),
    ),
    "delete.retention.ms": Setting(
        86_400_000, "how long compaction keeps a tombstone after its first pass over it", "ms", 0, _EVER
    ),
    "min.compaction.lag.ms": Setting(0, "records younger than this are not compacted", "ms", 0, _EVER),
    "max.compaction.lag.ms": Setting(
        2**62, "a record older than this is compacted whatever the dirty ratio", "ms", 1, _EVER
    ),
    "min.cleanable.dirty.ratio": Setting(
        0.5, "share of a partition that must be new since the last compaction for the next one", "", 0, 1
    ),
    "schema.validation": Setting(
        "off",
        "what becomes of a record that does not fit its schema: nothing, a warning, or an error at send()",
        choices=("off", "warn", "reject"),
    ),
}

GROUP: dict[str, Setting] = {
    "assignor": Setting(
        None,
        "how partitions are shared out; none: as the members ask",
        choices=("range", "roundrobin", "sticky", "cooperative-sticky", "lag-aware", None),
        optional=True,
    ),
}
"""What holds for a group as a whole."""

BROKER: dict[str, Setting] = {
    "auto.create.topics.enable": Setting(True, "a topic may come into being at its first use"),
    "num.partitions": Setting(1, "partitions of a topic that is created without a number", "", 1, 10_000),
}
"""What holds for the whole server."""

IGNORED = frozenset(
    [
        "api_version",
        "bootstrap_servers",
        "bootstrap_timeout_ms",
        "client_dns_lookup",
        "client_rack",
        "connections_max_idle_ms",
        "default_offset_commit_callback",
        "enable_incremental_fetch_sessions",
        "isolation_level",
        "kafka_client",
        "max_in_flight_requests_per_connection",
        "metric_group_prefix",
        "metric_reporters",
        "metrics_num_samples",
        "metrics_sample_window_ms",
        "proxy_url",
        "receive_buffer_bytes",
        "receive_message_max_bytes",
        "reconnect_backoff_max_ms",
        "reconnect_backoff_ms",
        "retries",
        "sasl_kerberos_domain_name",
        "sasl_kerberos_name",
        "sasl_kerberos_service_name",
        "sasl_mechanism",
        "sasl_oauth_token_provider",
        "sasl_plain_password",
        "sasl_plain_username",
        "security_protocol",
        "selector",
        "send_buffer_bytes",
        "socket_options",
        "socks5_proxy",
        "ssl_cafile",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_ciphers",
        "ssl_context",
        "ssl_crlfile",
        "ssl_keyfile",
        "ssl_password",
        "transaction_timeout_ms",
    ]
)
"""Settings of kafka-python without a meaning here: the URL says how to reach the server, Redis has no transactions."""


def resolved(given: Mapping[str, Any], table: Mapping[str, Setting]) -> dict[str, Any]:
    """Every setting of the table with its value.

    Raises KafkaConfigurationError naming the first setting that is unknown or out of its range.

    >>> resolved({"linger_ms": 20}, PRODUCER)["linger_ms"]
    20
    >>> resolved({"linger": 20}, PRODUCER)
    Traceback (most recent call last):
    streamlab.errors.KafkaConfigurationError: There is no setting 'linger'. Did you mean 'linger_ms'?
    """
    values = {name: setting.default for name, setting in table.items()}
    for name, value in given.items():
        setting = table.get(name)
        if setting is None:
            if name in IGNORED:
                continue
            raise KafkaConfigurationError(f"There is no setting {name!r}.{_meant(name, table)}")
        problem = setting.problem(value)
        if problem:
            raise KafkaConfigurationError(f"{name} {problem}.")
        values[name] = value
    return values


TopicValue = int | float | str


def topic_configs(given: Mapping[str, Any] | None) -> dict[str, TopicValue]:
    """The topic's own settings; numbers may come as text, as Kafka's tools send them.

    Raises InvalidConfigurationError.

    >>> topic_configs({"retention.ms": "60000", "cleanup.policy": "delete, compact"})
    {'retention.ms': 60000, 'cleanup.policy': 'compact,delete'}
    """
    values: dict[str, TopicValue] = {}
    for name, raw in (given or {}).items():
        setting = TOPIC.get(name)
        if setting is None:
            raise InvalidConfigurationError(f"There is no topic setting {name!r}.{_meant(name, TOPIC)}")
        value = _topic_value(name, setting.default, raw)
        problem = setting.problem(value)
        if problem:
            raise InvalidConfigurationError(f"{name} {problem}.")
        values[name] = value
    return values


def _topic_value(name: str, default: Any, raw: Any) -> TopicValue:
    if isinstance(default, str):
        if name != "cleanup.policy" or not isinstance(raw, (str, list, tuple)):
            return raw if isinstance(raw, str) else repr(raw)
        policies = raw.split(",") if isinstance(raw, str) else raw
        return ",".join(sorted({str(policy).strip() for policy in policies}))  # as Kafka, in any order
    kind = "number" if isinstance(default, float) else "whole number"
    try:
        return float(raw) if isinstance(default, float) else int(raw)
    except (TypeError, ValueError, OverflowError):
        raise InvalidConfigurationError(f"{name} must be a {kind}, not {raw!r}.") from None


def _meant(name: str, table: Mapping[str, Setting]) -> str:
    close = get_close_matches(name, table, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else f" Known are: {', '.join(sorted(table))}."
