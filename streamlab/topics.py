"""Which topics exist, with how many partitions and which settings.

A topic exists from the moment that its entry stands in the registry; a partition that a crash left unmade comes
into being at its first use. It is deleted in two steps, so that a crash between them leaves a topic that says that
it is being deleted, and whoever meets it finishes the work:

    absent → active → deleting → absent
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from . import keys
from .clock import SYSTEM_CLOCK, Clock
from .config import TOPIC, TopicValue, topic_configs
from .connection import Call, Connection
from .errors import (
    InvalidPartitionsError,
    InvalidTopicError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    translated,
)
from .replies import pairs
from .server_defaults import ServerDefaults, server_defaults

log = logging.getLogger(__name__)

MAX_PARTITIONS = 10_000
EVENTS_KEPT = 1_000
"""What the outbox keeps, about, for whoever carries it to the topic of events."""
_LEGAL_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


class TopicState(StrEnum):
    ACTIVE = "active"
    DELETING = "deleting"


class TopicSpec(msgspec.Struct, frozen=True):
    """What the registry holds of one topic."""

    partitions: int
    configs: dict[str, int | float | str] = {}  # only what differs from the defaults
    created_ms: int = 0
    state: TopicState = TopicState.ACTIVE

    def config(self, name: str) -> Any:
        """A setting's value in force. Raises KeyError for an unknown name."""
        return self.configs.get(name, TOPIC[name].default)

    @property
    def compacted(self) -> bool:
        """Whether the newest record of each key is kept, so that every record needs a key."""
        return "compact" in self.config("cleanup.policy")

    @property
    def append_time(self) -> bool:
        """Whether records carry the server's time at the append instead of the producer's."""
        return bool(self.config("message.timestamp.type") == "LogAppendTime")


class TopicInForce(TopicSpec, frozen=True):
    """What holds for one topic: its own settings before the server's, and those before the built-in ones."""

    defaults: dict[str, TopicValue] = {}  # of topics, as set for the whole server

    def config(self, name: str) -> Any:
        return self.configs.get(name, self.defaults.get(name, TOPIC[name].default))


def check_name(topic: str) -> None:
    """Raises InvalidTopicError unless Kafka would take the name."""
    if not isinstance(topic, str) or not _LEGAL_NAME.fullmatch(topic) or topic in (".", ".."):
        raise InvalidTopicError(
            f"{topic!r} is not a topic name: use 1 to 249 letters, digits, dots, underscores and hyphens."
        )


def is_internal(topic: str) -> bool:
    """
    >>> is_internal("__streamlab.events"), is_internal("orders")
    (True, False)
    """
    return topic.startswith("__")


