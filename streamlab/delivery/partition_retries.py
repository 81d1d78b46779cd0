"""The owner's side of a retry queue: what one worker does with the queue of one partition that it owns.

Each step is one script, fenced by the owner epoch, and safe to repeat when its answer was lost: a record is known by
its offset, a lease by its turn. So steps are made as calls here, gathered by the worker, and sent many at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .. import keys
from ..connection import Call, Connection
from ..model import TopicPartition
from ..replies import pairs
from .retry_queue import QueuedRecord, make_known, pack, queue_keys, unpack

NO_CHAIN = "-"
WHOLE_PARTITION = "*"
UNCOMMITTED_MS = 20
"""What keeps an order and is due, but not committed yet, is looked at again after this."""
_STATES_A_PAGE = 1_000


def chain_of_key(key: bytes) -> str:
    """What the records of one key are linked by."""
    return hashlib.sha1(key, usedforsecurity=False).hexdigest()


class Inheritance(NamedTuple):
    """What an owner finds when it takes a partition."""

    committed: int  # -1: nothing was committed
    settled: set[
        int
    ]  # offsets from there on that are in the queue, or done: the main stream must not do them again
    chains: set[str]  # that are not empty
    outbox: dict[str, bytes]  # what the owner before had not told yet
    returned: int  # leases that its owner left behind
    records: int  # in the queue
    numbering: Numbering
    steps: int  # see `Leased`


class Numbering(NamedTuple):
    """How a partition's dead letters are numbered as records of a producer."""

    epoch: int
    first: int  # number of the letter that has sequence 0


@dataclass(frozen=True)
class Lease:
    """A record that is to be tried now."""

    id: str
    turn: str  # a lease of the same record taken later has another one
    planned_ms: int  # when it was due, server time
    losses: int  # how often a worker died that had it in hand; since the second one: that had begun with it
    chain: str
    record: QueuedRecord
    follows: bool  # another one of its chain, which is leased too: it is handled after that


class Leased(NamedTuple):
    next_due_ms: int | None  # from now; None: nothing else waits
    records: int  # in the queue
    committed: int  # -1: nothing was committed
    steps: int  # changes that owners made here; fewer than an owner knows of: a failover took some back
    leases: list[Lease]


class Settled(NamedTuple):
    """What the queue says to a settled lease."""

    ours: bool  # False: it was another's by now, or settled before; nothing was done
    chain_empty: bool
    letter: int  # number of the dead letter; -1: there is none
    follows: bool  # somebody was parked behind it, who is due now


