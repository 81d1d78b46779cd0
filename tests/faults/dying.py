"""Does something with dead letters in a process of its own, which kills itself when it is about to tell of it:

python -m tests.faults.dying URL EVENT discard|restore|run|cancel NAME

EVENT is the name of the event that is never written; NAME a topic of dead letters, or a replay job.
"""

from __future__ import annotations

import os
import signal
import sys

import streamlab
from streamlab.broker import Broker
from streamlab.delivery.dead_letters import EVERYTHING, DeadLetters
from streamlab.events import Event, Journal
from streamlab.events.base import full_type

_write = Journal.write


def write_unless(name: str) -> None:
    """Die with SIGKILL instead of writing an event of that name."""

    def write(self: Journal, event: Event) -> None:
        if event.type == full_type(name):
            os.kill(os.getpid(), signal.SIGKILL)
        _write(self, event)

    Journal.write = write  # type: ignore[assignment, method-assign]


def act(broker: Broker, what: str, name: str) -> None:
    match what:
        case "discard":
            letters = DeadLetters.named(broker.connection, name)
            letters.discard(EVERYTHING, reason="test data", by="ann", execute=True)
        case "restore":
            DeadLetters.named(broker.connection, name).restore(EVERYTHING, by="bob", execute=True)
        case "run":
            broker.replays().run(name)
        case "cancel":
            broker.replays().cancel(name, by="carol")


if __name__ == "__main__":
    url, event_name, *action = sys.argv[1:]
    write_unless(event_name)
    with streamlab.connect(url) as connected:
        act(connected, *action)
