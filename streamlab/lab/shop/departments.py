"""The consumers: one process each, handling records and committing what it has handled."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from ...connection import Connection
from ...errors import GroupError, RetriableError, translated
from ...model import ConsumerRecord
from .layout import (
    DEPARTMENTS,
    NOTIFICATIONS_HEADROOM,
    ORDER_SHARE,
    REVENUE_KEY,
    STOCK_KEY,
)

log = logging.getLogger(__name__)

Handler = Callable[[list[ConsumerRecord]], None]

_RESTOCK_AT = 100
_RESTOCK = 5_000


def run(broker: Any, name: str, number: int, events_per_s: float, stop: threading.Event) -> None:
    """Work until `stop`, then leave the group. What was not committed is handled again by whoever follows."""
    department = DEPARTMENTS[name]
    if department.worker:
        _run_worker(broker, name, number, stop)
        return
    consumer = broker.consumer(
        *department.topics,
        group_id=name,
        client_id=f"shop-{name}-{number}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=department.max_poll_records,
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2_000,
    )
    handle = _handler(name, broker.connection, events_per_s, stop)
    try:
        while not stop.is_set():
            try:
                _one_round(consumer, handle)
            except (RetriableError, GroupError) as error:
                log.warning("%s-%d waits: %s", name, number, error)
                stop.wait(0.5)
    finally:
        consumer.close(autocommit=False)


def _run_worker(broker: Any, name: str, number: int, stop: threading.Event) -> None:
    from . import invoicing  # the other departments need nothing of it

    worker = broker.worker(
        *DEPARTMENTS[name].topics,
        group_id=name,
        handler=invoicing.write_invoice,
        retry=invoicing.RETRY,
        ordering="key",
        client_id=f"shop-{name}-{number}",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2_000,
        drain_timeout_ms=2_000,
    )
    with worker:
        stop.wait()


def _one_round(consumer: Any, handle: Handler) -> None:
    polled = consumer.poll(timeout_ms=500)
    if polled:
        handle([record for records in polled.values() for record in records])
        consumer.commit()


def _handler(name: str, connection: Connection, events_per_s: float, stop: threading.Event) -> Handler:
    if name == "revenue":
        return lambda records: _add_up(connection, records)
    if name == "inventory":
        return lambda records: _take_off_stock(connection, records)
    writes_per_s = events_per_s * ORDER_SHARE * NOTIFICATIONS_HEADROOM
    return lambda records: _write_to_customers(records, writes_per_s, stop)


def _add_up(connection: Connection, records: list[ConsumerRecord]) -> None:
    """Pence by country. A repeat counts twice: at least once is what this department promises."""
    paid: Counter[str] = Counter()
    for data in _data(records, b"payment.captured"):
        paid[str(data.get("country"))] += int(data.get("pence", 0))
    _add(connection, REVENUE_KEY, paid)


def _take_off_stock(connection: Connection, records: list[ConsumerRecord]) -> None:
    sold: Counter[str] = Counter()
    for data in _data(records, b"order.placed"):
        for line in data.get("lines", ()):
            sold[str(line["article"])] -= int(line["quantity"])
    left = _add(connection, STOCK_KEY, sold)
    low = Counter({article: _RESTOCK for article, pieces in left.items() if pieces < _RESTOCK_AT})
    _add(connection, STOCK_KEY, low)


def _write_to_customers(records: list[ConsumerRecord], writes_per_s: float, stop: threading.Event) -> None:
    """Takes the time that writing takes. There is nobody to write to."""
    stop.wait(len(records) / writes_per_s)


def _data(records: Iterable[ConsumerRecord], type: bytes) -> Iterable[dict[str, Any]]:
    """The events of one type. What somebody else put into the topic is passed over."""
    for record in records:
        if record.header("ce_type") != type or record.value is None:
            continue
        try:
            data = orjson.loads(record.value)
        except orjson.JSONDecodeError:
            continue
        if isinstance(data, dict):
            yield data


def _add(connection: Connection, key: str, amounts: Counter[str]) -> dict[str, int]:
    """Add to fields of a hash; what they are now."""
    with translated():
        pipe = connection.client.pipeline(transaction=False)
        for field, amount in amounts.items():
            pipe.hincrby(key, field, amount)
        return dict(zip(amounts, pipe.execute(), strict=True))
