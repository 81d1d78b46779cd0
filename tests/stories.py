"""Lives of records, as events: what a worker, an operator and a group would tell."""

from __future__ import annotations

from typing import Any

from streamlab.events import (
    ConfigChanged,
    DeadLetterDiscarded,
    DeadLetterReplayed,
    DeadLetterRestored,
    Event,
    GroupRebalanced,
    MemberJoined,
    Move,
    OffsetsReset,
    PositionChange,
    RecordDeadLettered,
    RecordRecovered,
    RecordRetried,
)

START_MS = 1_700_000_000_000


class Life:
    """One record in one group; each call is the next thing that happens to it, a second after the last."""

    def __init__(self, offset: int = 41, group: str = "revenue", at_ms: int = START_MS, **place: Any):
        self.events: list[Event] = []
        self._who = {"group": group, "topic": "orders", "partition": 3, "offset": offset} | place
        self._who |= {"record_id": f"r-{offset}", "key": "MTc4NDE="}
        self._letter = {"dlq_topic": f"orders.{group}.dlq", "dlq_partition": 3, "dlq_offset": offset + 100}
        self._at_ms = at_ms
        self._attempt = 0
        self._replays = 0

    def fails(self, message: str = "no stock for order 7", **more: Any) -> Life:
        self._attempt += 1
        now = self._next()
        times = {
            "planned_ms": now - 20 if self._attempt > 1 else None,
            "started_ms": now - 10,
            "took_ms": 10.0,
        }
        return self._say(RecordRetried, due_ms=now + 900, **times, **_failure(message), **more)

    def dies(self, message: str = "no stock for order 7", cause: str = "exhausted", **more: Any) -> Life:
        self._attempt += 1
        self._next()
        return self._say(RecordDeadLettered, cause=cause, **_failure(message), **self._letter, **more)

    def is_replayed(self, by: str = "ann", **more: Any) -> Life:
        self._replays += 1
        self._next()
        return self._say(DeadLetterReplayed, target="group", by=by, **self._letter, **more)

    def is_discarded(self, reason: str = "spoiled") -> Life:
        self._next()
        return self._say(DeadLetterDiscarded, reason=reason, by="bob", **self._letter)

    def is_restored(self) -> Life:
        self._next()
        return self._say(DeadLetterRestored, by="bob", **self._letter)

    def recovers(self) -> Life:
        self._attempt += 1
        self._next()
        return self._say(RecordRecovered)

    def _next(self) -> int:
        self._at_ms += 1_000
        return self._at_ms

    def _say(self, kind: type[Event], **fields: Any) -> Life:
        common = {"at_ms": self._at_ms, "attempt": self._attempt, "replays": self._replays, "member": "m-1"}
        self.events.append(kind(**(self._who | common | fields)))
        return self


def _failure(message: str) -> dict[str, Any]:
    return {"exception": "shop.errors.OutOfStock", "message": message, "call_site": "shop/orders.py:book"}


def of_the_group() -> list[Event]:
    """One of each that is about no record."""
    moved = [Move(topic="orders", partition=0, before="m-1", after="m-2", standstill_ms=12.5)]
    return [
        MemberJoined(at_ms=START_MS, group="revenue", member="m-2", epoch=7),
        GroupRebalanced(
            at_ms=START_MS + 5, group="revenue", epoch=7, cause="joined", members_before=["m-1"],
            members_after=["m-1", "m-2"], moved=moved, took_ms=40.0,
        ),
        OffsetsReset(
            at_ms=START_MS + 9, group="revenue", strategy="to-earliest", repeated=41, by="ann",
            positions=[PositionChange(topic="orders", partition=0, before=41, after=0)],
        ),
        ConfigChanged(
            at_ms=START_MS + 11, entity_type="topic", entity="orders", name="retention.ms", after="1", by="ann"
        ),
    ]  # fmt: skip
