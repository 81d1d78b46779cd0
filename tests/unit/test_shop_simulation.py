"""The simulated shop's events, given the time: how many, in which order, how unevenly."""

from collections import Counter, defaultdict
from random import Random

import pytest

from streamlab.lab.shop import rhythm
from streamlab.lab.shop.layout import DEPARTMENTS, EVENTS_PER_ORDER, ORDERS, TOPICS
from streamlab.lab.shop.orders import Simulation
from streamlab.partitioner import partition_for

DAY_S = 1440.0
DAY = rhythm.Day(DAY_S)


def a_day(events_per_s=80.0, seed=1):
    """Everything that happens in one whole day, after one that fills the pipeline."""
    simulation = Simulation(events_per_s, DAY, Random(seed))
    for _ in simulation.until(0.0):
        pass
    for _ in simulation.until(DAY_S):
        pass
    return list(simulation.until(2 * DAY_S))


@pytest.fixture(scope="module")
def day():
    return a_day()


def test_a_day_has_about_as_many_events_as_were_asked_for(day):
    assert len(day) == pytest.approx(80 * DAY_S, rel=0.05)
    placed = sum(happening.type == "order.placed" for happening in day)
    assert len(day) / placed == pytest.approx(EVENTS_PER_ORDER, rel=0.05)


def test_an_order_is_placed_paid_packed_shipped_and_delivered_in_this_order(day):
    lives = defaultdict(list)
    for happening in day:
        lives[happening.data["order"]].append(happening.type)
    whole = [
        life for life in lives.values() if life[0] == "order.placed" and life[-1] == "shipment.delivered"
    ]
    assert len(whole) > len(lives) * 0.7  # the others were refused, or began or ended on another day
    assert {tuple(life) for life in whole} == {
        (
            "order.placed",
            "payment.captured",
            "order.paid",
            "order.packed",
            "order.shipped",
            "shipment.dispatched",
            "shipment.delivered",
        )
    }
    refused = [life for life in lives.values() if "payment.refused" in life]
    assert 0.01 < len(refused) / len(lives) < 0.05
    assert all("order.packed" not in life for life in refused)


def test_everything_says_that_it_is_simulated(day):
    assert all(happening.data["simulated"] is True for happening in day)


def test_the_load_on_the_partitions_is_mildly_uneven(day):
    load = Counter(partition_for(h.key.encode(), TOPICS[ORDERS].partitions) for h in day if h.topic == ORDERS)
    mean = sum(load.values()) / TOPICS[ORDERS].partitions
    assert len(load) == TOPICS[ORDERS].partitions
    assert 1.15 < max(load.values()) / mean < 2.0


def test_a_late_look_misses_nothing():
    often, once = (Simulation(50.0, DAY, Random(7)) for _ in range(2))
    list(often.until(0.0)), list(once.until(0.0))
    seen = [happening for tick in range(1, 601) for happening in often.until(tick / 10)]
    assert Counter(map(repr, seen)).total() == pytest.approx(len(list(once.until(60.0))), rel=0.2)


def test_by_day_more_is_bought_than_notifications_can_write_and_by_night_less():
    from streamlab.lab.shop.layout import NOTIFICATIONS_HEADROOM

    factors = [rhythm.factor(hour) for hour in range(24)]
    assert max(factors) > NOTIFICATIONS_HEADROOM > 1.0 > min(factors)
    assert DEPARTMENTS["notifications"].consumers == 1
