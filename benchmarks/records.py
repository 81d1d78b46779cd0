"""What is sent: records of 107 bytes, a 7-byte key and a 100-byte value."""

from __future__ import annotations

import random

KEY_BYTES, VALUE_BYTES = 7, 100
RECORD_BYTES = KEY_BYTES + VALUE_BYTES
CUSTOMERS = 10_000
"""Distinct keys, unless every key is new."""

Record = tuple[bytes, bytes]


def of_customers(count: int, seed: int = 1) -> list[Record]:
    """Keys drawn evenly from `CUSTOMERS`, values of random bytes."""
    rng = random.Random(seed)
    values = [rng.randbytes(VALUE_BYTES) for _ in range(1_000)]
    names = [b"%07d" % n for n in range(CUSTOMERS)]
    return list(zip(rng.choices(names, k=count), rng.choices(values, k=count), strict=True))


def of_strangers(count: int, seed: int = 1) -> list[Record]:
    """The same with every key used once."""
    values = of_customers(count, seed)
    return [(b"%07d" % n, value) for n, (_, value) in enumerate(values)]
