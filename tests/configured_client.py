"""A producer or a consumer in a process of its own, working until it is killed: `KIND URL TOPIC CLIENT_ID GROUP`."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

import streamlab


def main(kind: str, url: str, topic: str, client_id: str, group: str) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    with streamlab.connect(url) as broker:
        if kind == "producer":
            with broker.producer(client_id=client_id) as producer:
                while True:
                    producer.send(topic, value=b"x" * 100)
                    time.sleep(0.01)
        with broker.consumer(
            topic, client_id=client_id, group_id=group, auto_offset_reset="earliest"
        ) as consumer:
            while True:
                consumer.poll(200)


if __name__ == "__main__":
    main(*sys.argv[1:])