class Topics:
    """The registry, with a copy in memory that is looked at again when it is older than `max_age_ms`."""

    def __init__(self, connection: Connection, max_age_ms: float = 5_000, clock: Clock = SYSTEM_CLOCK):
        self._connection = connection
        self._max_age_s = max_age_ms / 1000
        self._clock = clock
        self._lock = threading.Lock()
        self._specs: dict[str, TopicSpec] = {}
        self._defaults = ServerDefaults()
        self._read_at = float("-inf")

    def all(self, fresh: bool = False) -> dict[str, TopicSpec]:
        """Every active topic by name. `fresh` asks the server even when the copy is young."""
        with self._lock:
            if fresh or self._clock.monotonic() - self._read_at > self._max_age_s:
                self._read()
            return self._specs

    def defaults(self) -> ServerDefaults:
        """As set for the whole server (`streamlab config set --broker-default num.partitions=6`)."""
        self.all()
        return self._defaults

    def get(self, topic: str) -> TopicSpec | None:
        """None when it does not exist; asked of the server before that is said."""
        return self.all().get(topic) or self.all(fresh=True).get(topic)

    def require(self, topic: str) -> TopicSpec:
        """Raises UnknownTopicOrPartitionError when it does not exist."""
        spec = self.get(topic)
        if spec is None:
            raise UnknownTopicOrPartitionError(f"There is no topic {topic!r}. Create it first.")
        return spec

    def create(
        self,
        topic: str,
        partitions: int | None = None,
        configs: Mapping[str, Any] | None = None,
        by: str | None = None,
    ) -> TopicSpec:
        """`partitions` None: as many as the server's num.partitions says.

        Raises TopicAlreadyExistsError, InvalidTopicError, InvalidPartitionsError, InvalidConfigurationError.
        """
        if partitions is None:
            partitions = self.defaults().partitions
        self.validate(topic, partitions, configs)
        spec = TopicSpec(partitions, topic_configs(configs), self._connection.server_time_ms())
        said = {"partitions": partitions, "configs": spec.configs, "by": by, "at_ms": spec.created_ms}
        while True:
            stored = self._stored(topic)
            if stored is None:
                if self._replace(topic, b"", msgspec.json.encode(spec), ("topic.created", said)):
                    self.make_partitions((topic, n) for n in range(partitions))
                    return spec
            elif msgspec.json.decode(stored, type=TopicSpec).state is TopicState.DELETING:
                self._finish_deleting(topic, stored)
            else:
                raise TopicAlreadyExistsError(f"Topic {topic!r} exists already.")

    def validate(self, topic: str, partitions: int, configs: Mapping[str, Any] | None = None) -> None:
        """Raises what create() would raise, as far as it depends on the arguments alone."""
        check_name(topic)
        _check_partitions(partitions)
        topic_configs(configs)

    def ensure(self, topic: str) -> TopicSpec:
        """The topic, created when it is missing.

        Raises UnknownTopicOrPartitionError where the server does not allow that.
        """
        spec = self.get(topic)
        if spec is not None:
            return spec
        if not self.defaults().auto_create:
            raise UnknownTopicOrPartitionError(
                f"There is no topic {topic!r}, and auto.create.topics.enable is off on this server. Create it first."
            )
        try:
            return self.create(topic)
        except TopicAlreadyExistsError:
            return self.require(topic)

    def delete(self, topic: str, by: str | None = None) -> None:
        """Remove the topic with all its records and commits. Raises UnknownTopicOrPartitionError."""
        while True:
            stored = self._stored(topic)
            if stored is None:
                raise UnknownTopicOrPartitionError(f"There is no topic {topic!r}.")
            spec = msgspec.json.decode(stored, type=TopicSpec)
            if spec.state is TopicState.ACTIVE:
                marked = msgspec.json.encode(msgspec.structs.replace(spec, state=TopicState.DELETING))
                if not self._replace(topic, stored, marked):
                    continue
                stored = marked
            self._finish_deleting(topic, stored, by)
            return

    def add_partitions(self, topic: str, total: int, by: str | None = None) -> TopicSpec:
        """Grow to `total` partitions. Keys that hash elsewhere from now on lose their order across the change.

        Raises UnknownTopicOrPartitionError, InvalidPartitionsError.
        """
        _check_partitions(total)
        said = {"after": total, "by": by, "at_ms": self._connection.server_time_ms()}
        spec = self._change(
            topic,
            lambda spec: _grown(topic, spec, total),
            lambda before: ("partitions.added", said | {"before": before.partitions}),
        )
        self.make_partitions((topic, n) for n in range(spec.partitions))
        return spec

    def configure(self, topic: str, configs: Mapping[str, Any]) -> TopicSpec:
        """Set some settings. Raises UnknownTopicOrPartitionError, InvalidConfigurationError."""
        wanted = topic_configs(configs)
        return self._change(topic, lambda spec: msgspec.structs.replace(spec, configs=spec.configs | wanted))

    def change_configs(
        self, topic: str, change: Callable[[Mapping[str, TopicValue]], Mapping[str, TopicValue]]
    ) -> TopicSpec:
        """Replace the topic's own settings by what `change` makes of them; it is asked again when somebody was faster.

        Raises UnknownTopicOrPartitionError, and what `change` raises.
        """
        return self._change(
            topic, lambda spec: msgspec.structs.replace(spec, configs=dict(change(spec.configs)))
        )

    def say(self, topic: str, type_: str, said: Mapping[str, Any]) -> None:
        """Leave an event in the outbox about something that no script of the registry did. Raises StreamlabError."""
        data = msgspec.json.encode({"topic": topic} | dict(said))
        self._connection.execute_many(
            [("XADD", keys.TOPICS_EVENTS, "MAXLEN", "~", EVENTS_KEPT, "*", "type", type_, "data", data)]
        )

    def make_partitions(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Let partitions of existing topics come into being."""
        with translated():
            self._connection.run_many([Call("init", [keys.meta(t, p)], []) for t, p in pairs])

    # -- how ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        topics, broker = self._connection.execute_many(
            [("HGETALL", keys.TOPICS), ("HGETALL", keys.config_of("broker"))]
        )
        self._defaults = server_defaults(pairs(broker))
        specs: dict[str, TopicSpec] = {}
        for name, text in pairs(topics):
            try:
                spec = msgspec.json.decode(text, type=TopicInForce)
                specs[name.decode()] = msgspec.structs.replace(spec, defaults=self._defaults.configs)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                log.warning(
                    "The entry of topic %r cannot be read, so the topic is passed over: %s", name, error
                )
        self._specs = {n: s for n, s in sorted(specs.items()) if s.state is TopicState.ACTIVE}
        self._read_at = self._clock.monotonic()

    def _stored(self, topic: str) -> bytes | None:
        with translated():
            stored: bytes | None = self._connection.client.hget(keys.TOPICS, topic)  # type: ignore[assignment]
            return stored

    def _replace(
        self, topic: str, expected: bytes, new: bytes, event: tuple[str, Mapping[str, Any]] | None = None
    ) -> bool:
        """False when somebody else was faster. The event is left in the outbox in the same moment."""
        type_, said = event if event is not None and not is_internal(topic) else ("", {})
        data = msgspec.json.encode({"topic": topic} | dict(said))
        done = self._connection.run(
            "topics/change",
            [keys.TOPICS, keys.TOPICS_EVENTS],
            [topic, expected, new, type_, data, EVENTS_KEPT],
        )
        self.all(fresh=True)
        return bool(done)

    def _change(
        self,
        topic: str,
        change: Callable[[TopicSpec], TopicSpec],
        event: Callable[[TopicSpec], tuple[str, Mapping[str, Any]] | None] = lambda before: None,
    ) -> TopicSpec:
        while True:
            stored = self._stored(topic)
            spec = msgspec.json.decode(stored, type=TopicSpec) if stored else None
            if stored is None or spec is None or spec.state is not TopicState.ACTIVE:
                raise UnknownTopicOrPartitionError(f"There is no topic {topic!r}.")
            changed = change(spec)
            if self._replace(topic, stored, msgspec.json.encode(changed), event(spec)):
                return changed

    def _finish_deleting(self, topic: str, stored: bytes, by: str | None = None) -> None:
        """Remove what a topic that is being deleted has left. Others may do the same, and be faster."""
        spec = msgspec.json.decode(stored, type=TopicSpec)
        made = self._connection.execute_many(
            [("HGET", keys.meta(topic, n), "made") for n in range(spec.partitions)]
        )
        if self._stored(topic) != stored:
            return  # what was read may be that of the topic made anew
        self._unlink(topic, made)
        said = {"partitions": spec.partitions, "by": by, "at_ms": self._connection.server_time_ms()}
        self._replace(topic, stored, b"", ("topic.deleted", said))

    def _unlink(self, topic: str, made: Sequence[bytes | None]) -> None:
        """Remove all that belongs to these partitions, unless one was made at another moment."""
        kinds = [keys.meta, keys.log, keys.cleaned, keys.commits, keys.producers]
        kinds += [keys.letters, keys.replay_progress, keys.untold_changes]  # of a topic of dead letters
        commits = self._connection.execute_many([("HKEYS", keys.commits(topic, n)) for n in range(len(made))])
        calls = []
        for n, (moment, groups) in enumerate(zip(made, commits, strict=True)):
            retries = [key for group in groups for key in keys.retries(topic, n, group.decode())]
            calls.append(
                Call("topics/unlink", [*(kind(topic, n) for kind in kinds), *retries], [moment or b""])
            )
        with translated():
            for reply in self._connection.run_many(calls):
                if isinstance(reply, Exception):
                    raise reply


def _grown(topic: str, spec: TopicSpec, total: int) -> TopicSpec:
    if total <= spec.partitions:
        raise InvalidPartitionsError(
            f"Topic {topic!r} has {spec.partitions} partitions already; partitions can be added, never removed."
        )
    return msgspec.structs.replace(spec, partitions=total)


def _check_partitions(partitions: int) -> None:
    if (
        isinstance(partitions, bool)
        or not isinstance(partitions, int)
        or not 1 <= partitions <= MAX_PARTITIONS
    ):
        raise InvalidPartitionsError(f"A topic has 1 to {MAX_PARTITIONS} partitions, not {partitions!r}.")
