"""What a record takes of the server's memory: batches in every codec, against one record an entry.

Records are orders as JSON, padded with the text of a note to exactly 100 or 1,000 bytes, with a key of 7 bytes. Such
text is compressible as events are, and rather more; random bytes would make every codec look alike. Both sides store
the same keys and values.

plain XADD   one record an entry with two fields, key and value, as most programs write streams
Streamlab    send() with default settings (batches of 16 KiB) and each codec, into one partition
"""

from __future__ import annotations

import json
import random
from functools import partial

import streamlab
from streamlab import codec

from .findings import Figure, Finding, Outcome
from .records import Record
from .rounds import Spread, ratios, spread
from .scale import Scale
from .server import Server

PART = "memory"
SIZES = (100, 1_000)
PLAIN = "plain XADD"
CUSTOMERS = 10_000
_PIPELINE = 500
_TIMEOUT_S = 120.0
_WORDS = (
    "gift",
    "lamp",
    "heart",
    "white",
    "red",
    "vintage",
    "set",
    "box",
    "card",
    "holder",
    "sign",
    "metal",
    "small",
)


def run(server: Server, scale: Scale) -> Outcome:
    findings, figures = [], []
    for size in SIZES:
        sent = orders(max(1_000, scale.added * SIZES[0] // size), size)
        took = _measure(server, sent, min(scale.rounds, 3))
        figures += [Figure(PART, _who(name, size), spread(its), "B/record") for name, its in took.items()]
        findings += [
            _finding(name, size, spread(ratios(its, took[PLAIN])))
            for name, its in took.items()
            if name != PLAIN
        ]
    return Outcome(findings, figures, [])


def _measure(server: Server, sent: list[Record], rounds: int) -> dict[str, list[float]]:
    """Bytes a record by contestant, one figure a round."""
    turns = {PLAIN: partial(plain, server, sent)}
    turns |= {name: partial(ours, server, sent, name) for name in codec.COMPRESSIONS}
    took: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            took[name].append(turn())
    return took


def orders(count: int, size_bytes: int, seed: int = 1) -> list[Record]:
    """Keys of 7 bytes and values of exactly so many.

    >>> [(len(key), len(value)) for key, value in orders(2, 100)]
    [(7, 100), (7, 100)]
    """
    rng = random.Random(seed)
    return [_order(rng, n, size_bytes) for n in range(count)]


def _order(rng: random.Random, number: int, size_bytes: int) -> Record:
    about = {
        "order": number,
        "sku": rng.randrange(4_000),
        "qty": rng.randint(1, 40),
        "price": rng.randrange(9_999),
        "note": "",
    }
    value = json.dumps(about, separators=(",", ":"))
    room = size_bytes - len(value)
    note = ""
    while len(note) < room:
        note += rng.choice(_WORDS) + " "
    text = value[:-2] + note[:room] + '"}'
    return b"%07d" % rng.randrange(CUSTOMERS), text.encode()


def plain(server: Server, sent: list[Record]) -> float:
    before = _empty(server)
    for start in range(0, len(sent), _PIPELINE):
        pipe = server.client.pipeline(transaction=False)
        for key, value in sent[start : start + _PIPELINE]:
            pipe.xadd("plain", {"key": key, "value": value})
        pipe.execute()
    return (_used(server) - before) / len(sent)


def ours(server: Server, sent: list[Record], name: str) -> float:
    before = _empty(server)
    with streamlab.connect(server.url) as broker:
        broker.admin().create_topics(["bench"])
        with broker.producer(compression_type=name) as producer:
            for key, value in sent:
                producer.send("bench", value, key)
            producer.flush(_TIMEOUT_S)
            assert producer.stats.records == len(sent), "a figure of records that were not stored is none"
    return (_used(server) - before) / len(sent)


def _empty(server: Server) -> int:
    server.empty()
    return _used(server)


def _used(server: Server) -> int:
    """By the server's data alone: what clients' buffers take comes and goes."""
    memory = server.client.info("memory")
    return int(memory["used_memory_dataset"])


def _who(name: str, size: int) -> str:
    return f"{name if name == PLAIN else f'ours, {name}'}, {size:,} bytes"


def _finding(name: str, size: int, ratio: Spread) -> Finding:
    middle, low, high = ratio
    what = f"{_who(name, size)} / {PLAIN}, memory"
    return Finding(PART, what, f"{middle:.2f} × ({low:.2f}–{high:.2f})", "≤ 1 ×", middle <= 1)
