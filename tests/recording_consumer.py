"""A consumer as a process of its own that writes down what it read, then commits: python -m tests.recording_consumer.

Arguments: server URL, topic, group, file. One line a record: partition, offset, key, ce_id. Written before the commit,
so that a kill at any moment leaves at worst a repeat, as for every consumer with an effect outside the broker.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import streamlab
from streamlab.errors import CommitFailedError, StreamlabError


def main(url: str, topic: str, group: str, path: str) -> None:
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    with streamlab.connect(url) as broker, Path(path).open("a", buffering=1 << 20) as file:
        consumer = broker.consumer(
            topic,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=300,
        )
        while not stopping:
            records = [record for polled in consumer.poll(200).values() for record in polled]
            for record in records:
                key = record.key.decode() if record.key is not None else "-"
                file.write(f"{record.partition} {record.offset} {key} {record.header('ce_id').decode()}\n")
            file.flush()
            if records:
                try:
                    consumer.commit()
                except CommitFailedError:
                    pass  # they are another member's, who reads them again
                except StreamlabError as error:
                    if not error.retriable:
                        raise  # else they are committed with the next ones
        consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
