"""The registry of this process: one copy in memory for all requests."""

from __future__ import annotations

from functools import cache

from dashboard.broker import broker
from streamlab.broker import Broker
from streamlab.schemas.registry import SchemaRegistry


@cache
def _registry(connected: Broker) -> SchemaRegistry:
    return SchemaRegistry(connected.connection)


def registry(by: str | None = None) -> SchemaRegistry:
    """Safe to share between threads. `by` is who acts. Raises KafkaConnectionError when no broker is configured."""
    return _registry(broker()).acting_for(by)
