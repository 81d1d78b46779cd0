"""The retry queue under an owner that does whatever an owner may do, in any order, dies, and is not told of answers."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from streamlab import keys
from streamlab.delivery.partition_retries import NO_CHAIN, Lease, Settled, chain_of_key
from streamlab.model import TopicPartition
from tests.builders import a_topic
from tests.integration.test_retry_queue import GROUP, Owner

RECORDS = 60
STEPS = 5_000


def chain_of(offset: int) -> str:
    """Three keys, and records without one."""
    return NO_CHAIN if offset % 7 == 6 else chain_of_key(b"%d" % (offset % 3))


def of_chain(chain: str) -> list[int]:
    return [offset for offset in range(RECORDS) if chain_of(offset) == chain]


class Life:
    """Of one partition in the hands of one owner after the other. `handled`: each successful attempt or death."""

    def __init__(self, broker, draw: random.Random):
        self._broker, self._draw = broker, draw
        self._partition = TopicPartition(a_topic(broker), 0)
        self._epoch = 0
        self._last: dict[str, int] = {}  # of each chain, the offset that was handled last
        self._dead: set[int] = set()
        self.handled: set[int] = set()
        self.die()

    # -- what may happen ------------------------------------------------------------------------------------------

    def die(self):
        """And the next owner takes over."""
        self._epoch += 1
        self._owner = Owner(self._broker, self._partition, self._epoch, f"worker-{self._epoch}")
        found = self._owner.found
        self._next = self._committed = max(found.committed, 0)
        self._settled, self._chains = found.settled, found.chains
        self._done: set[int] = set()
        self._lanes: dict[str, list[Lease]] = defaultdict(list)  # in hand, in the order of each chain
        self._unknown = False  # whether there may be leases that the owner does not know of

    def read(self):
        """The main stream's next record is handled, fails, dies, or is parked."""
        if self._next == RECORDS:
            return
        offset, chain = self._next, chain_of(self._next)
        self._next += 1
        self._done.add(offset)
        if offset in self._settled:
            return
        if chain in self._chains:
            if self._ask(self._owner.retries.park(chain, [self._owner.record(offset)])) >= 0:
                return
            self._chains.discard(chain)
        outcome = self._draw.choice(["handled", "dead", "fails", "fails", "fails"])
        if outcome == "fails":
            self._ask(self._owner.retries.fail(self._owner.record(offset), 0, chain, "", b""))
            self._chains |= {chain} - {NO_CHAIN}
        elif outcome == "dead":
            self._owner.ask(self._owner.retries.bury(offset, b"letter"))
            self._dies(offset)
        else:
            self._note(offset)

    def commit(self):
        while self._committed in self._done:
            self._committed += 1
        self._owner.commit(self._committed)

    def lease(self):
        most, followers, of_one = (self._draw.choice(n) for n in ([1, 3, 10], [0, 2, 100], [1, 5]))
        for lease in self._owner.lease(most, followers=followers, of_one=of_one).leases:
            assert not lease.follows or self._lanes[lease.chain], "it follows nobody"
            assert not self._lanes[lease.chain] or lease.follows or lease.chain == NO_CHAIN, "it overtakes"
            self._lanes[lease.chain].append(lease)

    def settle(self):
        chains = [chain for chain, leases in self._lanes.items() if leases]
        if not chains:
            return
        chain = self._draw.choice(chains)
        lease = self._lanes[chain].pop(0)
        outcome = self._draw.choice(["done", "done", "dead", "again"])
        if outcome == "again":
            self._again(lease)
            return
        settled = self._owner.done(lease) if outcome == "done" else self._owner.dead(lease)
        self._is_ours(settled, lease)
        (self._note if outcome == "done" else self._dies)(int(lease.id))

    def lose_an_answer(self):
        """That told of leases."""
        self._lanes.clear()
        self._ask(self._owner.retries.recall(()))
        self._unknown = False

    def stand_still(self):
        """For so long that all leases run out."""
        due = keys.retry("due", *self._partition, GROUP)
        for leases in self._lanes.values():
            for lease in leases:
                self._broker.connection.client.zadd(due, {lease.id: 1})
        self._lanes.clear()
        self._unknown = True

    # -- how ------------------------------------------------------------------------------------------------------

    def _ask(self, call):
        """Sometimes twice, for the answer was lost."""
        first = self._owner.ask(call)
        if self._draw.random() < 0.15:
            self._owner.ask(call)
        return first

    def _again(self, lease: Lease):
        call = self._owner.retries.again(lease, self._owner.record(int(lease.id)), 0, "", b"")
        assert self._owner.retries.settled(self._owner.ask(call)).ours
        followers, self._lanes[lease.chain] = self._lanes[lease.chain], []
        if lease.chain == NO_CHAIN:
            self._lanes[NO_CHAIN] = followers
        elif self._draw.random() < 0.2:
            self.die()  # before it has given back those behind it
        elif followers:
            self._ask(self._owner.retries.give_back(followers))

    def _is_ours(self, settled: Settled, lease: Lease):
        assert settled.ours
        assert not self._owner.done(lease).ours, "it was settled twice"
        if settled.chain_empty:
            self._chains.discard(lease.chain)

    def _dies(self, offset: int):
        assert offset not in self._dead, "it died twice"
        self._note(offset)
        self._dead.add(offset)

    def _note(self, offset: int):
        """What comes again after a crash is followed by all that came behind it, but for the dead."""
        self.handled.add(offset)
        chain = chain_of(offset)
        if chain != NO_CHAIN:
            last = self._last.get(chain, -1)
            assert not {o for o in of_chain(chain) if last < o < offset} - self._dead, "it was overtaken"
            self._last[chain] = offset

    # -- what holds -----------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        return self._next == RECORDS == len(self.handled) and not self._state()

    def _state(self) -> dict[bytes, bytes]:
        return self._read("hgetall", "state")

    def _read(self, command: str, kind: str, *more):
        name = keys.retry(kind, *self._partition, GROUP)
        return getattr(self._broker.connection.client, command)(name, *more)

    def check(self):
        """The tables of the queue agree with each other, and with what the owner has in hand."""
        state, records, counts = (
            self._state(),
            self._read("hgetall", "records"),
            self._read("hgetall", "counts"),
        )
        timed, leased = set(self._read("zrange", "due", 0, -1)), set(self._read("hkeys", "leases"))
        parked = {id for id, told in state.items() if told.startswith(b"P")}
        in_hand = {lease.id.encode() for leases in self._lanes.values() for lease in leases}
        assert parked | timed == set(state) == set(records) and not parked & timed
        assert in_hand <= leased <= timed and (self._unknown or in_hand == leased)
        assert int(counts.get(b"parked", 0)) == len(parked)
        assert int(counts.get(b"bytes", 0)) == sum(map(len, records.values()))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_each_record_is_handled_in_the_order_of_its_key_and_dies_once(broker, seed):
    draw = random.Random(seed)
    life = Life(broker, draw)
    often = [life.read] * 6 + [life.lease] * 5 + [life.settle] * 8
    steps = [*often, life.commit, life.lose_an_answer, life.stand_still, life.die]
    for _ in range(STEPS):
        draw.choice(steps)()
        life.check()
        if life.over:
            break
    assert life.over
