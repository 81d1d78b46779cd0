"""Members share the partitions: each has one owner at a time, what moves is committed first, the dead are replaced."""

from __future__ import annotations

import re
import threading
import time
from urllib.parse import urlsplit

import pytest

import streamlab
from streamlab import keys
from streamlab.consumer import ConsumerRebalanceListener
from streamlab.errors import (
    CommitFailedError,
    IllegalStateError,
    InvalidGroupIdError,
    KafkaConnectionError,
    NonEmptyGroupError,
)
from streamlab.groups import membership
from streamlab.model import TopicPartition
from tests.builders import a_topic, fall_silent, numbered, poll_all, produce, read, settle, values
from tests.fault_proxy import FaultProxy
from tests.waiting import until


def describe(broker, group="g"):
    return broker.admin().describe_groups([group])[group]


def test_one_member_has_everything(broker, member_of):
    topic = a_topic(broker, 6)
    member = member_of(topic)
    settle([member], 6)
    group = describe(broker)
    assert (group["group_state"], group["protocol_data"]) == ("Stable", "cooperative-sticky")
    assert len(group["members"][0]["member_assignment"]) == 6


def test_a_second_member_gets_half_and_nothing_else_moves(broker, member_of):
    topic = a_topic(broker, 6)
    first = member_of(topic)
    settle([first], 6)
    before = first.assignment()
    second = member_of(topic)
    settle([first, second], 6)
    assert first.assignment() | second.assignment() == before
    assert first.assignment() < before and not first.assignment() & second.assignment()


def test_more_members_than_partitions_leaves_some_idle(broker, member_of):
    topic = a_topic(broker, 2)
    members = [member_of(topic) for _ in range(3)]
    settle(members, 2)
    assert sorted(len(m.assignment()) for m in members) == [0, 1, 1]


def test_a_member_that_leaves_is_replaced_at_once(broker, member_of):
    topic = a_topic(broker, 4)
    first, second = (member_of(topic, session_timeout_ms=300_000) for _ in range(2))
    settle([first, second], 4)
    first.close()
    settle([second], 4)


def test_a_member_that_falls_silent_is_replaced_after_its_session(broker, member_of):
    topic = a_topic(broker, 4)
    first, second = member_of(topic, session_timeout_ms=1_000), member_of(topic, session_timeout_ms=300_000)
    settle([first, second], 4)
    fall_silent(first)
    settle([second], 4)


def test_partitions_are_committed_before_somebody_else_reads_them(broker, member_of):
    topic = a_topic(broker, 4)
    for partition in range(4):
        produce(broker, topic, numbered(25), partition=partition)
    first = member_of(topic, auto_commit_interval_ms=60_000)
    seen = [(r.partition, r.offset) for r in read(first, 100)]
    second = member_of(topic, auto_commit_interval_ms=60_000)
    settle([first, second], 4)
    for partition in range(4):
        produce(broker, topic, [b"new"], partition=partition)
    until(
        lambda: (
            [
                seen.extend(
                    (r.partition, r.offset) for m in (first, second) for rs in m.poll(20).values() for r in rs
                )
            ]
            and len(seen) >= 104
        )
    )
    assert len(seen) == len(set(seen)) == 104


def test_a_listener_hears_what_comes_and_goes(broker, member_of):
    topic = a_topic(broker, 2)
    heard = []

    class Listener(ConsumerRebalanceListener):
        def on_partitions_assigned(self, assigned):
            heard.append(("assigned", sorted(p.partition for p in assigned)))

        def on_partitions_revoked(self, revoked):
            heard.append(("revoked", sorted(p.partition for p in revoked)))

    first = member_of(topic)
    first.subscribe([topic], listener=Listener())
    settle([first], 2)
    second = member_of(topic)
    settle([first, second], 2)
    assert heard[0] == ("assigned", [0, 1])
    assert heard[1][0] == "revoked" and len(heard[1][1]) == 1


def test_a_listener_hears_once_of_what_is_lost(broker, member_of):
    topic, heard = a_topic(broker), []

    class Listener(ConsumerRebalanceListener):
        def on_partitions_lost(self, lost):
            heard.append("lost")

        def on_partitions_revoked(self, revoked):
            heard.append("revoked")

    member = member_of(topic, auto_commit_interval_ms=60_000, metadata_max_age_ms=100)
    member.subscribe([topic], listener=Listener())
    settle([member], 1)  # the first auto commit is behind it
    produce(broker, topic, numbered(10))
    read(member, 10)
    broker.admin().delete_topics([topic])  # so that what was read cannot be committed
    until(lambda: poll_all([member]) or not member.assignment(), 60)
    assert heard == ["lost"]


