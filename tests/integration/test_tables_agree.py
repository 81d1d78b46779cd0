"""The tables say of every dead letter what the broker says of it, whichever way it went, and know of no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from dashboard.projections.models import DeadLetter
from dashboard.projections.projector import Projector
from streamlab import Permanent, RetryPolicy
from streamlab.broker import Broker
from streamlab.delivery.dead_letters import EVERYTHING, DeadLetters
from streamlab.delivery.replay import Replays
from streamlab.delivery.replay_send import ChunkSender
from tests.builders import a_topic, numbered, produce
from tests.waiting import until
from tests.workers import letters as dead_of

pytestmark = pytest.mark.django_db(transaction=True)

GROUP, OTHER = "revenue", "repair"
QUICK = RetryPolicy(base_ms=5, jitter="none", max_attempts=3)


@contextmanager
def working(broker: Broker, topic: str, group: str, handler: Any) -> Iterator[None]:
    worker = broker.worker(topic, group_id=group, handler=handler, retry=QUICK, auto_commit_interval_ms=50)
    with worker:
        yield


def dying(record: Any) -> None:
    raise Permanent("not this one")


def failing_once(record: Any, context: Any) -> None:
    """After a replay: whatever attempt that is."""
    if context.replays and record.value not in failing_once.seen:  # type: ignore[attr-defined]
        failing_once.seen.add(record.value)  # type: ignore[attr-defined]
        raise RuntimeError("once more")


@pytest.fixture(autouse=True)
def nothing_was_seen() -> None:
    failing_once.seen = set()  # type: ignore[attr-defined]


@pytest.fixture
def letters(broker: Broker) -> DeadLetters:
    """Three records that the group has given up."""
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    with working(broker, topic, GROUP, dying):
        until(lambda: len(dead_of(broker, topic, GROUP)) == 3, 30)
    return DeadLetters(broker.connection, topic, GROUP)


def replay(broker: Broker, letters: DeadLetters, to: str = "group") -> None:
    replays = Replays(broker.connection)
    replays.run(replays.draft(replays.plan(letters, to=to), by="ann").id)


def agree(broker: Broker, *every: DeadLetters) -> list[str]:
    """States of all letters, once the tables have them as the broker has."""
    said = {
        str(letter.address): str(letter.status.state).replace("-", " ")
        for letters in every
        for letter in letters.all()
    }

    def told() -> bool:
        projector = Projector(broker, group_id=None)
        projector.catch_up()
        projector.close()
        return rows() == said

    with suppress(AssertionError):
        until(told, 60)
    assert rows() == said
    return sorted(said.values())


def rows() -> dict[str, str]:
    return {
        f"{row.dlq_topic}/{row.dlq_partition}@{row.dlq_offset}": row.state for row in DeadLetter.objects.all()
    }


def test_of_a_letter_that_another_group_has_handled(broker: Broker, letters: DeadLetters) -> None:
    repaired = a_topic(broker)
    with working(broker, repaired, OTHER, failing_once):
        replay(broker, letters, to=repaired)
        until(lambda: letters.counts().recovered == 3, 30)
    assert agree(broker, letters) == ["recovered"] * 3


def test_of_a_letter_that_another_group_has_given_up_too(broker: Broker, letters: DeadLetters) -> None:
    repaired = a_topic(broker)
    with working(broker, repaired, OTHER, dying):
        replay(broker, letters, to=repaired)
        until(lambda: letters.counts().failed_again == 3, 30)
    theirs = DeadLetters(broker.connection, repaired, OTHER)
    assert agree(broker, letters, theirs) == ["dead"] * 3 + ["failed again"] * 3


def test_of_a_letter_whose_record_fails_in_a_group_that_has_no_say(
    broker: Broker, letters: DeadLetters
) -> None:
    with working(broker, letters.topic, OTHER, failing_once):
        replay(broker, letters, to="source")
        until(lambda: len(failing_once.seen) == 3, 30)  # type: ignore[attr-defined]
        with working(broker, letters.topic, GROUP, lambda record: None):
            until(lambda: letters.counts().recovered == 3, 30)
    assert agree(broker, letters) == ["recovered"] * 3


@pytest.mark.parametrize("discarded", [False, True])
def test_of_a_letter_whose_replay_was_taken_for_lost_too_early(
    broker: Broker, letters: DeadLetters, discarded: bool
) -> None:
    replay(broker, letters)
    letters.restore(EVERYTHING, by="bob", execute=True, also_replaying=True)
    if discarded:
        letters.discard(EVERYTHING, reason="lost", by="bob", execute=True)
    assert letters.counts().recovered == 0
    with working(broker, letters.topic, GROUP, lambda record: None):
        until(lambda: letters.counts().recovered == 3, 30)
    assert agree(broker, letters) == ["recovered"] * 3


def test_of_a_letter_whose_first_replay_was_lost(broker: Broker, letters: DeadLetters) -> None:
    nowhere = a_topic(broker)
    replay(broker, letters, to=nowhere)
    assert letters.restore(EVERYTHING, by="bob", execute=True, also_replaying=True) == 3
    assert agree(broker, letters) == ["dead"] * 3
    with working(broker, letters.topic, GROUP, failing_once):
        replay(broker, letters)
        until(lambda: letters.counts().recovered == 3, 30)
    assert agree(broker, letters) == ["recovered"] * 3


def test_of_a_letter_that_died_again_after_its_first_replay_was_lost(
    broker: Broker, letters: DeadLetters
) -> None:
    replay(broker, letters, to=a_topic(broker))
    letters.restore(EVERYTHING, by="bob", execute=True, also_replaying=True)
    with working(broker, letters.topic, GROUP, dying):
        replay(broker, letters)
        until(lambda: letters.counts().failed_again == 3, 30)
    assert agree(broker, letters) == ["dead"] * 3 + ["failed again"] * 3


class Crash(BaseException):
    """What no handler of errors catches, as a kill."""


def test_of_a_letter_that_was_handled_before_its_replay_was_told_again(
    broker: Broker, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    replays, send = Replays(broker.connection), ChunkSender.send
    job = replays.draft(replays.plan(letters), by="ann")

    def crash_behind_it(self: ChunkSender, *chunk: Any) -> None:
        send(self, *chunk)
        raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(ChunkSender, "send", crash_behind_it)
        replays.run(job.id)
    with working(broker, letters.topic, GROUP, lambda record: None):
        until(lambda: letters.counts().recovered == 3, 30)
    assert replays.run(job.id).counts.sent == 3
    assert agree(broker, letters) == ["recovered"] * 3
