"""The process of a load that holds up the server: one slow command after the other, as a careless script sends them."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from ... import keys
from ...errors import StreamlabError
from .watching import Watch

log = logging.getLogger(__name__)


def run(broker: Any, watch: Watch, number: int, stop: threading.Event) -> None:
    """Until `stop`, or until the load is over. On a cluster the server that has the loads is the one held up."""
    next_at = time.monotonic()
    while not stop.wait(max(0.0, next_at - time.monotonic())) and not watch.over:
        wanted = watch.look().load.stalls
        next_at = max(time.monotonic(), next_at + wanted.every_ms / 1000)
        try:
            broker.connection.run("lab/stall", [keys.LAB_LOADS], [wanted.ms])
        except StreamlabError as error:
            log.warning("It waits: %s", error)
            stop.wait(1.0)
