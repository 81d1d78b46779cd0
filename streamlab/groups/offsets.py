"""What the groups have committed: read, parsed, written under an owner epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .. import keys
from ..connection import Call, Connection
from ..errors import FencedMemberEpochError, UnknownTopicOrPartitionError, reply_code, translate, translated
from ..model import Commit, EntryId, TopicPartition

NOT_COMMITTED = -1

Refused = FencedMemberEpochError | UnknownTopicOrPartitionError
_ABSENT = "-"


class NewCommit(NamedTuple):
    """A position to be committed."""

    offset: int
    entry: EntryId | None
    owner_epoch: int
    owner: str
    metadata: str = ""
    steps: int = 0  # changes of the retry queue that it relies on; see commit.lua


def parse_commit(stored: bytes) -> Commit:
    """What `commit.lua` and `claim.lua` store.

    >>> commit = parse_commit(b"42 1700000000000-41 1700000000123 7 worker-1 by hand")
    >>> commit.offset, commit.entry.last_offset, commit.owner_epoch, commit.owner, commit.metadata
    (42, 41, 7, 'worker-1', 'by hand')
    """
    offset, entry, ms, epoch, owner, metadata = stored.decode().split(" ", 5)
    return Commit(
        int(offset),
        None if entry == _ABSENT else EntryId.parse(entry),
        int(ms),
        int(epoch),
        "" if owner == _ABSENT else owner,
        metadata,
    )


def fetch(
    connection: Connection, group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, Commit]:
    """The group's commits; a partition that it never committed is not in the answer."""
    wanted = list(partitions)
    with translated():
        pipe = connection.client.pipeline(transaction=False)
        for partition in wanted:
            pipe.hget(keys.commits(*partition), group_id)
        replies = pipe.execute()
    parsed = {p: parse_commit(reply) for p, reply in zip(wanted, replies, strict=True) if reply is not None}
    return {p: commit for p, commit in parsed.items() if commit.offset != NOT_COMMITTED}


def claim(
    connection: Connection, group_id: str, owner: str, epochs: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Commit | Refused]:
    """Fence each partition for `owner`: the commit it starts from, or why not: a newer owner, or it is gone."""
    with translated():
        replies = connection.run_many(
            [
                Call("claim", [keys.commits(*p), keys.meta(*p)], [group_id, epoch, owner])
                for p, epoch in epochs.items()
            ]
        )
    return {
        p: _refusal(r, p) if isinstance(r, Exception) else parse_commit(r)
        for p, r in zip(epochs, replies, strict=True)
    }


def commit(
    connection: Connection, group_id: str, commits: Mapping[TopicPartition, NewCommit]
) -> dict[TopicPartition, int | Refused]:
    """Commit each position: the server time of the commit in ms, or why not: another owner, or it is gone."""
    with translated():
        replies = connection.run_many(
            [
                Call(
                    "commit",
                    [
                        keys.commits(*partition),
                        keys.meta(*partition),
                        keys.retry("done", *partition, group_id),
                        keys.retry("counts", *partition, group_id),
                    ],
                    [
                        group_id,
                        c.offset,
                        str(c.entry) if c.entry else _ABSENT,
                        c.owner_epoch,
                        c.owner,
                        c.metadata,
                        c.steps,
                    ],
                )
                for partition, c in commits.items()
            ]
        )
    return {
        p: _refusal(r, p) if isinstance(r, Exception) else r for p, r in zip(commits, replies, strict=True)
    }


def _refusal(error: Exception, partition: TopicPartition) -> Refused:
    code = reply_code(error)
    if code == "FENCED":
        _, epoch, words = str(error).split(" ", 2)
        return FencedMemberEpochError(f"{partition} has another owner now: {epoch} {words}.", int(epoch))
    if code == "TAKEN_BACK":
        return FencedMemberEpochError(f"What was done on {partition} was taken back by a failover.")
    if code == "UNKNOWN_PARTITION":
        return UnknownTopicOrPartitionError(f"{partition} does not exist any more.")
    raise translate(error) from error
