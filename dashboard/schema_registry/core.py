"""The registry of this process: one copy in memory for all requests."""

from __future__ import annotations

from dashboard.broker import one_per_process
from streamlab.schemas.registry import SchemaRegistry

_registry = one_per_process(lambda connected: SchemaRegistry(connected.connection))


def registry(by: str | None = None) -> SchemaRegistry:
    """Safe to share between threads. `by` is who acts. Raises KafkaConnectionError when no broker is configured."""
    return _registry().acting_for(by)
