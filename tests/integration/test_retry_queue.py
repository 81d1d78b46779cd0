"""The retry queue: what its scripts do, whoever calls them, in whatever order, as often as they like."""

from __future__ import annotations

import pytest

from streamlab.connection import Call
from streamlab.delivery.dead_letter import Attempt, Origin
from streamlab.delivery.partition_retries import NO_CHAIN, PartitionRetries, chain_of_key
from streamlab.delivery.retry_queue import QueuedRecord, RetryQueue
from streamlab.errors import StreamlabError, UnknownTopicOrPartitionError
from streamlab.groups import offsets
from streamlab.groups.offsets import NewCommit
from streamlab.model import TopicPartition
from tests.builders import a_topic
from tests.waiting import until

GROUP = "accounts"
KEY = chain_of_key(b"k")


class Owner:
    """A worker's hold on one partition, without the worker."""

    def __init__(self, broker, partition, epoch, name="worker-1"):
        self.connection, self.partition, self.epoch, self.name = broker.connection, partition, epoch, name
        offsets.claim(broker.connection, GROUP, name, {partition: epoch})
        self.retries = PartitionRetries(GROUP, partition, name, epoch)
        self.found = self.retries.take_over(self.connection)

    def ask(self, call: Call):
        return self.connection.run(call.script, call.keys, call.args)

    def fail(self, offset, due_ms=0, chain=NO_CHAIN, field="", event=b""):
        return self.ask(self.retries.fail(self.record(offset), due_ms, chain, field, event))

    def park(self, *parked, chain=KEY):
        return self.ask(self.retries.park(chain, [self.record(offset) for offset in parked]))

    def lease(self, most=10, lease_ms=60_000, followers=0, of_one=10):
        return self.retries.leased(self.ask(self.retries.lease(most, lease_ms, followers, of_one)))

    def done(self, lease, field="", event=b""):
        return self.retries.settled(self.ask(self.retries.done(lease, field, event)))

    def dead(self, lease, letter=b"letter"):
        return self.retries.settled(self.ask(self.retries.dead(lease, letter)))

    def commit(self, offset):
        commits = {self.partition: NewCommit(offset, None, self.epoch, self.name)}
        offsets.commit(self.connection, GROUP, commits)

    def record(self, offset, **more):
        return QueuedRecord(
            topic=self.partition.topic,
            partition=self.partition.partition,
            offset=offset,
            timestamp=1_000,
            key=b"k",
            value=b"v%d" % offset,
            **more,
        )


@pytest.fixture
def partition(broker):
    return TopicPartition(a_topic(broker, 2), 1)


@pytest.fixture
def owner(broker, partition):
    """Of a partition whose first hundred records are committed."""
    owner = Owner(broker, partition, 1)
    owner.commit(100)
    return owner


@pytest.fixture
def counts(broker, partition):
    return lambda: RetryQueue(broker.connection).counts(GROUP, [partition])[partition]


def ids(leased):
    return [lease.id for lease in leased.leases]


def test_what_failed_is_leased_when_it_is_due_and_not_before(owner):
    now_ms = owner.connection.server_time_ms()
    owner.fail(1, due_ms=now_ms + 3_600_000)
    owner.fail(2, due_ms=now_ms - 1)
    found = owner.lease()
    assert ids(found) == ["2"]
    assert found.leases[0].record == owner.record(2)
    assert 0 < found.next_due_ms <= 60_000  # the end of the lease comes first
    assert ids(owner.lease()) == []


def test_the_earliest_is_leased_first(owner):
    for offset, due_ms in ((5, 300), (6, 100), (7, 200)):
        owner.fail(offset, due_ms=due_ms)
    assert ids(owner.lease(2)) == ["6", "7"]
    assert ids(owner.lease(2)) == ["5"]


def test_a_failure_that_is_told_twice_is_there_once(owner, counts):
    assert (owner.fail(1, field="Ea", event=b"a"), owner.fail(1, field="Eb", event=b"b")) == (1, 0)
    assert counts().retrying == 1
    assert outbox(owner) == {"Ea": b"a"}


def outbox(owner):
    return owner.retries.take_over(owner.connection).outbox


def test_a_settled_record_that_the_main_stream_brings_again_is_known_until_the_commit_passes_it(
    owner, counts
):
    owner.commit(0)
    owner.fail(3)
    [lease] = owner.lease().leases
    assert owner.done(lease).ours
    assert owner.fail(3) == 0
    assert owner.ask(owner.retries.bury(3, b"letter")) == -1
    assert owner.retries.take_over(owner.connection).settled == {3}
    owner.commit(4)
    assert owner.retries.take_over(owner.connection).settled == set()


