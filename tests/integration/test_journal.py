"""The journal never breaks its caller, and flush() tells the truth."""

from __future__ import annotations

import threading
import time

import pytest

import streamlab
from streamlab.errors import KafkaTimeoutError, StreamlabError
from streamlab.events import EVENTS_TOPIC, Journal, RecordRetried, ensure_topic
from streamlab.events.envelope import PARTITIONS, RETENTION_MS
from streamlab.events.journal import UnwritableEventError
from streamlab.metrics import telemetry
from streamlab.topics import Topics
from tests.builders import a_server, kill_and_restart
from tests.history import history
from tests.waiting import until


def an_attempt(offset: int, **more) -> RecordRetried:
    given = {"group": "revenue", "topic": "orders", "partition": 3, "record_id": f"r{offset}", "attempt": 1}
    return RecordRetried(at_ms=1_000 + offset, offset=offset, due_ms=2_000, **(given | more))


def offsets(broker) -> list[int]:
    return [recorded.data["offset"] for recorded in history(broker)]


def test_what_is_written_is_on_the_topic_after_a_flush(broker):
    with Journal(broker.connection) as journal:
        journal.write(an_attempt(41))
        journal.flush()
        [recorded] = history(broker)
    assert recorded.event == an_attempt(41)


def client_ids(broker) -> set[str]:
    return {client.client_id for client in telemetry.read_figures(broker.connection, 10).values()}


def test_journals_of_one_broker_are_told_apart_by_whose_they_are(broker):
    with (
        Journal(broker.connection, of="sampler") as one,
        Journal(broker.connection, of="worker-7") as another,
        Journal(broker.connection) as nobodys,
    ):
        for journal in (one, another, nobodys):
            journal.write(an_attempt(41))
            journal.flush()
        until(lambda: len(client_ids(broker)) == 3, 30, "the clients have told of themselves")
        assert client_ids(broker) == {
            "streamlab-journal",
            "streamlab-journal-sampler",
            "streamlab-journal-worker-7",
        }


def test_the_topic_is_made_at_the_first_event_and_keeps_a_month(broker):
    journal = Journal(broker.connection)
    assert EVENTS_TOPIC not in Topics(broker.connection).all(fresh=True)
    journal.write(an_attempt(1))
    journal.flush()
    spec = Topics(broker.connection).require(EVENTS_TOPIC)
    assert (spec.partitions, spec.config("retention.ms")) == (PARTITIONS, RETENTION_MS)
    journal.close()


def test_a_topic_that_is_there_keeps_its_settings(broker):
    Topics(broker.connection).create(EVENTS_TOPIC, 2, {"retention.ms": 1_000})
    ensure_topic(broker.connection)
    assert Topics(broker.connection).require(EVENTS_TOPIC).config("retention.ms") == 1_000


def test_events_about_one_record_stay_in_order(broker):
    with Journal(broker.connection) as journal:
        for attempt in range(1, 2_001):
            journal.write(an_attempt(41, attempt=attempt))
        journal.flush()
    assert [recorded.event.attempt for recorded in history(broker)] == list(range(1, 2_001))


def test_threads_write_beside_each_other(broker):
    with Journal(broker.connection) as journal:
        threads = [
            threading.Thread(
                target=lambda n=n: [journal.write(an_attempt(n * 1_000 + i)) for i in range(1_000)]
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        journal.flush()
    assert sorted(offsets(broker)) == list(range(4_000))


def test_close_sends_what_waits(broker):
    journal = Journal(broker.connection)
    journal.write(an_attempt(1))
    journal.close()
    assert offsets(broker) == [1]


def test_a_journal_that_nobody_wrote_to_has_nothing_to_do(broker):
    journal = Journal(broker.connection)
    journal.flush(0)
    journal.close()
    assert history(broker) == []


def test_writing_to_a_closed_journal_is_told_by_the_next_flush_only(broker):
    journal = Journal(broker.connection)
    journal.close()
    journal.write(an_attempt(1))
    with pytest.raises(StreamlabError, match="1 events"):
        journal.flush()
    journal.flush()


def test_an_event_that_cannot_be_written_does_not_hold_up_the_others(broker):
    with Journal(broker.connection) as journal:
        journal.write(an_attempt(1, message="half a character \ud800"))
        journal.write(an_attempt(2, message="x" * 20_000_000))
        journal.write(an_attempt(3))
        with pytest.raises(UnwritableEventError, match="2 events"):
            journal.flush()
        journal.write(an_attempt(4, message="half a character \ud800"))
        journal.store()
    assert offsets(broker) == [3]


def test_a_topic_that_is_deleted_is_made_again(broker):
    with Journal(broker.connection) as journal:
        journal.write(an_attempt(1))
        journal.flush()
        Topics(broker.connection).delete(EVENTS_TOPIC)
        until(lambda: _arrives(journal, broker), 60, "an event arrives on the new topic")


def _arrives(journal: Journal, broker) -> bool:
    journal.write(an_attempt(2))
    try:
        journal.flush(1)
    except StreamlabError:
        return False
    return 2 in offsets(broker)


def test_without_a_server_writing_costs_nothing_and_flush_says_so(tmp_path):
    with streamlab.connect(f"unix://{tmp_path}/nobody.sock") as broker:
        journal = Journal(broker.connection, capacity=100)
        started = time.monotonic()
        for n in range(1_000):
            journal.write(an_attempt(n))
        assert time.monotonic() - started < 30, "write() does not wait for a server"
        with pytest.raises(KafkaTimeoutError, match=r"100 events .* not stored"):
            journal.flush(0.5)
        assert journal.dropped == 900
        journal.close(0.1)


@pytest.mark.faults
def test_what_a_flush_has_returned_for_survives_a_server_that_is_killed(tmp_path):
    with a_server(tmp_path, appendfsync="always") as server, streamlab.connect(server.url) as broker:
        with Journal(broker.connection) as journal:
            flushed = []
            for turn in range(3):
                mine = range(turn * 500, turn * 500 + 500)
                for n in mine:
                    journal.write(an_attempt(n))
                killing = threading.Thread(target=kill_and_restart, args=[server])
                killing.start()
                until(lambda: _flushed(journal), 60, "the journal is through")
                flushed += mine
                killing.join()
        assert set(offsets(broker)) == set(flushed)


def _flushed(journal: Journal) -> bool:
    try:
        journal.flush(1)
        return True
    except KafkaTimeoutError:
        return False
