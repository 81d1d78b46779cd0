"""The one broker object of this process."""

from __future__ import annotations

from functools import cache

from django.conf import settings

import streamlab
from streamlab.broker import Broker
from streamlab.errors import KafkaConnectionError


@cache
def _connected(url: str) -> Broker:
    return streamlab.connect(url)


def broker() -> Broker:
    """Safe to share between threads. Raises KafkaConnectionError when no broker is configured."""
    if not settings.STREAMLAB_URL:
        raise KafkaConnectionError("No broker is running here, and STREAMLAB_URL names none elsewhere.")
    return _connected(settings.STREAMLAB_URL)