def test_a_member_that_cannot_take_leave_does_not_read_on_alone(broker, member_of, monkeypatch):
    topic = a_topic(broker, 2)
    member = member_of(topic)
    settle([member], 2)
    with monkeypatch.context() as away:

        def leave(self):
            raise KafkaConnectionError("away")

        away.setattr(membership.Membership, "leave", leave)
        with pytest.raises(KafkaConnectionError):
            member.unsubscribe()
    assert member.assignment() == set()
    with pytest.raises(IllegalStateError, match="Nothing to read"):
        member.poll()
    member.subscribe([topic])
    settle([member], 2)


def test_a_pattern_that_is_none_leaves_the_subscription(broker, member_of):
    topic = a_topic(broker)
    member = member_of(topic)
    with pytest.raises(re.error):
        member.subscribe(pattern="[")
    assert member.subscription() == {topic}


def test_a_commit_for_a_partition_that_another_member_took_is_refused(broker, member_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    zombie = member_of(topic, enable_auto_commit=False, session_timeout_ms=1_000)
    read(zombie, 10)
    fall_silent(zombie)
    heir = member_of(topic, enable_auto_commit=False)
    assert values(read(heir, 10)) == numbered(10)
    with pytest.raises(CommitFailedError, match="read again by the new owner"):
        zombie.commit()
    assert heir.committed(TopicPartition(topic, 0)) is None
    heir.commit()
    assert heir.committed(TopicPartition(topic, 0)) == 10


def test_a_member_that_polls_too_rarely_is_out_and_comes_back(broker, member_of):
    topic = a_topic(broker, 2)
    slow, other = member_of(topic, max_poll_interval_ms=500), member_of(topic)
    settle([slow, other], 2)
    settle([other], 2)  # slow is not polled meanwhile
    assert "max_poll_interval_ms" in describe(broker)["cause"] or len(describe(broker)["members"]) == 1
    settle([slow, other], 2)


def test_partitions_that_are_added_are_taken(broker, member_of):
    topic = a_topic(broker, 2)
    members = [member_of(topic, metadata_max_age_ms=100) for _ in range(2)]
    settle(members, 2)
    broker.admin().create_partitions({topic: 6})
    settle(members, 6)


def test_a_growth_is_one_rebalance_though_members_hear_of_it_one_after_the_other(broker, member_of):
    topic = a_topic(broker, 2)
    quick, late = member_of(topic, metadata_max_age_ms=100), member_of(topic, metadata_max_age_ms=60_000)
    settle([quick, late], 2)
    epoch = describe(broker)["generation_id"]
    with late._assignment.membership._lock:  # it hears of nothing until the others are done
        broker.admin().create_partitions({topic: 4})
        until(lambda: poll_all([quick]) or describe(broker)["generation_id"] > epoch)
        until(lambda: poll_all([quick]) or len(quick.assignment()) == 2)
    settle([quick, late], 4)
    assert describe(broker)["generation_id"] == epoch + 1


def test_many_partitions_are_taken_and_released_in_portions(broker, member_of, monkeypatch):
    monkeypatch.setattr(membership, "PARTITIONS_A_CALL", 2)
    topic = a_topic(broker, 7)
    first = member_of(topic)
    settle([first], 7)
    second = member_of(topic)
    settle([first, second], 7)
    assert sorted(len(m["member_assignment"]) for m in describe(broker)["members"]) == [3, 4]
    first.commit(dict.fromkeys(first.assignment(), 0))
    second.commit(dict.fromkeys(second.assignment(), 0))


@pytest.mark.standalone_only
@pytest.mark.parametrize(
    "asked",
    [pytest.param(b"$3\r\nnew\r\n", id="join"), pytest.param(b"$5\r\n20000\r\n$0\r\n", id="heartbeat")],
)
def test_one_whose_first_answer_is_lost_is_one_member_with_a_heartbeat(broker, member_of, redis_url, asked):
    topic = a_topic(broker)
    settle([member_of(topic, group="before")], 1)  # so that the server knows the scripts
    proxy = FaultProxy(urlsplit(redis_url).path)
    try:
        with streamlab.connect(proxy.url) as through:
            consumer = through.consumer(
                topic, group_id="g", session_timeout_ms=20_000, heartbeat_interval_ms=200
            )
            proxy.drop_replies_to = asked
            settle([consumer], 1)
            assert proxy.dropped == 1
            assert describe(broker)["generation_id"] == 1
            [(member, until_ms)] = leases(broker)
            assert member == consumer.group_metadata().member_id
            until(lambda: leases(broker)[0][1] > until_ms + 1_000, 30, "the lease is renewed without a poll")
            consumer.close()
    finally:
        proxy.close()


def leases(broker):
    found = broker.connection.client.zrange(keys.group_leases("g"), 0, -1, withscores=True)
    return [(member.decode(), until_ms) for member, until_ms in found]


def test_members_with_different_subscriptions_get_only_what_they_want(broker, member_of):
    one, two = a_topic(broker, 2), a_topic(broker, 3)
    both, only_two = member_of(one), member_of(two)
    both.subscribe([one, two])
    until(lambda: poll_all([both, only_two]) or {p.topic for p in only_two.assignment()} == {two})
    until(lambda: poll_all([both, only_two]) or len(both.assignment()) + len(only_two.assignment()) == 5)
    assert {p for p in both.assignment() if p.topic == one} == {
        TopicPartition(one, 0),
        TopicPartition(one, 1),
    }


@pytest.mark.parametrize("assignor", ["range", "roundrobin", "sticky"])
def test_other_assignors_can_be_chosen(broker, member_of, assignor):
    topic = a_topic(broker, 4)
    members = [member_of(topic, partition_assignment_strategy=assignor) for _ in range(2)]
    settle(members, 4)
    assert describe(broker)["protocol_data"] == assignor


def test_members_come_and_go_under_load_and_every_record_is_read(broker, member_of):
    topic = a_topic(broker, 6)
    stop, seen, owners = threading.Event(), set(), {}
    lock = threading.Lock()

    def member(lifetime_s):
        consumer = broker.consumer(
            topic,
            group_id="g",
            auto_offset_reset="earliest",
            session_timeout_ms=20_000,
            heartbeat_interval_ms=200,
            auto_commit_interval_ms=50,
        )
        ends = time.monotonic() + lifetime_s
        while not stop.is_set() and time.monotonic() < ends:
            for partition, records in consumer.poll(50).items():
                with lock:
                    seen.update((partition, r.offset) for r in records)
                    owners.setdefault(partition, set()).add(consumer.group_metadata().member_id)
        consumer.close()

    threads = [threading.Thread(target=member, args=(60,))]
    threads += [threading.Thread(target=member, args=(0.2 + 0.1 * n,)) for n in range(8)]
    with broker.producer(linger_ms=2) as producer:
        for n, thread in enumerate(threads):
            thread.start()
            for i in range(500):
                producer.send(topic, b"v", b"%d" % (n * 500 + i))
            until(lambda sent=500 * (n + 1): len(seen) == sent, 60, "all records read")
    stop.set()
    for thread in threads:
        thread.join()
    assert any(len(members) > 1 for members in owners.values())  # partitions did move


def test_two_groups_read_everything_each(broker, member_of):
    topic = a_topic(broker, 2)
    produce(broker, topic, numbered(20))
    assert sorted(values(read(member_of(topic, "one"), 20))) == sorted(
        values(read(member_of(topic, "two"), 20))
    )


def test_offsets_can_be_altered_only_while_nobody_reads(broker, member_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    admin, partition = broker.admin(), TopicPartition(topic, 0)
    member = member_of(topic)
    read(member, 10)
    with pytest.raises(NonEmptyGroupError):
        admin.alter_group_offsets("g", {partition: 3})
    member.close()
    admin.alter_group_offsets("g", {partition: 3})
    assert admin.list_group_offsets("g")["g"][partition].offset == 3
    assert read(member_of(topic), 7)[0].offset == 3


def test_a_deleted_group_is_forgotten(broker, member_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    member = member_of(topic)
    read(member, 3)
    member.close()
    assert describe(broker)["group_state"] == "Empty"
    broker.admin().delete_groups(["g"])
    assert describe(broker)["group_state"] == "Dead"
    assert broker.admin().list_group_offsets("g")["g"] == {}


@pytest.mark.parametrize("name", ["", " padded", "x" * 256, "new\nline", ".."])
def test_a_group_needs_a_legal_name(broker, name):
    with pytest.raises(InvalidGroupIdError):
        broker.consumer("t", group_id=name)
