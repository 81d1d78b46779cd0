"""KafkaProducer and KafkaConsumer: the core's, each with a connection of its own that close() closes."""

from __future__ import annotations

from typing import Any, ClassVar

from ..batches import FutureRecordMetadata
from ..config import CONSUMER, PRODUCER
from ..consumer import Consumer
from ..errors import StreamlabError
from ..model import Headers
from ..producer import Producer
from ..serializers import serialized
from .address import broker_at
from .errors import UnsupportedVersionError
from .partitioner import ClusterMetadata

_TRANSACTIONS = (
    "Redis has no transactions that span partitions, so there is none to {verb}. With enable_idempotence (the default) "
    "a repeated batch is appended once; make what a consumer does idempotent for the rest."
)


class KafkaProducer(Producer):
    """kafka-python's KafkaProducer."""

    DEFAULT_CONFIG: ClassVar[dict[str, Any]] = {name: setting.default for name, setting in PRODUCER.items()}

    def __init__(self, **configs: Any):
        """`bootstrap_servers="redis://host:port/0"` or a list of it. Raises KafkaConfigurationError."""
        if configs.pop("transactional_id", None) is not None:
            raise UnsupportedVersionError(_TRANSACTIONS.format(verb="name"))
        self._chooser = (
            configs.pop("partitioner") if hasattr(configs.get("partitioner"), "partition") else None
        )
        self._broker = broker_at(configs.pop("bootstrap_servers", None))
        try:
            super().__init__(self._broker.connection, **configs)
        except BaseException:
            self._broker.close()
            raise
        self._cluster = ClusterMetadata(self._topics)
        if (
            self._chooser is not None
        ):  # it sees the record before and after: send() serializes here, not below
            self._before, self._serializers = self._serializers, None

    def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> FutureRecordMetadata:
        """As the core's. A partitioner that is an object is asked as in kafka-python."""
        if self._chooser is not None:
            key_bytes, value_bytes = self._to_bytes(topic, headers, key, value)
            if partition is None:
                self.partitions_for(topic)  # made now when it is missing, so that the partitioner finds it
                partition = self._chooser.partition(topic, key, key_bytes, value, value_bytes, self._cluster)
            key, value = key_bytes, value_bytes
        return super().send(topic, value, key, headers, partition, timestamp_ms)

    def _to_bytes(self, topic: str, headers: Headers | None, key: Any, value: Any) -> tuple[Any, Any]:
        key_how, value_how = self._before or (None, None)
        return serialized(key_how, topic, headers, key), serialized(value_how, topic, headers, value)

    def close(self, timeout: float | None = None, null_logger: bool = False) -> None:
        """Send what waits, up to `timeout` seconds, then fail the rest, stop and disconnect."""
        super().close(timeout)
        self._broker.close()

    def init_transactions(self) -> None:
        raise UnsupportedVersionError(_TRANSACTIONS.format(verb="prepare"))

    def begin_transaction(self) -> None:
        raise UnsupportedVersionError(_TRANSACTIONS.format(verb="begin"))

    def commit_transaction(self) -> None:
        raise UnsupportedVersionError(_TRANSACTIONS.format(verb="commit"))

    def abort_transaction(self) -> None:
        raise UnsupportedVersionError(_TRANSACTIONS.format(verb="abort"))

    def send_offsets_to_transaction(self, offsets: Any, group_metadata: Any) -> None:
        raise UnsupportedVersionError(_TRANSACTIONS.format(verb="send offsets to"))


class KafkaConsumer(Consumer):
    """kafka-python's KafkaConsumer."""

    DEFAULT_CONFIG: ClassVar[dict[str, Any]] = {name: setting.default for name, setting in CONSUMER.items()}

    def __init__(self, *topics: str, **configs: Any):
        """`bootstrap_servers="redis://host:port/0"` or a list of it. Raises KafkaConfigurationError."""
        self._broker = broker_at(configs.pop("bootstrap_servers", None))
        try:
            super().__init__(self._broker.connection, *topics, **configs)
        except BaseException:
            self._broker.close()
            raise

    def close(self, autocommit: bool = True, timeout_ms: float | None = None) -> None:
        """Commit what was read (when `enable_auto_commit` and `autocommit`), leave the group, disconnect."""
        super().close(autocommit, timeout_ms)
        self._broker.close()

    def bootstrap(self, timeout_ms: float | None = None, refresh: bool = False) -> bool:
        """Whether the server answers; there is nothing to look up first."""
        return self.bootstrap_connected()

    def bootstrap_connected(self) -> bool:
        """Whether the server answers."""
        try:
            self._broker.connection.server_time_ms()
        except StreamlabError:
            return False
        return True


__all__ = ["KafkaConsumer", "KafkaProducer"]
