"""Every rebalance leaves one entry in the group's outbox: what set it off, what moved, how long that stood still."""

from __future__ import annotations

import pytest

from streamlab import keys
from streamlab.events import TYPES
from streamlab.groups import rebalances
from streamlab.groups.words import Cause
from tests.builders import a_topic, fall_silent, poll_all, settle
from tests.waiting import until

pytestmark = pytest.mark.both_engines


def outbox(broker):
    return broker.connection.client.xrange(keys.group_events("g"))


def newest(broker, cause, members=()):
    """The newest finished rebalance, when it is of that cause."""

    def found():
        poll_all(members)
        of_all = rebalances.recent(broker.connection, "g")
        return next((r for r in of_all if r.outcome == "finished" and r.cause == cause), None)

    return until(found, 60, f"a finished rebalance because of {cause}")


def member_id(consumer):
    return consumer.group_metadata().member_id


def test_the_first_member_is_given_what_nobody_had(broker, member_of):
    topic = a_topic(broker, 4)
    member = member_of(topic)
    settle([member], 4)
    rebalance = newest(broker, Cause.JOINED, [member])
    assert (rebalance.epoch, rebalance.members_before, rebalance.members_after) == (
        1,
        [],
        [member_id(member)],
    )
    assert [(m.partition, m.before, m.after) for m in rebalance.moved] == [
        (n, None, member_id(member)) for n in range(4)
    ]
    assert {m.standstill_ms for m in rebalance.moved} == {None}


def test_a_join_moves_half_and_says_how_long_that_stood_still(broker, member_of):
    topic = a_topic(broker, 4)
    first = member_of(topic)
    settle([first], 4)
    second = member_of(topic)
    settle([first, second], 4)
    rebalance = newest(broker, Cause.JOINED, [first, second])
    assert rebalance.members_before == [member_id(first)]
    assert set(rebalance.members_after) == {member_id(first), member_id(second)}
    assert {(m.topic, m.partition) for m in rebalance.moved} == second.assignment()
    for move in rebalance.moved:
        assert (move.before, move.after) == (member_id(first), member_id(second))
        assert 0 <= move.standstill_ms <= rebalance.took_ms
    assert rebalance.words == f"{member_id(second)} joined"


def test_when_the_last_member_leaves_that_is_over_at_once(broker, member_of):
    topic = a_topic(broker, 2)
    last = member_of(topic)
    settle([last], 2)
    leaving = member_id(last)
    last.close()
    rebalance = newest(broker, Cause.LEFT)
    assert (rebalance.members_before, rebalance.members_after) == ([leaving], [])
    assert rebalance.took_ms == 0


def test_what_a_dead_member_owned_stood_still_since_its_last_heartbeat(broker, member_of):
    topic = a_topic(broker, 2)
    living, dying = member_of(topic), member_of(topic, session_timeout_ms=1_000)
    settle([living, dying], 2)
    lost = dying.assignment()
    fall_silent(dying)
    settle([living], 2)
    rebalance = newest(broker, Cause.EXPIRED, [living])
    assert {(m.topic, m.partition) for m in rebalance.moved} == lost
    assert rebalance.moved[0].standstill_ms >= 1_000  # the session that had to run out


def test_a_leave_a_subscription_and_new_partitions_are_causes_of_their_own(broker, member_of):
    topic, other = a_topic(broker, 2), a_topic(broker, 2)
    stays, leaves = member_of(topic, metadata_max_age_ms=100), member_of(topic)
    settle([stays, leaves], 2)
    leaves.close()
    settle([stays], 2)
    assert newest(broker, Cause.LEFT, [stays]).members_after == [member_id(stays)]
    stays.subscribe([topic, other])
    settle([stays], 4)
    assert {m.topic for m in newest(broker, Cause.SUBSCRIPTION, [stays]).moved} == {other}
    broker.admin().create_partitions({topic: 5})
    settle([stays], 7)
    assert [m.partition for m in newest(broker, Cause.PARTITIONS, [stays]).moved] == [2, 3, 4]


def test_an_unwanted_partition_moves_to_nobody(broker, member_of):
    topic, other = a_topic(broker, 1), a_topic(broker, 1)
    member = member_of(topic)
    member.subscribe([topic, other])
    settle([member], 2)
    member.subscribe([topic])
    settle([member], 1)
    (move,) = newest(broker, Cause.SUBSCRIPTION, [member]).moved
    assert (move.topic, move.before, move.after) == (other, member_id(member), None)


def test_every_epoch_has_one_entry_also_when_the_next_one_came_first(broker, member_of):
    topic = a_topic(broker, 4)
    members = [member_of(topic) for _ in range(3)]  # all join before any polls
    settle(members, 4)
    epoch = broker.admin().describe_groups(["g"])["g"]["generation_id"]
    recorded = until(
        lambda: len(found := rebalances.recent(broker.connection, "g")) == epoch and found, 60, "all epochs"
    )
    assert [r.epoch for r in recorded] == list(range(epoch, 0, -1))
    assert recorded[0].outcome == "finished"
    assert {r.outcome for r in recorded} <= {"finished", "superseded"}


def test_members_that_come_and_go_are_told_too(broker, member_of):
    topic = a_topic(broker)
    member = member_of(topic)
    settle([member], 1)
    name = member_id(member)
    member.close()
    told = [fields for _, fields in outbox(broker) if fields[b"type"].startswith(b"member.")]
    assert [fields[b"type"] for fields in told] == [b"member.joined", b"member.left"]
    assert all(name.encode() in fields[b"data"] for fields in told)


def test_what_the_outbox_holds_can_be_read_as_events(broker, member_of):
    import msgspec

    topic = a_topic(broker, 2)
    members = [member_of(topic) for _ in range(2)]
    settle(members, 2)
    members[0].close()
    settle(members[1:], 2)
    newest(broker, Cause.LEFT, members[1:])
    kinds = set()
    for _, fields in outbox(broker):
        event = msgspec.json.decode(fields[b"data"], type=TYPES["streamlab." + fields[b"type"].decode()])
        assert (event.group, event.at_ms > 0) == ("g", True)
        kinds.add(event.type)
    assert kinds == {"streamlab.member.joined", "streamlab.member.left", "streamlab.group.rebalanced"}


def test_a_group_of_which_nothing_is_known_had_no_rebalance(broker):
    assert rebalances.recent(broker.connection, "nobody") == []
