"""The commits of a group: the newest of each partition with who made it, and what is known of those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from streamlab.metrics.commit_windows import SeenCommit
from streamlab.metrics.snapshot import GroupSnapshot
from streamlab.model import Commit, TopicPartition

from .figures import Figure, clock, count, moment, spell_duration
from .payload import visible

BY_RESET = "admin"
"""Whom a reset commits as."""


@dataclass(frozen=True)
class CommitRow:
    topic: str
    partition: int
    at: Figure
    offset: Figure
    by: str  # client id; member id when that member is gone
    by_title: str
    owner_epoch: int
    metadata: str
    earlier: str  # "9 earlier, one every 5 s"; "" when none is known
    before: str  # each of them: when and by how many records


def rows(
    group: GroupSnapshot,
    found: Mapping[TopicPartition, Commit],
    windows: Mapping[str, Sequence[SeenCommit]],
    now_ms: int,
) -> list[CommitRow]:
    """One a partition, in their order: by time they would change places with each commit."""
    clients = {member.member_id: member.client_id for member in group.members}
    return [
        _row(place, commit, windows.get(str(place), ()), clients, now_ms) for place, commit in found.items()
    ]


def _row(
    place: TopicPartition,
    commit: Commit,
    window: Sequence[SeenCommit],
    clients: Mapping[str, str],
    now_ms: int,
) -> CommitRow:
    by, title = _by(commit.owner, clients)
    seen = [c for c in window if c.at_ms < commit.commit_ms]
    return CommitRow(
        topic=place.topic,
        partition=place.partition,
        at=moment(commit.commit_ms or None, now_ms, "It was taken over and not committed since"),
        offset=count(commit.offset, "is the next offset to read"),
        by=visible(by),
        by_title=visible(title),
        owner_epoch=commit.owner_epoch,
        metadata=visible(commit.metadata),
        earlier=_earlier(seen, commit.commit_ms),
        before=_before(seen),
    )


def _by(owner: str, clients: Mapping[str, str]) -> tuple[str, str]:
    if not owner:
        return "", "It was committed from outside the group"
    if owner == BY_RESET:
        return "a reset", "Offsets were set by an operator"
    return clients.get(owner, owner), f"Member {owner}" + ("" if owner in clients else ", which is gone")


def _earlier(seen: Sequence[SeenCommit], newest_ms: int) -> str:
    if not seen or newest_ms <= seen[0].at_ms:
        return ""
    return f"{len(seen)} earlier, one every {spell_duration((newest_ms - seen[0].at_ms) / len(seen))}"


def _before(seen: Sequence[SeenCommit]) -> str:
    """
    >>> _before([SeenCommit(1_700_000_000_000, 5, 9), SeenCommit(1_700_000_005_000, 9, 9)])
    '22:13:25 offset 9 (+4); 22:13:20 offset 5'
    """
    steps = [
        f"{clock(after.at_ms)} offset {after.offset:,} ({after.offset - before.offset:+,})"
        for before, after in pairwise(seen)
    ]
    first = [f"{clock(seen[0].at_ms)} offset {seen[0].offset:,}"] if seen else []
    return "; ".join(reversed([*first, *steps]))