def test_after_a_reset_to_an_earlier_offset_everything_is_wanted_again(broker, partition, owner):
    owner.commit(5)
    owner.ask(owner.retries.bury(7, b"letter"))
    owner.commit(20)
    owner.commit(6)
    assert Owner(broker, partition, 2).found.settled == set()


def test_a_reset_to_behind_what_was_settled_since_the_owner_took_the_partition_wants_it_again(
    broker, partition, owner
):
    owner.commit(200)
    owner.ask(owner.retries.bury(205, b"letter"))
    owner.commit(150)  # an earlier place, but a later one than where the owner began
    assert Owner(broker, partition, 2).found.settled == set()


def test_a_lease_that_was_settled_cannot_be_settled_again(owner, counts):
    owner.fail(1)
    [lease] = owner.lease().leases
    assert owner.dead(lease).letter == 0
    again = owner.dead(lease)
    assert (again.ours, again.letter) == (False, -1)
    assert list(outbox(owner)) == ["L0"]
    assert counts() == (0, 0, 0)


def test_a_lease_that_ran_out_is_another_turn(owner):
    owner.fail(1)
    [first] = owner.lease(lease_ms=1).leases
    [second] = until(lambda: owner.lease().leases)
    assert second.losses == 1
    assert not owner.done(first).ours
    assert owner.done(second).ours


def test_a_lease_that_is_extended_does_not_run_out(owner):
    owner.fail(1)
    [lease] = owner.lease(lease_ms=30_000).leases
    assert owner.ask(owner.retries.extend([lease], 3_600_000)) == 1
    assert owner.lease().next_due_ms > 60_000


def test_a_lease_that_is_given_back_is_due_at_once_and_no_loss(owner):
    owner.fail(1)
    [lease] = owner.lease().leases
    assert owner.ask(owner.retries.give_back([lease])) == 1
    [again] = owner.lease().leases
    assert (again.id, again.losses) == ("1", 0)


def test_what_is_tried_once_more_keeps_its_attempts(owner):
    owner.fail(1)
    [lease] = owner.lease().leases
    attempt = Attempt(attempt=1, planned_ms=5, actual_ms=6, error_class="ValueError")
    owner.ask(owner.retries.again(lease, owner.record(1, attempts=[attempt]), 0, "", b""))
    [lease] = owner.lease().leases
    assert lease.record.attempts == [attempt]
    assert lease.record.next_attempt == 2


def test_the_next_owner_finds_leases_chains_offsets_and_the_outbox(broker, partition, owner):
    owner.commit(10)
    owner.fail(5, field="Ea", event=b"told")
    owner.fail(11, chain=KEY)
    owner.park(12, 13)
    assert ids(owner.lease()) == ["5"]
    found = Owner(broker, partition, 2, "worker-2").found
    assert (found.committed, found.settled, found.chains) == (10, {11, 12, 13}, {KEY})
    assert (found.outbox, found.returned, found.records) == ({"Ea": b"told"}, 1, 4)


@pytest.mark.parametrize("step", ["fail", "park", "bury", "lease", "take_over"])
def test_an_older_owner_is_refused(broker, partition, owner, step, counts):
    owner.fail(1, chain=KEY)
    Owner(broker, partition, 2, "worker-2")
    before = counts()
    steps = {
        "fail": lambda: owner.fail(2),
        "park": lambda: owner.park(3),
        "bury": lambda: owner.ask(owner.retries.bury(4, b"letter")),
        "lease": owner.lease,
        "take_over": lambda: owner.retries.take_over(owner.connection),
    }
    with pytest.raises(StreamlabError, match="FENCED"):
        steps[step]()
    assert counts() == before


def test_an_older_owners_lease_cannot_be_settled_by_it(broker, partition, owner, counts):
    owner.fail(1)
    [lease] = owner.lease().leases
    newer = Owner(broker, partition, 2, "worker-2")
    with pytest.raises(StreamlabError, match="FENCED"):
        owner.dead(lease)
    [again] = newer.lease().leases
    assert again.losses == 1 and newer.done(again).ours


# -- who waits behind whom ----------------------------------------------------------------------------------------


