"""The projector: from the topic into the tables, each event once, wherever it was stopped."""

from __future__ import annotations

from contextlib import closing

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError
from pytest_django import Settings

from dashboard.projections import GROUP, currency
from dashboard.projections import projector as projecting
from dashboard.projections.currency import BEHIND, REBUILDING, missing
from dashboard.projections.models import BrokerEvent, DeadLetter, Ledger, Position, RecordEvent
from dashboard.projections.projector import Projector
from dashboard.projections.rebuild import begin
from streamlab import keys
from streamlab.broker import Broker
from streamlab.events import EVENTS_TOPIC, Event, Journal
from streamlab.metrics.collect import Collector
from streamlab.metrics.snapshot import Snapshot
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import produce
from tests.stories import Life, of_the_group
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def the_broker_of_the_pages(redis_url: str, settings: Settings) -> None:
    settings.STREAMLAB_URL = redis_url


def tell(broker: Broker, *events: Event) -> None:
    with Journal(broker.connection) as journal:
        for event in events:
            journal.write(event)
        journal.flush()


def lives(count: int, first: int = 0) -> list[Event]:
    return [event for n in range(first, first + count) for event in Life(offset=n).fails().dies().events]


def project_all(broker: Broker) -> int:
    projector = Projector(broker, group_id=None)
    try:
        return projector.catch_up()
    finally:
        projector.close()


def test_what_was_told_before_and_while_it_runs_is_in_the_tables(broker):
    tell(broker, *lives(50))
    projector = Projector(broker)
    until(lambda: projector.turn() or RecordEvent.objects.count() == 100, what="the first half")
    tell(broker, *lives(50, first=50), *of_the_group())
    until(lambda: projector.turn() == 0 and RecordEvent.objects.count() == 200, what="the second half")
    projector.close()
    assert (DeadLetter.objects.count(), BrokerEvent.objects.count()) == (100, 4)


def test_what_it_has_applied_is_committed_to_its_group_so_that_its_lag_can_be_seen(broker):
    tell(broker, *lives(20))
    projector = Projector(broker)
    until(lambda: projector.turn() or RecordEvent.objects.count() == 40)
    projector.close()
    committed = broker.admin().list_group_offsets(GROUP)
    assert sum(position.offset for position in committed[GROUP].values()) == 40


def test_it_goes_on_where_the_database_stands(broker):
    tell(broker, *lives(20))
    assert project_all(broker) == 40
    tell(broker, *lives(5, first=20))
    assert project_all(broker) == 10
    assert Ledger.objects.get().applied == 50


def test_a_database_that_was_restored_from_an_older_copy_catches_up_again(broker):
    tell(broker, *lives(20))
    projector = Projector(broker)
    until(lambda: projector.turn() or RecordEvent.objects.count() == 40)
    RecordEvent.objects.all().delete()
    Position.objects.update(offset=0)
    tell(broker, *lives(1, first=99))
    until(lambda: projector.turn() or RecordEvent.objects.count() == 42, what="all is there again")
    projector.close()


def test_events_that_retention_took_are_not_waited_for(broker):
    tell(broker, *lives(20))
    places = [
        TopicPartition(EVENTS_TOPIC, n)
        for n in range(Topics(broker.connection).require(EVENTS_TOPIC).partitions)
    ]
    broker.admin().delete_records(dict.fromkeys(places, -1))
    tell(broker, *lives(3, first=50))
    project_all(broker)
    assert sorted(DeadLetter.objects.values_list("offset", flat=True)) == [50, 51, 52]


def test_a_topic_that_was_made_anew_is_applied_from_its_beginning(broker):
    tell(broker, *lives(20))
    project_all(broker)
    Topics(broker.connection).delete(EVENTS_TOPIC)
    tell(broker, *lives(2, first=50))
    assert project_all(broker) == 4
    assert DeadLetter.objects.count() == 22


def test_a_refused_write_leaves_rows_and_position_as_they_were(broker, monkeypatch):
    tell(broker, *lives(20))
    projector = Projector(broker, group_id=None)
    apply = projecting.apply

    def breaks_at_the_end(batch):
        apply(batch)
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(projecting, "apply", breaks_at_the_end)
    with pytest.raises(DatabaseError):
        until(projector.turn)
    assert (RecordEvent.objects.count(), Position.objects.count()) == (0, 0)
    projector.close()
    monkeypatch.undo()
    assert project_all(broker) == 40


def test_one_event_that_the_database_does_not_take_does_not_stop_the_others(broker):
    poison = Life(offset=2**70, partition=0).fails().events
    tell(broker, *lives(5), *poison)
    project_all(broker)
    assert (RecordEvent.objects.count(), Ledger.objects.get().unreadable) == (10, 1)


