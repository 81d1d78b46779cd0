"""A process unpacks each snapshot once, and never keeps one that is not the newest."""

from __future__ import annotations

from streamlab import keys
from streamlab.metrics.newest import Newest
from streamlab.metrics.snapshot import encode
from tests.snapshots import a_group, a_snapshot, a_topic


def test_the_same_snapshot_is_unpacked_once_and_the_next_is_seen_at_once(broker):
    newest, client = Newest(broker.connection), broker.connection.client
    assert newest.get() is None
    client.set(keys.SNAPSHOT, encode(a_snapshot(a_topic(), seq=7, as_of_ms=1_000)))
    first = newest.get()
    assert first is not None and newest.get() is first
    client.set(keys.SNAPSHOT, encode(a_snapshot(a_topic(), a_group("g"), seq=8, as_of_ms=2_000)))
    assert list(newest.get().groups) == ["g"]
    client.delete(keys.SNAPSHOT)
    assert newest.get() is None


def test_what_was_taken_at_another_time_is_another_one_whatever_its_number(broker):
    newest, client = Newest(broker.connection), broker.connection.client
    for as_of_ms in (1_000, 2_000):
        client.set(keys.SNAPSHOT, encode(a_snapshot(a_topic(), seq=7, as_of_ms=as_of_ms)))
        assert newest.get().as_of_ms == as_of_ms
