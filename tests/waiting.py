"""Waiting for what must come true, up to a deadline, instead of sleeping for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(true: Callable[[], T], timeout_s: float = 60.0, what: str = "") -> T:
    """The first truthy answer of `true()`. Fails the test when there was none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = true()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s:g} s: {what or true}")
        time.sleep(0.02)
