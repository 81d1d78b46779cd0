"""Rules that many installations want, one click away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MUTES_MIN = (30, 120, 24 * 60, 7 * 24 * 60)
"""How long a rule can be muted, in minutes."""


@dataclass(frozen=True)
class Preset:
    name: str  # of the rule, and on its button
    condition: str
    fields: Mapping[str, Any]  # of the rule, where they differ from what the condition proposes


PRESETS = (
    Preset("A group is stopped", "group-status", {"statuses": ["stopped"], "severity": "critical"}),
    Preset("A group loses records", "group-status", {"statuses": ["lost records"], "severity": "critical", "for_s": 0}),
    Preset("Dead letters rise", "dead-letters", {}),
    Preset("Lag older than 5 min", "group-time-lag", {"threshold": 300, "clear_at": 240}),
    Preset("Partitions that nobody reads", "unowned", {}),
    Preset("Memory above 90 %", "memory", {"severity": "critical"}),
    Preset("A client refuses a setting", "refusals", {}),
    Preset("A part of Streamlab is gone", "part", {"severity": "critical"}),
)  # fmt: skip
