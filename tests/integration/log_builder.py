"""Writes logs and commits through the real scripts, one batch at a time, so that a test knows every id."""

from __future__ import annotations

from streamlab import keys
from streamlab.broker import Broker
from streamlab.connection import Connection
from streamlab.groups.offsets import NewCommit, commit
from streamlab.model import EntryId, TopicPartition

ORDERS = TopicPartition("orders", 0)


class LogBuilder:
    def __init__(self, broker: Broker):
        self.broker = broker
        self.connection: Connection = broker.connection

    def topic(self, name: str = "orders", partitions: int = 1) -> None:
        self.broker.admin().create_topics({name: {"num_partitions": partitions}})
        for number in range(partitions):
            self.connection.run("init", [keys.meta(name, number)])

    def append(self, records: int = 10, partition: TopicPartition = ORDERS) -> EntryId:
        """One batch; the id of its entry."""
        log = [keys.log(*partition), keys.meta(*partition), keys.producers(*partition)]
        base, ms, _ = self.connection.run("append", log, [-1, 0, 0, records, b"x" * 100])
        return EntryId(ms, base + records - 1)

    def batches(self, count: int, records: int = 10) -> list[EntryId]:
        """So many batches, each appended in a millisecond of its own."""
        return [self._next_ms(records) for _ in range(count)]

    def commit(
        self,
        group: str,
        offset: int,
        entry: EntryId | None,
        partition: TopicPartition = ORDERS,
        epoch: int = 1,
    ) -> None:
        commit(self.connection, group, {partition: NewCommit(offset, entry, epoch, "somebody", "by a test")})

    def lose_everything(self, partition: TopicPartition = ORDERS) -> None:
        """As after a failover to a replica that had none of it, but the commits."""
        self.connection.client.delete(keys.log(*partition), keys.meta(*partition), keys.producers(*partition))
        self.connection.run("init", [keys.meta(*partition)])

    def _next_ms(self, records: int) -> EntryId:
        before = self.connection.server_time_ms()
        while self.connection.server_time_ms() <= before:
            pass
        return self.append(records)


def a_hundred(log: LogBuilder) -> list[EntryId]:
    """Offsets 20 to 99 in batches of ten, each of its own ms; group g stands at 50. The ids of all ten batches."""
    log.topic()
    ids = log.batches(10)
    log.broker.admin().delete_records({ORDERS: 20})
    log.commit("g", 50, ids[4])
    return ids


def committed(broker: Broker, group: str = "g") -> dict[str, int]:
    """By partition: `{"orders/0": 50}`."""
    return {str(p): c.offset for p, c in broker.admin().list_group_offsets(group)[group].items()}
