"""What an operator does to a running group: rebalance as previewed, choose the assignor, pause, resume, forget."""

from __future__ import annotations

from contextlib import closing

import pytest

from streamlab import keys
from streamlab.clock import SYSTEM_CLOCK
from streamlab.configs.store import Configs
from streamlab.errors import (
    CommitFailedError,
    GroupIdNotFoundError,
    GroupPausedError,
    IllegalArgumentError,
    NonEmptyGroupError,
    StalePlanError,
)
from streamlab.events.relay import Relay
from streamlab.groups import by_load, load, rebalances
from streamlab.groups.words import group_keys
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic, fall_silent, numbered, poll_all, produce, read, settle
from tests.history import history
from tests.waiting import until

pytestmark = pytest.mark.both_engines


def group(broker):
    return broker.admin().describe_groups(["g"])["g"]


def ids(members):
    return [m.group_metadata().member_id for m in members]


# -- rebalance --------------------------------------------------------------------------------------------------------


def test_a_forced_rebalance_does_exactly_what_was_shown(broker, member_of):
    topic, admin = a_topic(broker, 6), broker.admin()
    members = [member_of(topic) for _ in range(2)]
    settle(members, 6)
    preview = admin.preview_rebalance("g", "roundrobin")
    assert preview.moves and sorted(preview.assignment) == sorted(ids(members))
    assert group(broker)["generation_id"] == preview.epoch  # looking changes nothing
    assert admin.rebalance_group(preview) == preview.epoch + 1
    shares = {name: set(share) for name, share in preview.assignment.items()}
    until(
        lambda: (
            poll_all(members)
            or dict(zip(ids(members), (m.assignment() for m in members), strict=True)) == shares
        )
    )
    newest = until(lambda: poll_all(members) or rebalances.recent(broker.connection, "g", 1))[0]
    assert (newest.cause, newest.assignor) == ("forced", "roundrobin")
    assert {(m.topic, m.partition) for m in newest.moved} == {tuple(m.partition) for m in preview.moves}


def test_a_preview_is_refused_once_the_group_moved(broker, member_of):
    topic, admin = a_topic(broker, 4), broker.admin()
    members = [member_of(topic)]
    settle(members, 4)
    preview = admin.preview_rebalance("g", "roundrobin")
    members.append(member_of(topic))
    settle(members, 4)
    with pytest.raises(StalePlanError, match="Nothing was done"):
        admin.rebalance_group(preview)
    assert group(broker)["protocol_data"] == "cooperative-sticky"


def test_an_assignor_that_was_chosen_stays_whatever_members_ask_for(broker, member_of):
    topic, admin = a_topic(broker, 6), broker.admin()
    members = [member_of(topic)]
    settle(members, 6)
    assert admin.choose_assignor("g", "range") is True
    assert admin.choose_assignor("g", "range") is False
    members.append(member_of(topic, partition_assignment_strategy="roundrobin"))
    settle(members, 6)
    assert group(broker)["protocol_data"] == "range"
    runs = sorted(sorted(p.partition for p in m.assignment()) for m in members)
    assert runs == [[0, 1, 2], [3, 4, 5]]


def test_changing_the_assignor_of_a_running_group_is_a_rebalance(broker, member_of):
    topic, admin = a_topic(broker, 4), broker.admin()
    members = [member_of(topic, partition_assignment_strategy="range") for _ in range(2)]
    settle(members, 4)
    assert group(broker)["protocol_data"] == "range"
    epoch = group(broker)["generation_id"]
    admin.choose_assignor("g", "roundrobin")
    dealt = [[0, 2], [1, 3]]
    until(
        lambda: (
            poll_all(members) or sorted(sorted(p.partition for p in m.assignment()) for m in members) == dealt
        )
    )
    assert group(broker)["generation_id"] == epoch + 1


