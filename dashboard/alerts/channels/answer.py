"""What a receiver said, or why it said nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    told: bool
    words: str  # "HTTP 200 OK in 12 ms"; names no secret
    final: bool = False  # not told, and trying again soon would end the same
    response: str = ""  # how what it sent back begins; for Admins
