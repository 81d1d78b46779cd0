"""What a consumer wants to read, and who hears about what it gets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .errors import IllegalStateError
from .model import TopicPartition
from .topics import Topics, is_internal


class ConsumerRebalanceListener:
    """Override what you need; called from poll(), in its thread."""

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """These are about to be given up; their positions are committed already when `enable_auto_commit`."""

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """These are this consumer's from now on."""

    def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        """These were another's before anything could be committed."""
        self.on_partitions_revoked(lost)


class Subscription:
    """Topics by name, topics by pattern, or partitions by hand; one of the three at a time."""

    def __init__(self, topics: Topics, config: dict[str, Any]):
        self._topics = topics
        self._config = config
        self.names: tuple[str, ...] = ()
        self.pattern: re.Pattern[str] | None = None
        self.by_hand = False
        self.listener = ConsumerRebalanceListener()

    @property
    def to_topics(self) -> bool:
        return bool(self.names) or self.pattern is not None

    def subscribe(
        self, names: Iterable[str], pattern: str | None, listener: ConsumerRebalanceListener | None
    ) -> None:
        """Raises IllegalStateError, TypeError, re.error. What was subscribed to before stays then."""
        if isinstance(names, str):
            raise TypeError("topics must be a list of names, not one name.")
        if bool(names) == bool(pattern):
            raise IllegalStateError("Give either topics or a pattern.")
        if self.by_hand:
            raise IllegalStateError("This consumer has a manual assignment; unsubscribe() first.")
        if pattern:  # the heartbeat's thread reads them, and must never see neither
            self.pattern, self.names = re.compile(pattern), ()
        else:
            self.names, self.pattern = tuple(dict.fromkeys(names)), None
        self.listener = listener or ConsumerRebalanceListener()

    def take_by_hand(self) -> None:
        """Raises IllegalStateError."""
        if self.to_topics:
            raise IllegalStateError("This consumer is subscribed; unsubscribe() first.")
        self.by_hand = True

    def clear(self) -> None:
        self.names, self.pattern, self.by_hand = (), None, False

    def topics(self) -> list[str]:
        """The names, or what the pattern matches now."""
        pattern = self.pattern
        if pattern is None:
            return list(self.names)
        internal = not self._config["exclude_internal_topics"]
        return [t for t in self._topics.all() if pattern.match(t) and (internal or not is_internal(t))]

    def partitions(self) -> set[TopicPartition]:
        """Every partition of those topics that exist."""
        specs = self._topics.all()
        return {TopicPartition(t, n) for t in self.topics() if t in specs for n in range(specs[t].partitions)}

    def make_topics(self) -> None:
        """Create those that are subscribed to by name and missing, when that is allowed."""
        if not self._config["allow_auto_create_topics"]:
            return
        known = self._topics.all()
        for topic in self.names:
            if topic not in known:
                self._topics.ensure(topic)