def test_records_of_a_key_follow_one_by_one(owner, counts):
    owner.fail(1, chain=KEY)
    assert owner.park(9, 10, 11) == 3
    assert counts()[:2] == (1, 3)
    order, empty = [], []
    while leases := owner.lease().leases:
        [lease] = leases
        order.append(lease.id)
        empty.append(owner.done(lease).chain_empty)
    assert (order, empty) == (["1", "9", "10", "11"], [False, False, False, True])
    assert counts() == (0, 0, 0)


def test_of_what_a_dead_worker_had_in_hand_only_what_was_at_work_at_the_second_death_is_blamed_again(
    broker, partition, owner
):
    for offset in (1, 2):
        owner.fail(offset)
    owner.lease()
    second = Owner(broker, partition, 2, "worker-2")
    one, two = second.lease().leases
    assert (one.losses, two.losses) == (1, 1)
    second.ask(second.retries.begin(one))
    third = Owner(broker, partition, 3, "worker-3")
    one, two = third.lease().leases
    assert (one.losses, two.losses) == (2, 1)
    third.ask(third.retries.begin(one))
    third.ask(third.retries.give_back([one, two]))
    assert [lease.losses for lease in Owner(broker, partition, 4, "worker-4").lease().leases] == [2, 1]


def test_a_lease_that_its_owner_was_not_told_of_is_called_back(owner):
    for offset in (1, 2, 3):
        owner.fail(offset)
    known = owner.lease(most=1).leases
    unheard = owner.lease()
    assert ids(unheard) == ["2", "3"]
    assert owner.ask(owner.retries.recall([lease.id for lease in known])) == 2
    again = owner.lease()
    assert ids(again) == ["2", "3"] and not any(lease.losses for lease in again.leases)


def test_what_keeps_an_order_is_not_tried_again_before_it_is_committed(owner):
    owner.fail(200, chain=KEY)
    owner.fail(201)
    assert ids(owner.lease()) == ["201"]
    owner.commit(202)
    until(lambda: ids(owner.lease()) == ["200"])


def test_what_comes_again_after_a_crash_goes_before_the_retry_that_was_behind_it(
    broker, partition, owner, counts
):
    owner.fail(205, chain=KEY)  # 203 was handled before it and not committed, when its worker died
    newer = Owner(broker, partition, 2, "worker-2")
    assert newer.found.settled == {205}
    assert newer.park(203) == 1
    newer.commit(206)
    order = []
    while len(order) < 2:
        [lease] = until(lambda: newer.lease().leases)
        order.append(lease.id)
        newer.done(lease)
    assert order == ["203", "205"]
    assert counts() == (0, 0, 0)


def test_a_retry_keeps_its_time_behind_one_that_came_before_it(owner):
    in_an_hour = owner.connection.server_time_ms() + 3_600_000
    owner.fail(2, due_ms=in_an_hour, chain=KEY)
    owner.park(1)
    [lease] = owner.lease().leases
    assert lease.id == "1"
    owner.done(lease)
    [waiting] = RetryQueue(owner.connection).list(GROUP, owner.partition)
    assert waiting.due_ms == in_an_hour


def test_nobody_is_parked_behind_nobody(owner, counts):
    assert owner.park(2) == -1
    assert counts().records == 0


def test_a_parked_record_that_fails_waits_and_keeps_its_place(owner):
    owner.fail(1, chain=KEY)
    owner.park(2, 3)
    [first] = owner.lease().leases
    owner.done(first)
    [second] = owner.lease().leases
    owner.ask(owner.retries.again(second, second.record, owner.connection.server_time_ms() + 60_000, "", b""))
    assert ids(owner.lease()) == []


def test_a_dead_record_lets_those_behind_it_go_on(owner):
    owner.fail(1, chain=KEY)
    owner.park(2)
    [lease] = owner.lease().leases
    assert not owner.dead(lease).chain_empty
    assert ids(owner.lease()) == ["2"]


def test_chains_do_not_hold_up_each_other(owner):
    owner.fail(1, chain=KEY)
    owner.fail(2, chain=chain_of_key(b"other"))
    owner.fail(3)
    assert sorted(ids(owner.lease())) == ["1", "2", "3"]


def parked(owner, *offsets):
    """Behind one that failed, and has been handled: the first of these is due."""
    owner.fail(0, chain=KEY)
    owner.park(*offsets)
    [first] = owner.lease(followers=9).leases  # which has failed, so nobody is taken along
    assert owner.done(first).follows


