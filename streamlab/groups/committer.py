"""Commits what one consumer has read, under the owner epochs of its partitions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..connection import Connection
from ..errors import (
    IllegalArgumentError,
    InvalidGroupIdError,
    NonEmptyGroupError,
    StreamlabError,
    reply_code,
)
from ..model import Commit, EntryId, OffsetAndMetadata, TopicPartition
from . import offsets
from .offsets import NewCommit
from .words import group_keys

log = logging.getLogger(__name__)

NO_EPOCH = -1
"""Owner epoch of a partition that was not taken from a group: read alone, or assigned by hand."""


class ReadUpTo(NamedTuple):
    """A consumer's place in a partition."""

    offset: int  # next to read
    entry: EntryId | None  # that holds offset - 1, where known
    metadata: str = ""


Places = dict[TopicPartition, ReadUpTo]


class Committer:
    """Knows what is committed, so that nothing is committed twice. `epochs` is shared with the assignment."""

    def __init__(self, connection: Connection, config: dict[str, Any], epochs: dict[TopicPartition, int]):
        self._connection = connection
        self._config = config
        self._epochs = epochs
        self._hand = config["client_id"].replace(" ", "_")  # owner of what was assigned by hand
        self.known: dict[TopicPartition, int] = {}  # committed offsets as far as this consumer knows
        self.steps: Callable[[TopicPartition], int] = lambda partition: 0  # what a commit relies on

    @property
    def group_id(self) -> str:
        """Raises InvalidGroupIdError when there is no group."""
        group_id: str | None = self._config["group_id"]
        if group_id is None:
            raise InvalidGroupIdError("This consumer has no group_id, so it has no commits.")
        return group_id

    @property
    def automatic(self) -> bool:
        return self._config["group_id"] is not None and bool(self._config["enable_auto_commit"])

    def fetch(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Commit]:
        """What is stored; nothing for a consumer without a group."""
        if self._config["group_id"] is None:
            return {}
        return offsets.fetch(self._connection, self.group_id, partitions)

    def news(self, places: Places) -> Places:
        """Those that are not committed yet."""
        return {p: place for p, place in places.items() if self.known.get(p) != place.offset}

    def commit(self, places: Places, member_id: str | None) -> set[TopicPartition]:
        """Commit them as that member, None for an assignment by hand.

        Returns the partitions that have another owner now; nothing was committed for those.
        Raises NonEmptyGroupError when the assignment is by hand and the group has running members.
        """
        if not places:
            return set()
        if member_id is None:
            return self._commit_by_hand(places)
        return self._commit(places, member_id)

    def _commit_by_hand(self, places: Places) -> set[TopicPartition]:
        """An owner epoch of one's own, as long as nobody is a member. Who was overtaken, by an operator or another
        hand, is refused once, so that it is told, and may then commit again."""
        self._fence([p for p in places if self._epochs[p] == NO_EPOCH])
        failed = self._commit(places, self._hand)
        self._epochs.update(dict.fromkeys(failed, NO_EPOCH))
        return failed

    def _commit(self, places: Places, owner: str) -> set[TopicPartition]:
        new = {
            p: NewCommit(at.offset, at.entry, self._epochs[p], owner, at.metadata, self.steps(p))
            for p, at in places.items()
        }
        results = offsets.commit(self._connection, self.group_id, new)
        failed = {p for p, result in results.items() if isinstance(result, Exception)}
        self.known.update({p: places[p].offset for p in places if p not in failed})
        return failed

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self.known.pop(partition, None)

    def _fence(self, partitions: list[TopicPartition]) -> None:
        """An assignment by hand commits under owner epochs too, which it gets only while the group has no members."""
        for partition in partitions:
            try:
                epoch = self._connection.run(
                    "groups/fence", group_keys(self.group_id), [f"{self._hand} commits by hand", "", 0]
                )
            except StreamlabError as error:
                if reply_code(error) != "NON_EMPTY_GROUP":
                    raise
                raise NonEmptyGroupError(
                    f"Group {self.group_id!r} has running members, so its offsets cannot be committed by hand. "
                    "Stop them, or use another group_id."
                ) from error
            claimed = offsets.claim(self._connection, self.group_id, self._hand, {partition: epoch})
            if isinstance(claimed[partition], Commit):
                self._epochs[partition] = epoch


def places_of(given: Mapping[TopicPartition, OffsetAndMetadata | int], read: Places) -> Places:
    """Positions as the caller of commit() writes them. Raises IllegalArgumentError."""
    places: Places = {}
    for partition, position in given.items():
        offset, metadata = (
            (position, "") if isinstance(position, int) else (position.offset, position.metadata or "")
        )
        if offset < 0:
            raise IllegalArgumentError(f"An offset is a whole number from 0, not {offset}.")
        at = read.get(partition)
        places[partition] = ReadUpTo(
            offset, at.entry if at is not None and at.offset == offset else None, metadata
        )
    return places