def test_the_setting_of_the_group_and_the_operators_choice_are_one(broker, member_of):
    topic, admin, configs = a_topic(broker, 4), broker.admin(), Configs(broker.connection)
    members = [member_of(topic) for _ in range(2)]
    settle(members, 4)
    epoch = group(broker)["generation_id"]
    configs.set("group:g", {"assignor": "roundrobin"})
    assert group(broker)["protocol_data"] == "roundrobin"
    until(lambda: poll_all(members) or group(broker)["generation_id"] == epoch + 1)
    admin.choose_assignor("g", "range")
    assert configs.get("group:g").values["assignor"] == "range"
    admin.rebalance_group(admin.preview_rebalance("g", "lag-aware"), by="ann")
    assert configs.history("group:g", 1)[0].by == "ann"
    assert configs.get("group:g").values["assignor"] == group(broker)["protocol_data"] == "lag-aware"


def test_the_first_member_of_an_empty_group_chooses_again(broker, member_of):
    topic = a_topic(broker, 2)
    first = member_of(topic, partition_assignment_strategy="range")
    settle([first], 2)
    first.close()
    settle([member_of(topic, partition_assignment_strategy="roundrobin")], 2)
    assert group(broker)["protocol_data"] == "roundrobin"


def test_lag_aware_gives_the_partition_with_the_backlog_to_one_that_has_little_else(broker, member_of):
    topic = a_topic(broker, 4)
    settled = member_of(topic)
    settle([settled], 4)
    settled.commit({TopicPartition(topic, n): 0 for n in range(4)})
    settled.close(autocommit=False)
    produce(broker, topic, numbered(3_000), partition=0)
    for n in (1, 2, 3):
        produce(broker, topic, numbered(10), partition=n)
    members = [
        member_of(topic, partition_assignment_strategy="lag-aware", max_poll_records=1) for _ in range(2)
    ]
    until(lambda: poll_all(members) or sum(len(m.assignment()) for m in members) == 4)
    preview = broker.admin().preview_rebalance("g", "lag-aware")
    shares = sorted(sorted(p.partition for p in share) for share in preview.assignment.values())
    assert shares == [[0], [1, 2, 3]]


def test_a_group_that_goes_by_lag_shares_out_anew_when_the_work_stays_shifted(broker, member_of, monkeypatch):
    monkeypatch.setattr(by_load, "EVERY_S", 0.2)
    topic = a_topic(broker, 4)
    lag_aware = {
        "partition_assignment_strategy": "lag-aware",
        "enable_auto_commit": False,
        "max_poll_records": 1,
    }
    members = [member_of(topic, **lag_aware) for _ in range(2)]
    settle(members, 4)
    epoch = group(broker)["generation_id"]
    for member in members:
        member.commit(dict.fromkeys(member.assignment(), 0))
    mine = sorted(members[0].assignment())
    for partition in mine:
        produce(broker, topic, numbered(3_000), partition=partition.partition)
    until(lambda: poll_all(members) or all(len({*mine} & m.assignment()) == 1 for m in members), 30)
    newest = until(lambda: poll_all(members) or rebalances.recent(broker.connection, "g", 1))[0]
    assert (newest.cause, newest.assignor, newest.epoch) == ("load", "lag-aware", epoch + 1)


def test_a_wave_of_work_that_is_over_at_the_second_look_moves_nothing(broker, member_of, monkeypatch):
    topic, admin = a_topic(broker, 4), broker.admin()
    members = [member_of(topic, partition_assignment_strategy="lag-aware") for _ in range(2)]
    settle(members, 4)
    monkeypatch.setattr(by_load, "EVERY_S", 0.0)
    epoch, first = group(broker)["generation_id"], min(ids(members))
    watch = by_load.LoadWatch(broker.connection, Topics(broker.connection), "g", SYSTEM_CLOCK)

    def see(*loads, member=first):
        for each in loads:
            monkeypatch.setattr(load, "measure", lambda *_, each=each: dict.fromkeys(mine, each))
            watch.look(member)
        return group(broker)["generation_id"] - epoch

    mine = members[0].assignment()
    assert see(100.0, 0.0, 100.0, 0.0) == 0
    assert see(100.0, 100.0, member=max(ids(members))) == 0  # it is not this one's turn
    assert see(1.0, 1.0) == 0  # two records a second: by chance, or not worth it
    assert see(100.0, 100.0) == 1
    assert admin.describe_groups(["g"])["g"]["protocol_data"] == "lag-aware"