class PartitionRetries:
    """Makes the calls and reads the answers. `owner` and `epoch` are those of the partition's claim."""

    def __init__(self, group_id: str, partition: TopicPartition, owner: str, epoch: int):
        self.group_id = group_id
        self.partition = partition
        self._keys = queue_keys(group_id, partition)
        self._outbox = keys.retry("outbox", *partition, group_id)
        self._fence = (group_id, epoch, owner)

    def _call(self, name: str, *args: Any) -> Call:
        return Call(f"delivery/{name}", self._keys, [*self._fence, *args])

    # -- taking the partition -------------------------------------------------------------------------------------

    def take_over(self, connection: Connection) -> Inheritance:
        """Raises StreamlabErrors, one that says FENCED when the partition is another's; it may be repeated."""
        make_known(connection, self.group_id, [self.partition.topic])
        call = self._call("take_over")
        reply = connection.run(call.script, call.keys, call.args)
        committed, skip, outbox, returned, records, numbering, steps = reply
        settled, chains = {int(id) for id in skip}, set()
        for id, state in self._states(connection):
            if id.isdigit() and int(id) >= int(
                committed
            ):  # a replay's id is no number: the main stream knows it not
                settled.add(int(id))
            chains.add(state.rpartition(b" ")[2].decode())
        return Inheritance(
            int(committed),
            settled,
            chains - {NO_CHAIN},
            parse_outbox(outbox),
            int(returned),
            int(records),
            _numbering(numbering),
            int(steps),
        )

    def _states(self, connection: Connection) -> Iterator[tuple[bytes, bytes]]:
        """Of all records in the queue, some more than once; in pages, for there may be very many replays."""
        name, cursor = keys.retry("state", *self.partition, self.group_id), 0
        while True:
            [(cursor, found)] = connection.execute_many([("HSCAN", name, cursor, "COUNT", _STATES_A_PAGE)])
            yield from pairs(found)
            if int(cursor) == 0:
                return

    # -- the main stream ------------------------------------------------------------------------------------------

    def fail(self, record: QueuedRecord, due_ms: float, chain: str, field: str, event: bytes) -> Call:
        """It failed and is to be tried again. Answer: 1, or 0 when it was known."""
        return self._call("fail", record.id, int(due_ms), chain, pack(record), field, event)

    def park(self, chain: str, records: Sequence[QueuedRecord]) -> Call:
        """They wait behind an earlier one. Answer: how many are new; -1 when nobody is before them."""
        args: list[Any] = []
        for record in records:
            args += [record.id, pack(record)]
        return self._call("park", chain, *args)

    def bury(self, offset: int, letter: bytes) -> Call:
        """It is given up at its first attempt. Answer: the letter's number; -1 when the record was known."""
        return self._call("bury", offset, letter)

    def tell(self, field: str, event: bytes) -> Call:
        """It was handled, and that is an event."""
        return self._call("tell", field, event)

    # -- retries --------------------------------------------------------------------------------------------------

    def lease(self, most: int, lease_ms: float, followers: int = 0, of_one: int = 0) -> Call:
        """`most` that are due, and `followers` parked behind them, `of_one` of a chain. See `leased()`."""
        return self._call("lease", most, int(lease_ms), UNCOMMITTED_MS, followers, of_one)

    @staticmethod
    def leased(reply: Sequence[Any]) -> Leased:
        next_due_ms, records, committed, steps = (int(figure) for figure in reply[:4])
        leases = []
        for i in range(4, len(reply), 7):
            id, turn, planned, losses, chain, record, follows = reply[i : i + 7]
            leases.append(
                Lease(
                    id.decode(),
                    turn.decode(),
                    int(planned),
                    int(losses),
                    chain.decode(),
                    unpack(record),
                    follows == b"1",
                )
            )
        return Leased(None if next_due_ms < 0 else next_due_ms, records, committed, steps, leases)

    def done(self, lease: Lease, field: str, event: bytes) -> Call:
        """It was handled. Answers of this and the next two: see `Settled`."""
        return self._call("settle", lease.id, lease.turn, "done", "", "", field, event, lease.chain)

    def again(self, lease: Lease, record: QueuedRecord, due_ms: float, field: str, event: bytes) -> Call:
        """It is to be tried once more; `record` has the attempt that failed."""
        args = (lease.id, lease.turn, "again", int(due_ms), pack(record), field, event, lease.chain)
        return self._call("settle", *args)

    def dead(self, lease: Lease, letter: bytes) -> Call:
        """It is given up."""
        return self._call("settle", lease.id, lease.turn, "dead", letter, "", "", "", lease.chain)

    @staticmethod
    def settled(reply: Sequence[int]) -> Settled:
        ours, chain_empty, letter, follows = reply
        return Settled(bool(ours), bool(chain_empty), int(letter), bool(follows))

    def extend(self, leases: Sequence[Lease], lease_ms: float) -> Call:
        return self._call("extend", int(lease_ms), *_pairs(leases))

    def give_back(self, leases: Sequence[Lease]) -> Call:
        """They are given up, and no worker died."""
        return self._call("give_back", *_pairs(leases))

    def recall(self, known: Iterable[str]) -> Call:
        """No leases but these are known here: an answer was lost. Answer: how many are due again."""
        return self._call("recall", *known)

    def begin(self, lease: Lease) -> Call:
        """Its handler is called now; to be told of those on which a worker may have died."""
        return self._call("begin", lease.id, lease.turn)

    # -- the outbox -----------------------------------------------------------------------------------------------

    def told(self, parcels: Iterable[tuple[str, bytes]]) -> Call:
        """These, by field and content, are where they belong. Answer: how many were there."""
        told = [[field, hashlib.sha1(packed, usedforsecurity=False).hexdigest()] for field, packed in parcels]
        return Call("delivery/told", self._keys, [text for pair in told for text in pair])

    def outbox(self) -> Sequence[Any]:
        """The command that reads all of it; see `parse_outbox`."""
        return ("HGETALL", self._outbox)

    def in_outbox(self, field: str) -> Sequence[Any]:
        """The command that reads one field of it."""
        return ("HGET", self._outbox, field)

    def renumber(self, connection: Connection, failed_epoch: int, first: int) -> Numbering:
        return _numbering(connection.run("delivery/renumber", self._keys, [failed_epoch, first]))


def parse_outbox(reply: Any) -> dict[str, bytes]:
    """Field → parcel, letters in the order of their numbers."""
    found = ((field.decode(), packed) for field, packed in pairs(reply))
    return dict(sorted(found, key=lambda pair: (len(pair[0]), pair[0])))


def _numbering(reply: Sequence[bytes | None]) -> Numbering:
    epoch, first = reply
    return Numbering(int(epoch or 0), int(first or 0))


def _pairs(leases: Sequence[Lease]) -> list[str]:
    return [text for lease in leases for text in (lease.id, lease.turn)]
