"""Running clients as they see themselves."""

from __future__ import annotations

import pytest
from django.test import Client

from streamlab.broker import Broker
from streamlab.configs.store import Configs
from streamlab.metrics.telemetry import read_all
from tests.builders import a_topic, numbered, read
from tests.waiting import until

pytestmark = pytest.mark.django_db


def html_of(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, response.content.decode()[:500]
    return response.content.decode()


def instance_of(broker: Broker, client_id: str) -> str:
    def known() -> str | None:
        found = read_all(broker.connection).values()
        return next((c.instance for c in found if c.client_id == client_id and c.metrics), None)

    found = until(known, 60, f"{client_id} says how it is")
    assert found
    return found


def test_a_producer_and_a_consumer_are_listed_with_their_figures_and_settings(visitor, broker):
    topic = a_topic(broker)
    with (
        broker.producer(client_id="checkout") as producer,
        broker.consumer(topic, group_id="g", client_id="reader", auto_offset_reset="earliest") as consumer,
    ):
        for value in numbered(50):
            producer.send(topic, value)
        producer.flush()
        read(consumer, 50)
        checkout, reader = instance_of(broker, "checkout"), instance_of(broker, "reader")
        html = html_of(visitor, "/clients/")
        assert f"/clients/{checkout}/" in html and f"/clients/{reader}/" in html and "/groups/g/" in html
        assert "checkout" not in html_of(visitor, "/clients/", q="reader").partition("<tbody>")[2]
        html = html_of(visitor, f"/clients/{checkout}/")
        assert "batch-size-avg" in html and "linger_ms" in html
        Configs(broker.connection).set("client:checkout", {"linger_ms": 40})
        until(
            lambda: read_all(broker.connection)[checkout].values["linger_ms"] == 40,
            20,
            "it has taken the setting",
        )
        assert "client:checkout" in html_of(visitor, f"/clients/{checkout}/")


def test_no_client_and_a_client_that_is_gone(visitor, broker):
    assert "No client runs" in html_of(visitor, "/clients/")
    response = visitor.get("/clients/checkout~1/")
    assert response.status_code == 404
    assert "There is no client" in response.content.decode()


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "a/b?c#d", "\u202ex"])
def test_hostile_client_ids_are_text(visitor, broker, name):
    topic = a_topic(broker)
    with broker.producer(client_id=name) as producer:
        producer.send(topic, b"x").get(30)
        instance_of(broker, name)
        html = html_of(visitor, "/clients/")
        assert "<img src=x" not in html
        assert ">\u202e" not in html, "in an attribute it turns nothing around"
