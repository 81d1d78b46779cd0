"""Records with a schema, in one process, from dict to dict: how many a second through produce and consume?

Avro         AvroSerializer → send() → poll() → AvroDeserializer, an order of eight fields; both ways are timed together
Avro, held   the same on a topic with `schema.validation` = reject: each value is decoded once more before it is sent
JSON         JsonSerializer and JsonDeserializer: jsonschema looks at every value twice
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import streamlab
from streamlab.schemas import (
    AvroDeserializer,
    AvroSerializer,
    JsonDeserializer,
    JsonSerializer,
    SchemaRegistry,
)

from .findings import Figure, Finding, Outcome
from .rounds import alternate, spread
from .scale import Scale
from .server import Server

PART = "schemas"
GOAL = 20_000.0
_TIMEOUT_S = 300.0
_FEWER = {"Avro": 5, "Avro, held": 10, "JSON": 50}
"""Of the records of the consume part: what takes longer is done less often."""

AVRO = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "customer", "type": "string"},
            {"name": "country", "type": ["null", "string"], "default": None},
            {"name": "total", "type": "double"},
            {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["OPEN", "PAID", "SENT"]}},
            {"name": "at_ms", "type": "long"},
            {"name": "tags", "type": {"type": "array", "items": "string"}},
            {"name": "gift", "type": "boolean"},
        ],
    }
)
JSON = json.dumps(
    {
        "title": "Order",
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "customer": {"type": "string", "maxLength": 40},
            "country": {"type": ["string", "null"]},
            "total": {"type": "number", "minimum": 0},
            "state": {"enum": ["OPEN", "PAID", "SENT"]},
            "at_ms": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "gift": {"type": "boolean"},
        },
        "required": ["id", "customer", "total", "state"],
        "additionalProperties": False,
    }
)


def orders(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": n,
            "customer": f"customer-{n % 10_000}",
            "country": "DE" if n % 3 else None,
            "total": n % 997 / 7,
            "state": ("OPEN", "PAID", "SENT")[n % 3],
            "at_ms": 1_700_000_000_000 + n,
            "tags": ["web", "new"][: n % 3],
            "gift": n % 5 == 0,
        }
        for n in range(count)
    ]


def run(server: Server, scale: Scale) -> Outcome:
    turns = {
        who: partial(through, server, orders(max(1_000, scale.consumed // fewer)), who)
        for who, fewer in _FEWER.items()
    }
    measured = alternate(turns, scale.rounds)
    figures = [Figure(PART, who, spread(rates), "rec/s") for who, rates in measured.items()]
    return Outcome([_finding(who, rates) for who, rates in measured.items()], figures, [])


def _finding(who: str, rates: list[float]) -> Finding:
    middle, low, high = spread(rates)
    judged = who == "Avro"
    figure = f"{middle:,.0f} rec/s ({low:,.0f}–{high:,.0f})"
    return Finding(
        PART,
        f"{who}, there and back",
        figure,
        f"≥ {GOAL:,.0f} rec/s" if judged else "",
        middle >= GOAL if judged else None,
    )


def through(server: Server, sent: list[dict[str, Any]], who: str) -> float:
    """Records a second, from the first send() to the last record that poll() returned."""
    server.empty()
    with streamlab.connect(server.url) as broker, SchemaRegistry(broker.connection) as registry:
        held = {"schema.validation": "reject"} if who == "Avro, held" else {}
        broker.admin().create_topics({"bench": {"num_partitions": 6, "configs": held}})
        serializer: Any = JsonSerializer(registry, JSON) if who == "JSON" else AvroSerializer(registry, AVRO)
        deserializer: Any = JsonDeserializer(registry) if who == "JSON" else AvroDeserializer(registry)
        started = time.perf_counter()
        with broker.producer(value_serializer=serializer) as producer:
            for order in sent:
                producer.send("bench", order, key=b"%d" % order["id"])
            producer.flush()
        with broker.consumer(
            "bench", auto_offset_reset="earliest", value_deserializer=deserializer
        ) as consumer:
            read: list[Any] = []
            while len(read) < len(sent):
                for records in consumer.poll(timeout_ms=1_000).values():
                    read += [record.value for record in records]
                if time.perf_counter() - started > _TIMEOUT_S:
                    raise TimeoutError(f"Only {len(read)} of {len(sent)} records came.")
            took = time.perf_counter() - started
    assert sorted(order["id"] for order in read) == list(range(len(sent)))
    return len(sent) / took
