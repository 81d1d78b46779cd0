"""Invoicing: a worker whose handler fails the way that handlers do, so that there is something to retry and replay.

What fails is decided by the order's number, so a repeat meets the same fate: of 1,000 payments about

    30  meet a bank that does not answer, once to three times, and succeed in the end
     4  meet an expired card and die at once; a replay finds a new card and succeeds
     1  meets a mistake in this very handler, and dies again at every replay
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from ...delivery.policy import RetryPolicy
from ...delivery.verdicts import Permanent
from ...model import ConsumerRecord

RETRY = RetryPolicy(base_ms=500, cap_ms=10_000, max_attempts=4)

_EXPIRED_CARD, _MISTAKE, _SILENT_BANK = 0.004, 0.005, 0.035


class BankTimeoutError(TimeoutError):
    """Raised when the bank does not answer in time. It will, later."""


class CardExpiredError(Permanent):
    """Raised when the card is not valid any more. No repeat changes that; a new card does."""


def write_invoice(record: ConsumerRecord, context: Any) -> None:
    """The handler. There is nobody to write to."""
    if record.value is None or record.header("ce_type") != b"payment.captured":
        return
    payment = orjson.loads(record.value)
    order = str(payment.get("order"))
    luck = luck_of(order)
    if luck < _EXPIRED_CARD:
        if context.attempt == 1:
            raise CardExpiredError(f"The card of order {order} has expired.")
    elif luck < _MISTAKE:
        _ = payment["address"]["street"]  # no payment has one: the mistake
    elif luck < _SILENT_BANK and context.attempt <= 1 + int(luck * 10_000) % 3:
        raise BankTimeoutError(f"No answer from the bank for order {order} within 2 s.")


def luck_of(order: str) -> float:
    """0..1, always the same for an order.

    >>> luck_of("O-1") == luck_of("O-1")
    True
    """
    return int.from_bytes(blake2b(order.encode(), digest_size=6).digest()) / 2**48
