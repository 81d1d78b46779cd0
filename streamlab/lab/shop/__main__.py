"""One process of the shop: `python -m streamlab.lab.shop EVENTS_PER_S DAY_S BEGAN_S storefront|DEPARTMENT NUMBER`."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import streamlab
from streamlab.errors import StreamlabError

from . import departments, storefront
from .rhythm import Day


def main() -> None:
    events_per_s, day_s, began_s, role, number = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING, format=f"shop {role}-{number}: %(message)s")
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    try:
        with streamlab.connect() as broker:
            if role == "storefront":
                day = Day(float(day_s), float(began_s))
                storefront.run(broker, float(events_per_s), day, stop)
            else:
                departments.run(broker, role, int(number), float(events_per_s), stop)
    except StreamlabError as error:
        sys.exit(f"shop {role}-{number}: {error}")


if __name__ == "__main__":
    main()