def test_what_cannot_be_rebalanced_says_so(broker, member_of):
    topic, admin = a_topic(broker), broker.admin()
    with pytest.raises(GroupIdNotFoundError):
        admin.preview_rebalance("nobody")
    member = member_of(topic)
    settle([member], 1)
    with pytest.raises(IllegalArgumentError, match="There are cooperative-sticky, "):
        admin.preview_rebalance("g", "fair")
    member.close()
    with pytest.raises(IllegalArgumentError, match="no members"):
        admin.preview_rebalance("g")


def test_what_moves_is_not_taken_before_its_owner_has_let_go(broker, member_of):
    topic = a_topic(broker, 2)
    busy = member_of(topic)
    settle([busy], 2)
    coming = member_of(topic)
    until(lambda: poll_all([coming]) or group(broker)["group_state"] == "Reconciling")
    poll_all([coming] * 5)
    assert (coming.assignment(), len(busy.assignment())) == (set(), 2)
    settle([busy, coming], 2)


# -- pause ------------------------------------------------------------------------------------------------------------


def test_a_paused_group_commits_gives_up_and_reads_nothing_until_it_is_resumed(broker, member_of):
    topic, admin = a_topic(broker, 2), broker.admin()
    produce(broker, topic, numbered(10), partition=0)
    members = [member_of(topic, auto_commit_interval_ms=60_000) for _ in range(2)]
    settle(members, 2)
    until(
        lambda: poll_all(members) or sum(m.position(p) or 0 for m in members for p in m.assignment()) == 10,
        10,
    )
    admin.pause_group("g", "maintenance")
    until(lambda: poll_all(members) or not any(m.assignment() for m in members))
    assert admin.list_group_offsets("g")["g"][TopicPartition(topic, 0)].offset == 10
    assert group(broker)["group_state"] == "Stable" and len(group(broker)["members"]) == 2
    produce(broker, topic, [b"later"], partition=0)
    assert [m.poll(100) for m in members] == [{}, {}]
    with pytest.raises(GroupPausedError, match="maintenance"):
        admin.pause_group("g")
    assert admin.resume_group("g") is True
    seen = []
    until(lambda: seen.extend(r for m in members for rs in m.poll(50).values() for r in rs) or seen)
    assert [(r.offset, r.value) for r in seen] == [(10, b"later")]
    assert admin.resume_group("g") is False


def test_a_pause_for_a_time_ends_by_itself(broker, member_of):
    topic, admin = a_topic(broker, 2), broker.admin()
    member = member_of(topic)
    settle([member], 2)
    admin.pause_group("g", for_ms=400)
    until(lambda: poll_all([member]) or not member.assignment())
    settle([member], 2)
    told = [f for _, f in broker.connection.client.xrange(keys.group_events("g")) if b"paused" in f[b"data"]]
    assert b"nobody renewed the pause" in told[-1][b"data"]


def test_who_joins_a_paused_group_waits_with_the_others(broker, member_of):
    topic, admin = a_topic(broker, 4), broker.admin()
    members = [member_of(topic)]
    settle(members, 4)
    admin.pause_group("g")
    until(lambda: poll_all(members) or not members[0].assignment())
    members.append(member_of(topic))
    until(lambda: poll_all(members) or len(group(broker)["members"]) == 2)
    assert [m.assignment() for m in members] == [set(), set()]
    admin.resume_group("g")
    settle(members, 4)


def test_a_pause_comes_back_to_the_same_owners(broker, member_of):
    topic, admin = a_topic(broker, 6), broker.admin()
    members = [member_of(topic) for _ in range(3)]
    settle(members, 6)
    before, epoch = [m.assignment() for m in members], group(broker)["generation_id"]
    admin.pause_group("g")
    until(lambda: poll_all(members) or not any(m.assignment() for m in members))
    admin.resume_group("g")
    settle(members, 6)
    assert ([m.assignment() for m in members], group(broker)["generation_id"]) == (before, epoch)


# -- forgetting and looking up ----------------------------------------------------------------------------------------


