"""A process that changed something is killed before it could tell of it: the sampler's housekeeper tells it.

Everything here is really killed between the change and its event, and looked at where people look: in the tables.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_django import Settings

from dashboard.projections.models import BrokerEvent, DeadLetter
from dashboard.projections.projector import Projector
from streamlab import keys, retention
from streamlab.broker import Broker
from streamlab.delivery import letter_changes, replay_history
from streamlab.delivery.dead_letters import EVERYTHING, DeadLetters
from streamlab.delivery.letter_filter import LetterFilter
from streamlab.delivery.letter_states import LetterState, LetterStates
from streamlab.delivery.replay_jobs import ReplayJob, ReplayState
from streamlab.events import EVENTS_TOPIC, Journal, RecordDeadLettered, recorded_of
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.dead_letter_builders import GROUP, dead_orders, records_of_topic
from tests.shell import REPOSITORY

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def the_housekeeper_waits_for_nobody(
    redis_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STREAMLAB_URL = redis_url
    monkeypatch.setattr(letter_changes, "LEFT_AFTER_MS", 0)
    monkeypatch.setattr(replay_history, "LEFT_AFTER_MS", 0)


def killed_before_it_tells(broker: Broker, event: str, what: str, name: str) -> None:
    words = [sys.executable, "-m", "tests.faults.dying", broker.url, event, what, name]
    ended = subprocess.run(words, cwd=REPOSITORY, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert event not in told(broker)


def told(broker: Broker) -> list[str]:
    """Names of all events, repeats included."""
    if Topics(broker.connection).get(EVENTS_TOPIC) is None:
        return []
    return [recorded_of(record).name for record in records_of_topic(broker, EVENTS_TOPIC)]


def dead(broker: Broker, count: int = 6) -> DeadLetters:
    """Letters of whose deaths the history knows."""
    letters = dead_orders(broker, count, partitions=2)
    with Journal(broker.connection) as journal:
        for letter in letters.all():
            journal.write(
                RecordDeadLettered(
                    at_ms=letter.letter.died_ms,
                    group=GROUP,
                    topic=letter.letter.topic,
                    partition=letter.letter.partition,
                    offset=letter.letter.offset,
                    record_id=letter.letter.record_id,
                    attempt=2,
                    cause="exhausted",
                    dlq_topic=letters.dlq,
                    dlq_partition=letter.address.partition,
                    dlq_offset=letter.address.offset,
                )
            )
        journal.flush()
    return letters


def a_job(broker: Broker, letters: DeadLetters, **how: Any) -> ReplayJob:
    replays = broker.replays()
    return replays.draft(replays.plan(letters, **how), by="ann")


def its_lease_ends(broker: Broker, job: ReplayJob) -> None:
    """As it does by itself, some seconds after the process died."""
    broker.connection.client.delete(keys.replay_lease(job.id))


def housekeeping(broker: Broker) -> None:
    retention.sweep(broker.connection)
    projector = Projector(broker, group_id=None)
    try:
        projector.catch_up()
    finally:
        projector.close()


def states() -> set[str]:
    return set(DeadLetter.objects.values_list("state", flat=True))


def ends(job: ReplayJob) -> list[tuple[str, int, str | None]]:
    """What the tables say of how a replay ended: outcome, letters replayed, why."""
    rows = BrokerEvent.objects.filter(kind="replay.finished", subject=job.id)
    return [(row.data["outcome"], row.data["replayed"], row.data["reason"]) for row in rows]


def test_a_discarded_letter_is_shown_as_discarded(broker: Broker) -> None:
    letters = dead(broker)
    killed_before_it_tells(broker, "dead_letter.discarded", "discard", letters.dlq)
    assert letters.counts().discarded > 0, "the letters were changed"
    housekeeping(broker)
    shown = DeadLetter.objects.filter(state="discarded")
    assert shown.count() == letters.counts().discarded
    assert set(shown.values_list("discarded_by", "discard_reason")) == {("ann", "test data")}


def test_a_letter_that_was_called_back_is_shown_as_dead(broker: Broker) -> None:
    letters = dead(broker)
    letters.discard(EVERYTHING, reason="test data", by="ann", execute=True)
    housekeeping(broker)
    assert states() == {"discarded"}
    killed_before_it_tells(broker, "dead_letter.restored", "restore", letters.dlq)
    housekeeping(broker)
    assert letters.counts().dead == DeadLetter.objects.filter(state="dead").count() > 0


def test_what_was_told_by_another_is_told_once_and_leaves_nothing_behind(broker: Broker) -> None:
    letters = dead(broker)
    killed_before_it_tells(broker, "dead_letter.discarded", "discard", letters.dlq)
    housekeeping(broker)
    housekeeping(broker)
    assert told(broker).count("dead_letter.discarded") == letters.counts().discarded
    assert not any(broker.connection.client.exists(keys.untold_changes(letters.dlq, n)) for n in range(2))


def test_who_is_only_slow_says_the_same_again_under_the_same_id(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = dead(broker)
    tell = letter_changes.tell

    def after_the_housekeeper(*args: Any) -> None:
        monkeypatch.setattr(letter_changes, "tell", tell)
        retention.sweep(broker.connection)
        tell(*args)

    monkeypatch.setattr(letter_changes, "tell", after_the_housekeeper)
    letters.discard(EVERYTHING, reason="test data", by="ann", execute=True)
    events = [recorded_of(record) for record in records_of_topic(broker, EVENTS_TOPIC)]
    discards = [event.id for event in events if event.name == "dead_letter.discarded"]
    assert len(discards) > len(set(discards)) == letters.counts().discarded == 6


def test_that_a_replay_began_is_told(broker: Broker) -> None:
    job = a_job(broker, dead(broker))
    killed_before_it_tells(broker, "replay.started", "run", job.id)
    housekeeping(broker)
    assert not BrokerEvent.objects.filter(kind="replay.started").exists(), "somebody may still be running it"
    its_lease_ends(broker, job)
    housekeeping(broker)
    begin = BrokerEvent.objects.get(kind="replay.started", subject=job.id)
    assert (begin.at_ms, begin.data["total"]) == (broker.replays().jobs.get(job.id).started_ms, 6)


def test_that_a_replay_ended_is_told_by_the_housekeeper(broker: Broker) -> None:
    letters = dead(broker)
    job = a_job(broker, letters)
    killed_before_it_tells(broker, "replay.finished", "run", job.id)
    its_lease_ends(broker, job)
    housekeeping(broker)
    assert ends(job) == [("done", 6, None)]
    assert broker.connection.client.zcard(keys.REPLAYS_UNTOLD) == 0


def test_a_cancelled_replay_is_finished_and_told_although_two_processes_were_killed_at_it(
    broker: Broker,
) -> None:
    letters = dead(broker, 40)
    job = a_job(broker, letters)
    killed_before_it_tells(broker, "dead_letter.replayed", "run", job.id)
    taken = broker.replays().jobs.get(job.id).counts.taken
    assert taken > 0, "a chunk was taken, sent perhaps, and not counted"
    its_lease_ends(broker, job)
    killed_before_it_tells(broker, "dead_letter.replayed", "cancel", job.id)
    its_lease_ends(broker, job)
    housekeeping(broker)
    counts = broker.replays().jobs.get(job.id).counts
    assert (counts.taken, counts.sent) == (0, taken) == (0, letters.counts().replaying)
    assert ends(job) == [("cancelled", taken, "cancelled by carol")]
    assert DeadLetter.objects.filter(state="replaying").count() == taken


@contextmanager
def a_group_that_fails_always(broker: Broker, letters: DeadLetters) -> Iterator[None]:
    """Whatever is replayed to it dies again."""
    over = threading.Event()
    known = LetterStates(broker.connection)

    def fail() -> None:
        while not over.wait(0.05):
            for letter in letters.all(LetterFilter(states=[LetterState.REPLAYING])):
                known.settle(letter.address, letter.status.replays, LetterState.FAILED_AGAIN)

    failing = threading.Thread(target=fail)
    failing.start()
    try:
        yield
    finally:
        over.set()
        failing.join()


def test_that_the_guard_has_stopped_a_replay_is_told_also_when_it_goes_on_before_anybody_looked(
    broker: Broker,
) -> None:
    letters = dead(broker, 300)
    job = a_job(broker, letters, rate=200, guard_percent=20, guard_sample=10)
    with a_group_that_fails_always(broker, letters):
        killed_before_it_tells(broker, "replay.finished", "run", job.id)
    stopped = broker.replays().jobs.get(job.id)
    assert stopped.state is ReplayState.STOPPED
    its_lease_ends(broker, job)
    assert broker.replays().run(job.id).state is ReplayState.DONE
    housekeeping(broker)
    assert sorted(ends(job)) == [("done", 300, None), ("stopped", stopped.counts.sent, stopped.reason)]


def test_a_replay_that_was_only_announced_to_end_is_not_told_to_have_ended(broker: Broker) -> None:
    job = a_job(broker, dead(broker))
    replay_history.ReplayHistory(broker.connection).announce(job.id, replay_history.Part.FINISHED)
    housekeeping(broker)
    assert ends(job) == []
    assert broker.connection.client.zcard(keys.REPLAYS_UNTOLD) == 0


def test_where_nothing_is_left_untold_little_is_asked(broker: Broker) -> None:
    letters = dead(broker)
    places = [TopicPartition(letters.dlq, n) for n in range(2)]
    before = commands(broker)
    assert letter_changes.tell_left(broker.connection, places) == 0
    assert commands(broker) - before <= len(places) + 1  # INFO itself is counted


def commands(broker: Broker) -> int:
    return int(broker.connection.client.info("stats")["total_commands_processed"])