def test_records_that_are_no_events_are_counted_and_passed_over(broker):
    tell(broker, *lives(1))
    produce(broker, EVENTS_TOPIC, [b"hello", b"{}", None])
    project_all(broker)
    assert (RecordEvent.objects.count(), Ledger.objects.get().unreadable) == (2, 3)


def test_two_projectors_beside_each_other_count_everything_once(broker):
    tell(broker, *lives(300))
    one, other = Projector(broker), Projector(broker, group_id=None)

    def both() -> bool:
        one.turn(50)
        other.turn(50)
        return sum(Position.objects.values_list("offset", flat=True)) == 600

    until(both, 60, "everything is applied")
    one.close()
    other.close()
    assert (RecordEvent.objects.count(), Ledger.objects.get().applied) == (600, 600)


def test_a_rebuild_makes_the_same_tables_again(broker):
    from tests.integration.test_projections import tables

    tell(broker, *lives(50), *of_the_group())
    project_all(broker)
    before = tables()
    DeadLetter.objects.all().delete()
    call_command("rebuild_projections", verbosity=0)
    assert tables() == before
    ledger = Ledger.objects.get()
    assert (ledger.rebuild_until, ledger.applied) == ({}, 104)


def test_a_rebuild_that_would_lose_history_asks_first(broker):
    tell(broker, *lives(20))
    project_all(broker)
    places = [TopicPartition(EVENTS_TOPIC, n) for n in range(6)]
    broker.admin().delete_records(dict.fromkeys(places, -1))
    with pytest.raises(CommandError, match="40 events are gone"):
        call_command("rebuild_projections")
    assert DeadLetter.objects.count() == 20
    call_command("rebuild_projections", "--accept-loss", verbosity=0)
    assert DeadLetter.objects.count() == 0


def test_while_it_is_rebuilt_the_ledger_says_how_far_it_must_come(broker):
    tell(broker, *lives(20))
    project_all(broker)
    assert begin(broker) == 40
    assert sum(Ledger.objects.get().rebuild_until.values()) == 40
    project_all(broker)
    assert Ledger.objects.get().rebuild_until == {}


def test_a_running_projector_follows_a_rebuild(broker):
    tell(broker, *lives(20))
    projector = Projector(broker)
    until(lambda: projector.turn() or RecordEvent.objects.count() == 40)
    begin(broker)
    tell(broker, *lives(1, first=99))
    until(lambda: projector.turn() or RecordEvent.objects.count() == 42, what="the tables are made again")
    projector.close()


def test_the_group_has_a_member_while_it_runs(broker):
    projector = Projector(broker)
    until(lambda: projector.turn() or broker.connection.client.zcard(keys.group_leases(GROUP)) == 1)
    projector.close()


def measured(broker: Broker) -> Snapshot:
    with closing(Collector(broker.connection)) as collector:
        return collector.collect(1)


def test_the_tables_are_known_to_lack_what_nobody_projects(broker, monkeypatch):
    assert missing(measured(broker)) == "", "nothing was ever told"
    tell(broker, *lives(2))
    assert missing(measured(broker)) == BEHIND
    with closing(Projector(broker)) as projector:
        until(lambda: projector.turn() == 0 and DeadLetter.objects.count() == 2)
        assert missing(measured(broker)) == ""
        tell(broker, *lives(2, first=2))
        assert missing(measured(broker)) == "", "that is of this very moment"
        monkeypatch.setattr(currency, "LATE_MS", 0)
        until(lambda: missing(measured(broker)) == BEHIND, what="time to pass while nobody projects")
        until(lambda: projector.turn() == 0 and DeadLetter.objects.count() == 4)
        assert missing(measured(broker)) == ""


def test_the_tables_are_known_to_be_made_again(broker):
    tell(broker, *lives(2))
    with closing(Projector(broker)) as projector:
        until(lambda: projector.turn() == 0 and DeadLetter.objects.count() == 2)
        begin(broker)
        assert missing(measured(broker)) == REBUILDING
        tell(broker, *lives(1, first=2))  # what brings a running projector back to the beginning
        until(lambda: projector.turn() == 0 and DeadLetter.objects.count() == 3)
    assert missing(measured(broker)) == ""


def test_a_database_that_was_emptied_is_not_taken_for_a_quiet_one(broker):
    tell(broker, *lives(2))
    with closing(Projector(broker)) as projector:
        until(lambda: projector.turn() == 0 and DeadLetter.objects.count() == 2)
    Position.objects.all().delete()
    assert missing(measured(broker)) == BEHIND