def test_a_group_with_members_is_not_deleted_and_one_without_leaves_nothing(broker, member_of):
    topic, admin = a_topic(broker, 2), broker.admin()
    member = member_of(topic)
    produce(broker, topic, numbered(3), partition=0)
    read(member, 3)
    with pytest.raises(NonEmptyGroupError):
        admin.delete_groups(["g"])
    member.close()
    admin.delete_groups(["g"])
    with closing(Relay(broker.connection)) as relay:
        relay.carry()
    assert _keys_left(broker) == []
    assert admin.list_group_offsets("g")["g"] == {}
    assert broker.connection.client.smembers(keys.GROUPS_DELETED) == set()


def _keys_left(broker):
    of_group = [*group_keys("g"), keys.group_relayed("g")]
    found = broker.connection.execute_many([("EXISTS", key) for key in of_group])
    return [key for key, there in zip(of_group, found, strict=True) if there]


def test_the_history_of_a_deleted_group_is_told_all_the_same(broker, member_of):
    topic, admin = a_topic(broker), broker.admin()
    member = member_of(topic)
    settle([member], 1)
    member.close()
    admin.delete_groups(["g"], by="ann")
    assert admin.describe_groups(["g"])["g"]["group_state"] == "Dead"
    with closing(Relay(broker.connection)) as relay:
        relay.carry()
    told = [event for event in history(broker) if event.source == "/streamlab/groups/g"]
    assert [event.name for event in told][-2:] == ["group.rebalanced", "group.deleted"]
    assert told[-1].event.by == "ann" and "member.left" in {event.name for event in told}


def test_a_group_that_is_there_again_keeps_its_outbox_and_not_the_rebalances_before(broker, member_of):
    topic, admin = a_topic(broker), broker.admin()
    for n in range(2):
        member = member_of(topic)
        settle([member], 1)
        if not n:
            member.close()
            admin.delete_groups(["g"])
    with closing(Relay(broker.connection)) as relay:
        relay.carry()
    assert keys.group_events("g") in _keys_left(broker)
    assert [r.epoch for r in rebalances.recent(broker.connection, "g")] == [1]
    assert broker.connection.client.smembers(keys.GROUPS_DELETED) == set()


def test_a_zombie_of_a_deleted_group_cannot_commit_in_the_new_one(broker, member_of):
    topic, admin = a_topic(broker), broker.admin()
    produce(broker, topic, numbered(10))
    for _ in range(3):  # so that the zombie's owner epoch is not the first
        member = member_of(topic, enable_auto_commit=False, session_timeout_ms=500)
        settle([member], 1)
        if _ < 2:
            member.close()
    zombie = member
    fall_silent(zombie)
    until(lambda: not group(broker)["members"])
    admin.delete_groups(["g"])
    heir = member_of(topic, enable_auto_commit=False)
    read(heir, 10)
    where = TopicPartition(topic, 0)
    with pytest.raises(CommitFailedError):
        zombie.commit({where: 7})
    heir.commit()
    assert heir.committed(where) == 10


def test_an_assignor_that_was_chosen_for_a_name_holds_when_the_group_is_made_again(broker, member_of):
    topic, admin, configs = a_topic(broker, 2), broker.admin(), Configs(broker.connection)
    configs.set("group:g", {"assignor": "range"})
    assert group(broker)["group_state"] == "Dead"  # a setting alone is no group
    for _ in range(2):
        member = member_of(topic, partition_assignment_strategy="roundrobin")
        settle([member], 2)
        assert group(broker)["protocol_data"] == "range"
        member.close()
        admin.delete_groups(["g"])
    configs.unset("group:g", ["assignor"])
    settle([member_of(topic, partition_assignment_strategy="roundrobin")], 2)
    assert group(broker)["protocol_data"] == "roundrobin"


def test_an_offset_has_a_time_and_a_time_an_offset(broker):
    topic, admin = a_topic(broker), broker.admin()
    here = TopicPartition(topic, 0)
    with broker.producer(linger_ms=0) as producer:
        first = producer.send(topic, b"a").get(30)
        second = producer.send(topic, b"b").get(30)
    times = {offset: admin.times_for_offsets({here: offset})[here] for offset in (0, 1, 2)}
    assert times[2] is None and times[0] <= times[1]
    assert admin.offsets_for_times({here: times[1] + 1})[here] is None
    found = admin.offsets_for_times({here: times[0]})[here]
    assert (found.offset, found.timestamp) == (first.offset, times[0])
    assert second.offset == 1
