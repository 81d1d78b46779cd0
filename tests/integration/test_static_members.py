"""A static member that comes back within its session gets what it had, and nobody else notices."""

from __future__ import annotations

import pytest

from streamlab.errors import (
    FencedInstanceIdError,
    KafkaConfigurationError,
    StalePlanError,
    UnknownMemberIdError,
)
from streamlab.groups.words import group_keys
from tests.builders import a_topic, numbered, poll_all, produce, read, settle
from tests.waiting import until

pytestmark = pytest.mark.both_engines


def group(broker):
    return broker.admin().describe_groups(["g"])["g"]


def test_a_restart_within_the_session_is_no_rebalance(broker, member_of):
    topic = a_topic(broker, 4)
    other, restarted = member_of(topic), member_of(topic, group_instance_id="one")
    settle([other, restarted], 4)
    had, epoch = restarted.assignment(), group(broker)["generation_id"]
    before = other.assignment()
    restarted.close()
    poll_all([other])
    again = member_of(topic, group_instance_id="one")
    until(lambda: poll_all([other, again]) or again.assignment() == had)
    assert group(broker)["generation_id"] == epoch
    assert other.assignment() == before
    assert {m["group_instance_id"] for m in group(broker)["members"]} == {None, "one"}


def test_what_was_committed_at_close_is_where_it_goes_on(broker, member_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    first = member_of(topic, group_instance_id="one")
    read(first, 10)
    first.close()
    produce(broker, topic, [b"new"])
    again = member_of(topic, group_instance_id="one")
    assert [r.offset for r in read(again, 1)] == [10]


@pytest.mark.short_times
def test_one_that_stays_away_is_replaced_after_its_session(broker, member_of):
    topic = a_topic(broker, 2)
    stays, gone = member_of(topic), member_of(topic, group_instance_id="one", session_timeout_ms=700)
    settle([stays, gone], 2)
    gone.close()
    poll_all([stays])
    assert len(stays.assignment()) == 1  # close() did not leave
    settle([stays], 2)


def test_a_second_living_one_fences_the_first(broker, member_of):
    topic = a_topic(broker, 2)
    produce(broker, topic, numbered(10), partition=0)
    first = member_of(topic, group_instance_id="one", enable_auto_commit=False)
    read(first, 10)
    second = member_of(topic, group_instance_id="one", enable_auto_commit=False)
    until(lambda: poll_all([second]) or len(second.assignment()) == 2)
    with pytest.raises(FencedInstanceIdError, match="Close this consumer"):
        until(lambda: first.poll(50) and False)
    assert first.assignment() == set()
    with pytest.raises(FencedInstanceIdError):
        first.poll()
    with pytest.raises(FencedInstanceIdError):
        first.commit()
    assert len(read(second, 10)) == 10
    second.commit()


def test_one_that_will_not_come_back_can_be_removed(broker, member_of):
    topic = a_topic(broker, 2)
    stays, gone = member_of(topic), member_of(topic, group_instance_id="one", session_timeout_ms=60_000)
    settle([stays, gone], 2)
    gone.close()
    broker.admin().remove_group_member("g", "one")
    settle([stays], 2)
    with pytest.raises(UnknownMemberIdError):
        broker.admin().remove_group_member("g", "one")


def test_coming_back_with_another_subscription_is_a_rebalance(broker, member_of):
    topic, other = a_topic(broker, 2), a_topic(broker, 2)
    first = member_of(topic, group_instance_id="one")
    settle([first], 2)
    epoch = group(broker)["generation_id"]
    first.close()
    again = member_of(other, group_instance_id="one")
    until(lambda: poll_all([again]) or {p.topic for p in again.assignment()} == {other})
    assert group(broker)["generation_id"] == epoch + 1


def test_a_rebalance_shown_before_it_came_back_is_not_done(broker, member_of):
    topic = a_topic(broker, 4)
    other, restarted = member_of(topic), member_of(topic, group_instance_id="one")
    settle([other, restarted], 4)
    shown = broker.admin().preview_rebalance("g", "range")
    restarted.close()
    again = member_of(topic, group_instance_id="one")
    settle([other, again], 4)
    with pytest.raises(StalePlanError, match="a static member has come back"):
        broker.admin().rebalance_group(shown)
    settle([other, again], 4)


def test_a_target_for_the_one_before_is_not_taken(broker, member_of):
    topic = a_topic(broker, 4)
    first = member_of(topic, group_instance_id="one")
    settle([first], 4)
    old = first.group_metadata().member_id
    first.close()
    again = member_of(topic, group_instance_id="one")
    settle([again], 4)
    # somebody who had read the members before it came back offers a target just now
    now = again.group_metadata().generation_id
    broker.connection.client.hset(group_keys("g")[0], "epoch", now + 1)
    assert broker.connection.run("groups/assign", group_keys("g"), [now + 1, "{}", "range", old, "[]"]) == 0
    settle([again], 4)


@pytest.mark.short_times
def test_one_that_does_not_poll_keeps_its_partitions_until_its_session_ends(broker, member_of):
    topic = a_topic(broker, 2)
    stays = member_of(topic)
    slow = member_of(topic, group_instance_id="one", max_poll_interval_ms=300, session_timeout_ms=1_500)
    settle([stays, slow], 2)
    until(lambda: poll_all([stays]) or slow._assignment.membership.lost)
    assert len(stays.assignment()) == 1
    settle([stays], 2)
    settle([stays, slow], 2)  # it comes back at its next poll


def test_the_metadata_of_a_member_says_its_instance(broker, member_of):
    topic = a_topic(broker)
    member = member_of(topic, group_instance_id="one")
    settle([member], 1)
    assert member.group_metadata().group_instance_id == "one"
    assert member.group_metadata().member_id.startswith("one-")


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "x" * 250, 7])
def test_an_instance_needs_a_legal_name(broker, name):
    with pytest.raises(KafkaConfigurationError, match="group_instance_id"):
        broker.consumer("t", group_id="g", group_instance_id=name)


def test_an_instance_needs_a_group(broker):
    with pytest.raises(KafkaConfigurationError, match="requires group_id"):
        broker.consumer("t", group_instance_id="one")
