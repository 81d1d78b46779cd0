"""What scripts leave in their outboxes arrives on the topic of events, each entry once in effect."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import Any

import pytest

from streamlab import keys
from streamlab.broker import Broker
from streamlab.errors import StreamlabError
from streamlab.events import ConfigChanged, GroupPaused
from streamlab.events.journal import Journal
from streamlab.events.relay import AT_ONCE, Relay
from streamlab.metrics.sampler import Sampler
from tests.builders import a_server, a_topic, kill_and_restart, settle
from tests.history import history
from tests.waiting import until


def leave(broker: Broker, stream: str, type: str, data: dict[str, Any] | bytes) -> str:
    """As a script does; the entry's id."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return broker.connection.client.xadd(stream, {"type": type, "data": raw}).decode()


def a_group(broker: Broker, name: str = "revenue") -> str:
    """Its outbox."""
    broker.connection.client.sadd(keys.GROUPS, name)
    return keys.group_events(name)


def carry(broker: Broker, *journal: Journal) -> int:
    with closing(Relay(broker.connection, *journal)) as relay:
        return relay.carry()


def test_an_entry_of_a_group_becomes_an_event_with_the_entrys_id(broker):
    entry = leave(broker, a_group(broker), "group.paused", {"group": "revenue", "at_ms": 7, "by": "ann"})
    assert carry(broker) == 1
    [event] = history(broker)
    assert event.id == f"group:revenue:{entry}"
    assert event.event == GroupPaused(at_ms=7, group="revenue", by="ann")
    assert event.source == "/streamlab/groups/revenue"


def test_what_was_carried_is_not_carried_again_by_the_next_relay(broker):
    leave(broker, a_group(broker), "group.paused", {"at_ms": 7})
    carry(broker)
    assert carry(broker) == 0
    assert len(history(broker)) == 1


def test_topics_and_configuration_have_outboxes_too(broker):
    broker.admin().create_topics({"orders": {"num_partitions": 2}})
    data = {"entity_type": "topic", "entity": "orders", "name": "retention.ms", "after": "1", "at_ms": 9}
    leave(broker, keys.CONFIG_EVENTS, "config.changed", data)
    carry(broker)
    found = {event.name: event for event in history(broker)}
    assert set(found) == {"topic.created", "config.changed"}
    assert found["topic.created"].event.partitions == 2
    assert isinstance(found["config.changed"].event, ConfigChanged)


def test_a_real_group_tells_of_its_members_and_rebalances(broker):
    topic = a_topic(broker, partitions=2)
    with broker.consumer(topic, group_id="revenue") as consumer:
        settle([consumer], 2)
        carry(broker)
    kinds = {event.name: event for event in history(broker)}
    assert {"member.joined", "group.rebalanced"} <= set(kinds)
    assert all(event.event is not None for event in kinds.values()), "every field is of its type"
    moved = kinds["group.rebalanced"].event.moved
    assert {(move.topic, move.partition) for move in moved} == {(topic, 0), (topic, 1)}


def test_what_the_data_leaves_out_the_entry_tells(broker):
    entry = leave(broker, a_group(broker), "group.paused", {"by": "ann"})
    carry(broker)
    [event] = history(broker)
    assert event.event == GroupPaused(at_ms=int(entry.split("-")[0]), group="revenue", by="ann")


@pytest.mark.parametrize("data", [b"no json", b"[]", b'{"at_ms": "x"}', b"\xff"])
def test_a_damaged_entry_is_carried_as_it_is_and_stops_nobody(broker, data):
    outbox = a_group(broker)
    leave(broker, outbox, "group.paused", data)
    leave(broker, outbox, "group.resumed", {"at_ms": 7})
    assert carry(broker) == 2
    assert [event.name for event in history(broker)] == ["group.paused", "group.resumed"]


def test_a_type_that_is_not_known_is_carried_with_its_fields(broker):
    leave(broker, a_group(broker), "group.sang", {"song": "la", "at_ms": 1})
    carry(broker)
    [event] = history(broker)
    assert (event.type, event.event, event.data["song"]) == ("streamlab.group.sang", None, "la")


def test_the_entries_of_a_group_stay_in_their_order_however_many_there_are(broker):
    outbox = a_group(broker)
    count = AT_ONCE * 2 + 3
    pipe = broker.connection.client.pipeline(transaction=False)
    for n in range(count):
        pipe.xadd(outbox, {"type": "group.paused", "data": json.dumps({"at_ms": n, "by": str(n)})})
    pipe.execute()
    assert carry(broker) == count
    assert [event.data["by"] for event in history(broker)] == [str(n) for n in range(count)]


def test_a_relay_that_dies_before_it_remembers_repeats_under_the_same_ids(broker):
    outbox = a_group(broker)
    entries = [leave(broker, outbox, "group.paused", {"at_ms": n}) for n in range(3)]

    class Dies(Journal):
        """The process ends after the events were stored and before the place was."""

        died = False

        def flush(self, timeout_s: float = 10.0) -> None:
            super().flush(timeout_s)
            if not self.died:
                self.died = True
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry(broker, Dies(broker.connection))
    assert carry(broker) == 3
    told = [event.id for event in history(broker)]
    assert told == 2 * [f"group:revenue:{entry}" for entry in entries]


@pytest.mark.standalone_only
def test_groups_without_news_cost_one_command_each_in_one_round_trip(broker):
    for n in range(50):
        a_group(broker, f"g{n}")
    with closing(Relay(broker.connection)) as relay:
        relay.carry()
        before = broker.connection.client.info("commandstats")
        relay.carry()
        after = broker.connection.client.info("commandstats")
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    calls = {name: count for name, count in calls.items() if count and name != "cmdstat_info"}
    assert calls == {"cmdstat_smembers": 2, "cmdstat_xrange": 53}


def test_the_active_sampler_carries(broker):
    leave(broker, a_group(broker), "group.paused", {"at_ms": 7})
    sampler = Sampler(broker.connection)
    thread = threading.Thread(target=sampler.run)
    thread.start()
    try:
        until(
            lambda: [event.name for event in history(broker)] == ["group.paused"], what="the event is carried"
        )
    finally:
        sampler.stop.set()
        thread.join(60)


@pytest.mark.faults
def test_entries_survive_a_server_that_is_killed_while_they_are_carried(tmp_path):
    import streamlab

    with a_server(tmp_path, appendfsync="always") as server, streamlab.connect(server.url) as broker:
        outbox, relay = a_group(broker), Relay(broker.connection)
        left: set[str] = set()
        for turn in range(3):
            for n in range(200):
                left.add(
                    f"group:revenue:{leave(broker, outbox, 'group.paused', {'at_ms': n, 'by': str(turn)})}"
                )
            carrying = threading.Thread(target=_carry_until_done, args=[relay])
            carrying.start()
            kill_and_restart(server)
            carrying.join(60)
            assert not carrying.is_alive()
        relay.close()
        assert left <= {event.id for event in history(broker)}


def _carry_until_done(relay: Relay) -> None:
    """As RelayThread, until a turn finds nothing more."""

    def done() -> bool:
        try:
            return relay.carry() == 0
        except StreamlabError:
            return False

    until(done, 60, "the outbox is empty")
