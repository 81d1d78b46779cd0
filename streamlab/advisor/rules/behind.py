"""Whether a group falls behind, and which of its members do: what all causes of lag have in common."""

from __future__ import annotations

from dataclasses import dataclass

from ...metrics.snapshot import GroupSnapshot
from .. import words
from ..finding import Number
from ..flows import GroupFlow, PartitionFlow
from ..limits import Limit

BEHIND = Limit("behind", 8, 4, "s", "lag of the slowest member, in seconds of what comes in to it")
GROWTH = Limit("growth", 0.05, 0.0, "share", "of what comes in to a member, the part that adds to its lag")

JUDGED = (
    f"The lag is worth {BEHIND.enter:g} s of what comes in or more, has grown by "
    f"{words.percent(GROWTH.enter)} of it or "
    "more for half a minute, and still grows."
)


@dataclass(frozen=True)
class Behind:
    """A group that falls behind."""

    group: GroupSnapshot
    flow: GroupFlow
    late: dict[str, list[PartitionFlow]]  # by owner: the members that fall behind
    well: dict[str, list[PartitionFlow]]  # those that keep up
    nobody: list[PartitionFlow]  # partitions without an owner whose lag grows

    @property
    def everywhere(self) -> bool:
        """Whether no member keeps up."""
        return not self.well

    @property
    def name(self) -> str:
        return self.group.group

    @property
    def subject(self) -> str:
        return f"group:{self.name}"

    @property
    def growing(self) -> float:
        """Records a second."""
        return max(0.0, self.flow.recent_slope)

    @property
    def symptom(self) -> str:
        parts = self.flow.partitions
        rising = sum(p.slope > 0 for p in parts)
        where = (
            "on all partitions"
            if rising == len(parts) and len(parts) > 1
            else f"on {rising} of {words.many(len(parts), 'partition')}"
        )
        return (
            f"Lag rises by {words.rate(self.growing)} {where}: {words.rate(self.flow.in_rate)} come in, "
            f"{words.rate(self.flow.out_rate)} are handled."
        )

    @property
    def numbers(self) -> tuple[Number, ...]:
        worst = max(filter(None, map(_behind_s, self.late.values())), default=self.flow.behind_s)
        return (
            Number("comes in", self.flow.in_rate, "records/s"),
            Number("is handled", self.flow.out_rate, "records/s"),
            Number("lag", self.flow.lag, "records"),
            Number("lag grows", self.growing, "records/s"),
            Number("behind", worst, "s", BEHIND.enter),
        )


def behind(group: GroupSnapshot, flow: GroupFlow | None, standing: bool) -> Behind | None:
    """None while it keeps up, or is not known for long enough. `standing`: it was found to be behind before."""
    if flow is None:
        return None
    late: dict[str, list[PartitionFlow]] = {}
    well: dict[str, list[PartitionFlow]] = {}
    for owner, partitions in flow.by_owner().items():
        (late if _falls_behind(partitions, standing) else well)[owner] = partitions
    unowned = [p for p in flow.partitions if p.owner is None]
    nobody = unowned if unowned and _falls_behind(unowned, standing) else []
    return Behind(group, flow, late, well, nobody) if late or nobody else None


def _falls_behind(partitions: list[PartitionFlow], standing: bool) -> bool:
    in_rate = sum(p.in_rate for p in partitions)
    if in_rate <= 0 or not BEHIND.beyond(_behind_s(partitions), standing):
        return False
    recent = sum(p.recent_slope for p in partitions) / in_rate
    if standing:
        return GROWTH.beyond(recent, True)
    return recent > 0 and GROWTH.beyond(sum(p.slope for p in partitions) / in_rate, False)


def _behind_s(partitions: list[PartitionFlow]) -> float | None:
    in_rate = sum(p.in_rate for p in partitions)
    return sum(p.lag for p in partitions) / in_rate if in_rate > 0 else None
