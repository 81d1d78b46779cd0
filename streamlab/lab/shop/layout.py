"""Names and numbers of the shop: its topics, its groups, and where the events say they come from."""

from __future__ import annotations

from typing import NamedTuple

SOURCE = "/streamlab/simulated-shop"

ORDERS = "orders"
PAYMENTS = "payments"
SHIPMENTS = "shipments"

_BOUNDED = {"retention.ms": 24 * 3600 * 1000, "retention.bytes": 8 * 1024 * 1024}
"""A partition keeps a day, 8 MiB of it at most: the shop stays below 100 MiB, however long it runs."""


class Topic(NamedTuple):
    partitions: int
    keyed_by: str
    configs: dict[str, int]


TOPICS = {
    ORDERS: Topic(6, "customer: few buy much and many buy little, so the load is mildly uneven", _BOUNDED),
    PAYMENTS: Topic(3, "order: every key is new, so the load is even", _BOUNDED),
    SHIPMENTS: Topic(3, "carrier: four keys, so some partitions are hot and some stay empty", _BOUNDED),
}


class Department(NamedTuple):
    """A consumer group of the shop."""

    topics: tuple[str, ...]
    consumers: int  # wanted when nobody said otherwise
    max_poll_records: int
    worker: bool = False  # a handler with retries and dead letters, instead of a plain consumer


DEPARTMENTS = {
    "revenue": Department((PAYMENTS, ORDERS), 2, 500),
    "inventory": Department((ORDERS, SHIPMENTS), 1, 500),
    "notifications": Department((ORDERS,), 1, 25),
    "invoicing": Department((PAYMENTS,), 1, 500, worker=True),
}

MOST_CONSUMERS = 8
OPENS_AT_HOUR = 10.0
"""Whoever opens the shop sees it become busy, not asleep."""

EVENTS_PER_ORDER = 7.0
ORDER_SHARE = 4 / EVENTS_PER_ORDER
"""How many of all events stand in the topic orders."""

NOTIFICATIONS_HEADROOM = 1.2
"""Notifications can write so many times the mean number of events: too few by day, enough by night."""

DESIRED_KEY = "sl:shop:desired"  # hash: department -> number of consumers wanted
STATUS_KEY = "sl:shop:status"  # string with 10 s to live: JSON of what runs
REVENUE_KEY = "sl:shop:revenue"  # hash: country -> pence
STOCK_KEY = "sl:shop:stock"  # hash: article -> pieces
