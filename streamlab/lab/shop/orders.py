"""The simulation itself, without clock, network or process: given the time, which events happen?"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from . import rhythm
from .layout import EVENTS_PER_ORDER, ORDERS, PAYMENTS, SHIPMENTS

CUSTOMERS = 5_000
ARTICLES = 200
ZIPF = 0.9
"""The n-th best customer buys n^-0.9 as much as the best one, who makes about 7 % of all orders."""
REFUSED = 0.03
MOST_UNDER_WAY = 50_000
"""Orders whose life goes on; so many build up only while the server is away, and no more begin then."""

COUNTRIES = ("United Kingdom", "Germany", "France", "EIRE", "Spain", "Netherlands", "Belgium", "Switzerland")
_COUNTRY_WEIGHTS = (64, 10, 9, 6, 4, 3, 2, 2)
CARRIERS = ("swift", "royal", "pigeon", "bicycle")
_CARRIER_WEIGHTS = (60, 25, 10, 5)


class Happening(NamedTuple):
    """One event: where it goes, under which key, what it says."""

    topic: str
    key: str
    type: str
    data: dict[str, Any]


class _Order(NamedTuple):
    number: int
    customer: str
    country: str
    carrier: str
    lines: list[dict[str, Any]]
    pence: int

    @property
    def name(self) -> str:
        return f"O-{self.number}"


class Simulation:
    """Orders and what becomes of them. Times are seconds on any clock that is handed in."""

    def __init__(self, events_per_s: float, day: rhythm.Day, random: Random, first_order: int = 1):
        self._orders_per_s = events_per_s / EVENTS_PER_ORDER
        self._day = day
        self._random = random
        self._numbers = itertools.count(first_order)
        self._customer_weights = _zipf(CUSTOMERS)
        self._article_weights = _zipf(ARTICLES)
        self._next_order: float | None = None
        self._life: list[tuple[float, int, Iterator[tuple[float, list[Happening]]], list[Happening]]] = []
        self._tie = itertools.count()

    def until(self, now_s: float) -> Iterator[Happening]:
        """Everything that has happened since the last call, in the order in which it happened."""
        if self._next_order is None:
            self._next_order = now_s
        while self._next_order <= now_s or (self._life and self._life[0][0] <= now_s):
            if self._life and self._life[0][0] <= self._next_order:
                at, _, life, happenings = heapq.heappop(self._life)
                yield from happenings
                self._go_on(life, at)
            else:
                at = self._next_order
                rate = self._orders_per_s * rhythm.factor(self._day.hour(at))
                self._next_order = at + self._random.expovariate(rate)
                if len(self._life) < MOST_UNDER_WAY:
                    self._go_on(self._life_of(self._new_order()), at)

    def _go_on(self, life: Iterator[tuple[float, list[Happening]]], at: float) -> None:
        step = next(life, None)
        if step is not None:
            heapq.heappush(self._life, (at + step[0], next(self._tie), life, step[1]))

    def _new_order(self) -> _Order:
        random = self._random
        customer = random.choices(range(CUSTOMERS), cum_weights=self._customer_weights)[0]
        articles = random.choices(range(ARTICLES), cum_weights=self._article_weights, k=random.randint(1, 4))
        lines: list[dict[str, Any]] = [
            {"article": f"A-{100 + a}", "quantity": random.randint(1, 6), "pence": 95 + a * 37 % 2400}
            for a in dict.fromkeys(articles)
        ]
        return _Order(
            next(self._numbers),
            f"C-{10_000 + customer}",
            random.choices(COUNTRIES, _COUNTRY_WEIGHTS)[0],
            random.choices(CARRIERS, _CARRIER_WEIGHTS)[0],
            lines,
            sum(line["quantity"] * line["pence"] for line in lines),
        )

    def _life_of(self, order: _Order) -> Iterator[tuple[float, list[Happening]]]:
        """(seconds since the step before, what happens then): placed, paid, packed, shipped, delivered."""
        random = self._random
        yield (
            0.0,
            [_order(order, "order.placed", country=order.country, lines=order.lines, pence=order.pence)],
        )
        if random.random() < REFUSED:
            yield (
                random.uniform(0.5, 3),
                [
                    _payment(order, "payment.refused", reason="card declined"),
                    _order(order, "order.cancelled", reason="not paid"),
                ],
            )
            return
        yield random.uniform(0.5, 3), [_payment(order, "payment.captured"), _order(order, "order.paid")]
        yield random.uniform(5, 30), [_order(order, "order.packed", parcels=1 + order.pence // 20_000)]
        yield (
            random.uniform(5, 30),
            [
                _order(order, "order.shipped", carrier=order.carrier),
                _shipment(order, "shipment.dispatched"),
            ],
        )
        yield random.uniform(60, 180), [_shipment(order, "shipment.delivered")]


def _order(order: _Order, type: str, **more: Any) -> Happening:
    return Happening(ORDERS, order.customer, type, _data(order, more))


def _payment(order: _Order, type: str, **more: Any) -> Happening:
    return Happening(
        PAYMENTS, order.name, type, _data(order, {"country": order.country, "pence": order.pence} | more)
    )


def _shipment(order: _Order, type: str) -> Happening:
    return Happening(SHIPMENTS, order.carrier, type, _data(order, {"carrier": order.carrier}))


def _data(order: _Order, more: dict[str, Any]) -> dict[str, Any]:
    return {"order": order.name, "customer": order.customer, **more, "simulated": True}


def _zipf(n: int) -> list[float]:
    """Cumulated weights 1, 1 + 2^-s, ..."""
    return list(itertools.accumulate(rank**-ZIPF for rank in range(1, n + 1)))
