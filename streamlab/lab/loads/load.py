"""What a load is made of. Every struct checks itself: a Load that exists can be run.

Raises InvalidLoadError from every constructor, with a sentence that names the field and what it may be.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from ...config import CONSUMER, PRODUCER, Setting, resolved, topic_configs
from ...configs.entity import Entity, EntityKind
from ...configs.settings import named, value_of
from ...errors import IllegalArgumentError, StreamlabError

MOST_PRODUCERS, MOST_CONSUMERS, MOST_PARTITIONS = 8, 16, 128
MOST_RATE = 5_000.0
"""Records a second of one load, its bursts included: what one small machine sends while it shows something."""
MOST_BYTES_RATE = 20 * 1024 * 1024
MOST_SIZE_BYTES = 256 * 1024
MOST_MINUTES = 24 * 60
MOST_FULL_SPEED_PRODUCERS, MOST_FULL_SPEED_MINUTES = 2, 60
"""Of a load that sends as fast as it can: it takes a processor for each of its producers."""
MOST_STALL_SHARE, MOST_STALL_MINUTES = 0.8, 30
"""So much of the time, and so long, a load may hold up the server."""

TOPIC_PREFIX = "lab-"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,99}")
_OURS = frozenset(
    [
        "client_id",
        "group_id",
        "group_instance_id",
        "key_serializer",
        "value_serializer",
        "key_deserializer",
        "value_deserializer",
        "partitioner",
        "enable_auto_commit",
        "metrics_enabled",
        "consumer_timeout_ms",
        "allow_auto_create_topics",
    ]
)
"""Settings that the lab gives its clients itself."""


class InvalidLoadError(IllegalArgumentError):
    """Raised when a load cannot be what somebody wrote. The sentence names the field and what it may be."""


def _between(field: str, value: float, low: float, high: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and low <= value <= high):  # NaN is between nothing
        raise InvalidLoadError(f"{field} is {low:g} to {high:g}, not {str(value)[:60]}.")


def _check_settings(field: str, given: dict[str, Any], table: dict[str, Setting]) -> None:
    ours = _OURS & given.keys()
    if ours:
        raise InvalidLoadError(f"{field}: the lab itself sets {', '.join(sorted(ours))}.")
    try:
        resolved(given, table)
    except StreamlabError as error:
        raise InvalidLoadError(f"{field}: {error}") from None


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Keys(_Part, frozen=True):
    """How often each key is drawn."""

    kind: Literal["uniform", "zipf", "hot", "none"] = "uniform"
    count: int = 1_000  # different keys
    skew: float = 1.1  # zipf: the n-th key comes 1 / n**skew times as often as the first
    hot_share: float = 0.6  # hot: share of all records that one key gets; the others are uniform

    def __post_init__(self) -> None:
        _between("producers.keys.count", self.count, 1, 100_000)
        _between("producers.keys.skew", self.skew, 0, 5)
        _between("producers.keys.hot_share", self.hot_share, 0, 1)


class Burst(_Part, frozen=True):
    """More for a while, again and again."""

    times: float = 10.0  # of the rate
    for_s: float = 60.0
    every_s: float = 180.0  # from one begin to the next
    after_s: float = 20.0  # the first one, after the load was started

    def __post_init__(self) -> None:
        _between("producers.burst.times", self.times, 0, 1_000)
        _between("producers.burst.for_s", self.for_s, 1, 3_600)
        _between("producers.burst.every_s", self.every_s, 1, 24 * 3_600)
        _between("producers.burst.after_s", self.after_s, 0, 3_600)
        if self.every_s < self.for_s:
            raise InvalidLoadError("producers.burst.every_s must not be less than producers.burst.for_s.")


class Producers(_Part, frozen=True):
    """Who sends, and what."""

    count: int = 1  # processes
    rate: float = 100.0  # records a second, of all of them together
    full_speed: bool = False  # as fast as send() takes them, whatever the rate
    size_bytes: int = 200  # of a value, about
    keys: Keys = Keys()
    burst: Burst | None = None  # None: always the same rate
    file: str | None = None  # its rows are sent, again and again; None: records are invented
    key_field: str | None = None  # of the file; None: no keys
    settings: dict[str, Any] = {}  # of the producer

    def __post_init__(self) -> None:
        _between("producers.count", self.count, 0, MOST_PRODUCERS)
        _between("producers.rate", self.rate, 0, MOST_RATE)
        _between("producers.size_bytes", self.size_bytes, 0, MOST_SIZE_BYTES)
        if self.full_speed and self.count > MOST_FULL_SPEED_PRODUCERS:
            raise InvalidLoadError(
                f"producers.full_speed takes producers.count up to {MOST_FULL_SPEED_PRODUCERS}: each has a processor "
                "for itself."
            )
        if self.full_speed and self.file is not None:
            raise InvalidLoadError("producers.full_speed is for invented records; a file has a rate.")
        if self.most_rate > MOST_RATE:
            raise InvalidLoadError(
                f"producers.rate times producers.burst.times is {self.most_rate:g}; a load sends at most "
                f"{MOST_RATE:g} records/s."
            )
        if self.most_rate * self.size_bytes > MOST_BYTES_RATE:
            raise InvalidLoadError(
                f"producers.rate times producers.size_bytes is more than {MOST_BYTES_RATE >> 20} MiB/s."
            )
        if self.file is not None and not _FILE.fullmatch(self.file):
            raise InvalidLoadError(
                "producers.file is the name of a file, without folders: it is looked for in the lab's own."
            )
        _check_settings("producers.settings", self.settings, PRODUCER)

    @property
    def pace(self) -> str:
        """
        >>> Producers().pace, Producers(full_speed=True).pace, Producers(rate=40, burst=Burst(times=10)).pace
        ('100 records/s', 'full speed', '40 to 400 records/s')
        """
        if self.full_speed:
            return "full speed"
        most = f" to {self.most_rate:g}" if self.most_rate > self.rate else ""
        return f"{self.rate:g}{most} records/s"

    @property
    def most_rate(self) -> float:
        """Records a second at the height of a burst."""
        return self.rate * max(1.0, self.burst.times if self.burst else 1.0)


class Failures(_Part, frozen=True):
    """Which share of the records the handler fails on. A record keeps its fate: the same at every attempt and run."""

    transient_share: float = 0.0  # fail once or twice, and succeed then
    permanent_share: float = 0.0  # fail always: poison
    stall_share: float = 0.0  # the downstream does not answer for stall_ms at the first attempt
    stall_ms: float = 2_000.0

    def __post_init__(self) -> None:
        for name in ("transient_share", "permanent_share", "stall_share"):
            _between(f"consumers.failures.{name}", getattr(self, name), 0, 1)
        _between("consumers.failures.stall_ms", self.stall_ms, 0, 60_000)
        if self.transient_share + self.permanent_share + self.stall_share > 1:
            raise InvalidLoadError("The shares of consumers.failures are more than 1 together.")

    @property
    def any(self) -> bool:
        return bool(self.transient_share or self.permanent_share or self.stall_share)


class Consumers(_Part, frozen=True):
    """Who reads: the members of one group, a process each."""

    count: int = 1
    kind: Literal["worker", "consumer"] = "worker"  # with retries and dead letters, or poll() and commit()
    handler_ms: float = 1.0  # mean time that one record takes
    spread: float = 0.3  # standard deviation of it over its mean; 0: always the same
    slow_first: float = 1.0  # so many times as long it takes the first of them: a slow machine
    failures: Failures = Failures()
    ordering: Literal["none", "key", "partition"] = "none"
    concurrency: int = 1  # handlers at once in one worker
    handler_timeout_ms: float = 30_000.0  # an attempt that takes longer has failed
    retry_base_ms: float = 500.0  # longest wait after the first failed attempt
    max_attempts: int = 4
    rejoin_every_s: float = 0.0  # a member leaves after half to all of it, and comes back; 0: never
    settings: dict[str, Any] = {}  # of the consumer

    def __post_init__(self) -> None:
        _between("consumers.count", self.count, 0, MOST_CONSUMERS)
        _between("consumers.handler_ms", self.handler_ms, 0, 60_000)
        _between("consumers.spread", self.spread, 0, 3)
        _between("consumers.slow_first", self.slow_first, 1, 100)
        _between("consumers.concurrency", self.concurrency, 1, 16)
        _between("consumers.handler_timeout_ms", self.handler_timeout_ms, 10, 600_000)
        _between("consumers.retry_base_ms", self.retry_base_ms, 0, 60_000)
        _between("consumers.max_attempts", self.max_attempts, 1, 100)
        _between("consumers.rejoin_every_s", self.rejoin_every_s, 0, 3_600)
        if 0 < self.rejoin_every_s < 1:
            raise InvalidLoadError("consumers.rejoin_every_s is 0 (never) or 1 and more.")
        if self.kind == "consumer" and (self.failures.any or self.ordering != "none" or self.concurrency > 1):
            raise InvalidLoadError(
                "consumers.kind consumer has no retries, ordering or concurrency; make it worker for those."
            )
        _check_settings("consumers.settings", self.settings, CONSUMER)


class Stalls(_Part, frozen=True):
    """A slow command that somebody sends again and again: the server does nothing else while it runs."""

    ms: float = 0.0  # that it runs; 0: there is none
    every_ms: float = 1_000.0  # from one begin to the next

    def __post_init__(self) -> None:
        _between("stalls.ms", self.ms, 0, 500)
        _between("stalls.every_ms", self.every_ms, 50, 60_000)
        if self.ms > MOST_STALL_SHARE * self.every_ms:
            raise InvalidLoadError(
                f"stalls.ms is at most {MOST_STALL_SHARE:.0%} of stalls.every_ms: everybody needs the server."
            )


class Load(_Part, frozen=True):
    """What to run."""

    name: str  # also of its topic and group
    title: str = ""
    partitions: int = 6
    topic: dict[str, Any] = {}  # settings of the topic; retention is bounded where it says nothing
    group: dict[str, Any] = {}  # settings of the group, as an operator gives them
    producers: Producers = Producers()
    consumers: Consumers = Consumers()
    stalls: Stalls = Stalls()
    minutes: float = 30.0  # it ends by itself after this, so that nothing is forgotten

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidLoadError(
                f"name is 1 to 40 small letters, digits and hyphens, not {str(self.name)[:60]!r}."
            )
        if len(self.title) > 100:
            raise InvalidLoadError("title has at most 100 characters.")
        _between("partitions", self.partitions, 1, MOST_PARTITIONS)
        _between("minutes", self.minutes, 0.05, MOST_MINUTES)
        try:
            topic_configs(self.topic)
        except StreamlabError as error:
            raise InvalidLoadError(f"topic: {error}") from None
        self._check_group()
        for most, is_so, what in (
            (MOST_FULL_SPEED_MINUTES, self.producers.full_speed, "producers.full_speed"),
            (MOST_STALL_MINUTES, self.stalls.ms > 0, "stalls.ms"),
        ):
            if is_so and self.minutes > most:
                raise InvalidLoadError(f"minutes is at most {most} with {what}, which others feel.")

    def _check_group(self) -> None:
        who = Entity(EntityKind.GROUP, self.group_id)
        try:
            for name, value in self.group.items():
                value_of(who, named(who, name), value)
        except StreamlabError as error:
            raise InvalidLoadError(f"group: {error}") from None

    @property
    def topic_name(self) -> str:
        return TOPIC_PREFIX + self.name

    @property
    def group_id(self) -> str:
        return f"{self.topic_name}-readers"

    @property
    def topic_settings(self) -> dict[str, Any]:
        """With an hour and 16 MiB a partition where the load does not say otherwise."""
        return topic_configs({"retention.ms": 3_600_000, "retention.bytes": 16 * 1024 * 1024} | self.topic)

    @property
    def roles(self) -> dict[str, int]:
        """How many processes there are of each kind."""
        return {
            "producer": self.producers.count,
            "reader": self.consumers.count,
            "stall": int(self.stalls.ms > 0),
        }

    @property
    def processes(self) -> int:
        return sum(self.roles.values())