def test_those_behind_one_that_never_failed_may_be_taken_along_in_their_order(owner, counts):
    parked(owner, 1, 9, 10, 11)
    owner.fail(2, chain=chain_of_key(b"other"))
    taken = owner.lease(followers=2)
    assert [(lease.id, lease.follows) for lease in taken.leases] == [
        ("2", False), ("1", False), ("9", True), ("10", True)
    ]  # fmt: skip
    assert counts()[:2] == (4, 1)
    settled = [owner.done(lease) for lease in taken.leases[1:]]
    assert [one.follows for one in settled] == [False, False, True]  # 11, which was left behind, is due now
    assert ids(owner.lease(followers=2)) == ["11"]


def test_of_one_chain_no_more_are_taken_along_than_was_said(owner):
    parked(owner, 1, 2, 3, 4)
    assert ids(owner.lease(followers=9, of_one=2)) == ["1", "2", "3"]


def test_nobody_is_taken_along_who_has_failed_or_died_or_is_not_committed(owner):
    parked(owner, 1, 2, 3, 99, 100)
    assert ids(owner.lease(lease_ms=1, followers=9)) == ["1", "2", "3", "99"]
    lost = until(lambda: owner.lease(lease_ms=1, followers=9).leases)  # all leases have run out
    assert [(lease.id, lease.losses) for lease in lost] == [("1", 1)]
    owner.done(lost[0])
    [second] = owner.lease(followers=9).leases
    assert (second.id, second.losses) == ("2", 1)
    owner.ask(owner.retries.again(second, second.record, 0, "", b""))
    assert ids(owner.lease(followers=9)) == ["2"]


def test_who_was_taken_along_by_a_worker_that_died_is_suspected_when_its_turn_comes(broker, partition, owner):
    parked(owner, 1, 2, 3)
    assert len(owner.lease(followers=9).leases) == 3
    second = Owner(broker, partition, 2, "worker-2")
    assert second.found.returned == 3
    order = []
    while leases := second.lease(followers=9).leases:
        [lease] = leases
        order.append((lease.id, lease.losses))
        second.done(lease)
    assert order == [("1", 1), ("2", 1), ("3", 1)]


def test_when_one_fails_those_taken_along_with_it_wait_behind_it_again(owner, counts):
    parked(owner, 1, 2, 3)
    first, *followers = owner.lease(followers=9).leases
    later = owner.connection.server_time_ms() + 60_000
    owner.ask(owner.retries.again(first, first.record, later, "", b""))
    assert owner.ask(owner.retries.give_back(followers)) == 2
    assert owner.ask(owner.retries.give_back(followers)) == 0  # said again
    assert ids(owner.lease(followers=9)) == []
    assert counts()[:2] == (1, 2)


def test_who_was_taken_along_and_is_called_back_is_parked_unless_it_is_first_now(owner, counts):
    parked(owner, 1, 2, 3)
    first, *_ = owner.lease(followers=9).leases
    owner.done(first)
    assert owner.ask(owner.retries.recall([])) == 2
    assert counts()[:2] == (1, 1)
    assert ids(owner.lease(followers=9)) == ["2", "3"]


# -- from outside -------------------------------------------------------------------------------------------------


def replayed(owner, offset, number):
    place = Origin(topic="t", partition=0, offset=offset, timestamp=1, record_id="x", replays=number)
    return owner.record(offset, origin=place)


def test_a_replay_is_put_in_once_even_when_it_has_been_handled_since(broker, owner):
    queue = RetryQueue(broker.connection)
    assert queue.enqueue(GROUP, [replayed(owner, 1, 1), replayed(owner, 2, 1)]) == [True, True]
    for lease in owner.lease().leases:
        owner.done(lease)
    assert queue.enqueue(GROUP, [replayed(owner, 1, 1), replayed(owner, 1, 2)]) == [False, True]
    assert ids(owner.lease()) == ["1r2"]


def test_a_replay_holds_up_nobody(broker, owner):
    RetryQueue(broker.connection).enqueue(GROUP, [replayed(owner, 1, 1)], [3_600_000])
    assert owner.retries.take_over(owner.connection).chains == set()
    assert owner.park(5) == -1


def test_many_replays_of_many_partitions_go_in_at_once(broker):
    topic = a_topic(broker, 3)
    owners = [Owner(broker, TopicPartition(topic, n), 1) for n in range(3)]
    records = [replayed(owners[n % 3], n, 1) for n in range(700)]
    queue = RetryQueue(broker.connection)
    assert all(queue.enqueue(GROUP, records))
    counts = queue.counts(GROUP, [owner.partition for owner in owners])
    assert [count.retrying for count in counts.values()] == [234, 233, 233]


