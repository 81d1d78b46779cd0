"""A process that compacts one partition again and again until it is killed: `python -m … URL TOPIC`.

It does so in many small calls, so that a kill most often comes in the middle of a pass, and says each pass it finished.
"""

from __future__ import annotations

import sys

import streamlab
from streamlab import compaction
from streamlab.compaction import cleaner
from streamlab.model import TopicPartition
from streamlab.topics import Topics


def main(url: str, topic: str) -> None:
    cleaner.ENTRIES_A_CALL = 3
    with streamlab.connect(url) as broker:
        connection, place = broker.connection, TopicPartition(topic, 0)
        spec = Topics(connection).require(topic)
        while True:
            now_ms = connection.server_time_ms()
            edge = compaction.edges(connection, [(place, spec)], now_ms).get(place)
            if edge is not None:
                print(compaction.compact(connection, place, spec, edge, now_ms).done, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
