"""A failover may take a group's keys back to what they were a moment ago. Members find out, and agree again."""

from __future__ import annotations

import pytest

from streamlab.groups import describe
from streamlab.groups.offsets import fetch
from streamlab.groups.words import group_keys
from streamlab.model import TopicPartition
from tests.builders import a_topic, numbered, poll_all, produce, settle
from tests.waiting import until

pytestmark = pytest.mark.both_engines


def stored(broker):
    return {key: broker.connection.client.dump(key) for key in group_keys("g")[:-1]}


def roll_back(broker, to):
    client = broker.connection.client
    for key, dump in to.items():
        client.delete(key)
        if dump is not None:
            client.restore(key, 0, dump)


def agreed(broker, members, partitions):
    """Every partition is owned by the member that believes to own it, under the epoch that may commit."""

    def true():
        poll_all(members)
        owners = describe.owners(broker.connection, "g")
        believed = {p: m.group_metadata().member_id for m in members for p in m.assignment()}
        return len(owners) == partitions and believed == owners

    until(true, 60, "the group and its members agree")


def all_can_commit(broker, topic, members, partitions):
    for member in members:
        member.commit(dict.fromkeys(member.assignment(), 0))
    every = [TopicPartition(topic, n) for n in range(partitions)]
    assert set(fetch(broker.connection, "g", every)) == set(every)


def test_a_member_takes_back_what_the_group_has_forgotten_to_have_given_away(broker, member_of):
    topic = a_topic(broker, 4)
    first = member_of(topic)
    settle([first], 4)
    before = stored(broker)
    second = member_of(topic)
    settle([first, second], 4)
    roll_back(broker, before)
    agreed(broker, [first, second], 4)
    settle([first, second], 4)
    agreed(broker, [first, second], 4)
    all_can_commit(broker, topic, [first, second], 4)


def test_a_member_gives_up_what_the_group_has_forgotten_to_have_given_it(broker, member_of):
    topic = a_topic(broker, 4)
    stays, leaves = member_of(topic), member_of(topic, session_timeout_ms=2_000)
    settle([stays, leaves], 4)
    before = stored(broker)
    leaves.close()
    settle([stays], 4)
    roll_back(broker, before)  # by which the other one still owns two
    until(lambda: poll_all([stays]) or len(stays.assignment()) == 2, 30, "it has given two up")
    agreed(broker, [stays], 4)  # when the other one's session is over
    all_can_commit(broker, topic, [stays], 4)


def test_owner_epochs_go_on_above_those_that_the_partitions_have_seen(broker, member_of):
    topic = a_topic(broker, 2)
    first = member_of(topic)
    settle([first], 2)
    before = stored(broker)
    for _ in range(3):  # each gives new owner epochs
        other = member_of(topic)
        settle([first, other], 2)
        other.close()
        settle([first], 2)
    roll_back(broker, before)
    first.close()  # of which the group knows, but whose epochs it has forgotten
    heir = member_of(topic)
    settle([heir], 2)
    produce(broker, topic, numbered(5), partition=0)
    until(lambda: poll_all([heir]) or heir.position(TopicPartition(topic, 0)) == 5)
    heir.commit()
    assert heir.committed(TopicPartition(topic, 0)) == 5


def test_nothing_is_touched_while_the_group_and_its_members_agree(broker, member_of, monkeypatch):
    topic = a_topic(broker, 4)
    members = [member_of(topic) for _ in range(2)]
    settle(members, 4)
    agreed(broker, members, 4)
    doubted = []
    for member in members:
        membership = member._assignment.membership
        real = membership.owned_by
        monkeypatch.setattr(
            membership, "owned_by", lambda view, real=real: doubted.append(real(view)) or doubted[-1]
        )
    until(lambda: poll_all(members) or len(doubted) > 12)
    assert doubted and set(doubted) == {None}