def test_a_queue_of_very_many_replays_is_taken_over_and_listed_page_by_page(broker, partition, owner):
    queue = RetryQueue(broker.connection)
    assert all(queue.enqueue(GROUP, [replayed(owner, n, 1) for n in range(2_500)]))
    owner.fail(150, chain=KEY)
    owner.park(151, 152)
    found = Owner(broker, partition, 2, "worker-2").found
    assert (found.settled, found.chains, found.records) == ({150, 151, 152}, {KEY}, 2_503)
    assert len({waiting.record.id for waiting in queue.list(GROUP, partition)}) == 2_503
    assert [waiting.record.offset for waiting in queue.list(GROUP, partition)][-2:] == [151, 152]


def test_a_replay_for_a_partition_that_is_gone_is_refused(broker, owner):
    broker.admin().delete_topics([owner.partition.topic])
    with pytest.raises(UnknownTopicOrPartitionError):
        RetryQueue(broker.connection).enqueue(GROUP, [replayed(owner, 1, 1)])


def test_the_list_tells_who_waits_until_when_and_who_is_parked(broker, owner):
    owner.fail(1, due_ms=100, chain=KEY)
    owner.fail(2, due_ms=2_000_000_000_000)
    owner.park(10, 9)
    [_] = owner.lease().leases
    found = list(RetryQueue(broker.connection).list(GROUP, owner.partition))
    assert [(w.record.offset, w.leased, w.ordered) for w in found] == [
        (1, True, True),
        (2, False, False),
        (9, False, True),
        (10, False, True),
    ]
    assert [w.due_ms for w in found[1:]] == [2_000_000_000_000, None, None]


def test_nothing_of_a_queue_is_left_when_its_topic_is_deleted(broker, owner):
    owner.fail(1, chain=KEY, field="Ea", event=b"a")
    owner.park(2)
    topic = owner.partition.topic
    broker.admin().delete_topics([topic])
    assert list(broker.connection.client.scan_iter(f"*{topic}/*")) == []


def test_where_there_may_be_records_is_known_before_the_first_one(broker, owner):
    assert RetryQueue(broker.connection).known() == {GROUP: {owner.partition.topic}}
    broker.connection.client.sadd("sl:groups", GROUP)
    broker.admin().delete_groups([GROUP])
    assert RetryQueue(broker.connection).known() == {}


def test_nothing_of_a_queue_is_left_when_its_group_is_deleted(broker, owner):
    owner.fail(1, chain=KEY, field="Ea", event=b"a")
    broker.connection.client.sadd("sl:groups", GROUP)
    broker.admin().delete_groups([GROUP])
    assert list(broker.connection.client.scan_iter("*retry-*")) == []


def test_the_soonest_of_all_queues_are_found_and_no_other_record_is_read(broker, monkeypatch):
    topic = a_topic(broker, 3)
    places = [TopicPartition(topic, number) for number in range(3)]
    owners = [Owner(broker, place, 1) for place in places]
    later_ms = owners[0].connection.server_time_ms() + 3_600_000
    for n in range(30):
        owners[n % 3].fail(n, due_ms=later_ms + (n * 7) % 30, chain=KEY if n == 4 else NO_CHAIN)
    owners[1].park(40, 43)
    queue = RetryQueue(broker.connection)
    queues = queue.counts_of((GROUP, place) for place in places)
    read: list[bytes] = []
    execute = broker.connection.execute_many

    def spied(commands, *args):
        read.extend(id for c in commands if c[0] == "HMGET" and "retry-records" in str(c[1]) for id in c[2:])
        return execute(commands, *args)

    monkeypatch.setattr(broker.connection, "execute_many", spied)
    found = queue.soonest(queues, 5)
    assert [(group, one.due_ms) for group, one in found] == [(GROUP, later_ms + n) for n in range(5)]
    assert len(read) == 5
    every = [one for _, one in queue.soonest(queues, 100)]
    assert [one.due_ms for one in every] == [*range(later_ms, later_ms + 30), None, None]
    assert [one.record.offset for one in every[-2:]] == [40, 43]
    assert [one.record.offset for _, one in queue.soonest(queues, 31)][-1] == 40
    assert queue.soonest({}, 5) == []
