"""One process of a load: `python -m streamlab.lab.loads NAME RUN producer|reader|stall NUMBER`."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import streamlab
from streamlab.errors import StreamlabError

from . import handling, sending, stalling
from .desired import Loads
from .watching import Watch

ROLES = {"producer": sending, "reader": handling, "stall": stalling}


def main() -> None:
    name, run, role, number = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING, format=f"lab {name} {role}-{number}: %(message)s")
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    try:
        with streamlab.connect() as broker:
            desired = Loads(broker.connection).get(name)
            if desired is None or desired.run != run:
                return  # it was stopped while this process started
            watch = Watch(broker.connection, desired)
            ROLES[role].run(broker, watch, int(number), stop)
            watch.close()
    except StreamlabError as error:
        sys.exit(f"lab {name} {role}-{number}: {error}")


if __name__ == "__main__":
    main()
