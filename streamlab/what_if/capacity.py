"""More of everything: what so many records a second take, by the arithmetic of docs/scaling.md."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

BATCH_US = 26.0
"""A master's time for a batch of one record, in a pipeline."""
BYTE_US = (81.0 - BATCH_US) / (135 * 107)
"""… and for each further byte of it: a batch of 136 records of 107 bytes takes 81 µs."""
CLUSTER_TIMES = 110 / 81
"""A batch costs a master of a cluster so many times what it costs a lone server."""
READ_US = 15.0
"""A master's time for a batch that one group reads."""
MEMORY_A_BYTE, WIRE_IN_A_BYTE, WIRE_OUT_A_BYTE, FILE_A_BYTE = 117 / 107, 115 / 107, 113 / 107, 116 / 107
PRODUCER_US, CONSUMER_US = 1.9, 0.5
"""Of a record, in its program; the handler's work comes on top."""
BUSY_SHARE = 0.5
"""A server has one core for commands and is to stay half idle, for it is not filled evenly."""
PARTITIONS_A_MASTER = 10


class Demand(NamedTuple):
    """What is wanted."""

    rate: float  # records/s
    record_bytes: float
    records_a_batch: float
    groups: int  # that read everything
    retention_s: float
    handler_ms: float | None = None  # a record takes; None: not known
    replicas: int = 0  # of each master
    memory_a_byte: float = MEMORY_A_BYTE  # of records


class Estimate(NamedTuple):
    batches: float  # a second
    append_cores: float  # of masters
    read_cores: float
    masters: int
    network_in: float  # bytes/s
    network_out: float  # bytes/s, replicas included
    memory_bytes: float
    file_rate: float  # bytes/s of the append-only file
    producer_cores: float
    consumer_cores: float  # of all groups, reading only
    handlers: float | None  # at once, in each group; None: not known
    partitions: int  # at least

    @property
    def cores(self) -> float:
        """Of masters, together."""
        return self.append_cores + self.read_cores


def estimate(wanted: Demand) -> Estimate:
    """A million records of 107 bytes a second for three groups:

    >>> found = estimate(Demand(1e6, 107, 136, 3, 60, replicas=1))
    >>> round(found.batches), round(found.append_cores, 1), round(found.read_cores, 2), found.masters
    (7353, 0.8, 0.33, 3)
    >>> round(found.memory_bytes / 1e9, 1), round(found.network_in / 1e6), round(found.producer_cores, 1)
    (7.0, 115, 1.9)
    """
    size = wanted.rate * wanted.record_bytes
    batches = wanted.rate / max(wanted.records_a_batch, 1.0)
    batch_us = BATCH_US + BYTE_US * (max(wanted.records_a_batch, 1.0) - 1) * wanted.record_bytes
    alone = batches * batch_us / 1e6
    read = batches * READ_US * wanted.groups / 1e6
    one_is_enough = alone + read <= BUSY_SHARE and not wanted.replicas
    append = alone if one_is_enough else alone * CLUSTER_TIMES
    masters = 1 if one_is_enough else max(3, ceil((append + read) / BUSY_SHARE))
    handlers = None if wanted.handler_ms is None else wanted.rate * wanted.handler_ms / 1000
    return Estimate(
        batches=batches,
        append_cores=append,
        read_cores=read,
        masters=masters,
        network_in=size * WIRE_IN_A_BYTE,
        network_out=size * (WIRE_OUT_A_BYTE * wanted.groups + WIRE_IN_A_BYTE * wanted.replicas),
        memory_bytes=size * wanted.memory_a_byte * wanted.retention_s,
        file_rate=size * FILE_A_BYTE,
        producer_cores=wanted.rate * PRODUCER_US / 1e6,
        consumer_cores=wanted.rate * CONSUMER_US / 1e6 * wanted.groups,
        handlers=handlers,
        partitions=max(
            1 if masters == 1 else masters * PARTITIONS_A_MASTER, 0 if handlers is None else ceil(handlers)
        ),
    )
