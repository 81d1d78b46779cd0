"""Operations that are cancelled, previewed anew or taken away while somebody works on them: what was done is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import Settings

from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.operations import life, tasks
from dashboard.operations.models import Operation, State
from streamlab import RetryPolicy
from streamlab.broker import Broker
from streamlab.delivery.dead_letter import LetterAddress
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.letter_filter import LetterFilter
from streamlab.delivery.letter_states import LetterState
from streamlab.delivery.replay_jobs import ReplayState
from streamlab.delivery.replay_plan import ReplayPlan
from tests.builders import a_group_that_read, a_topic, numbered, produce
from tests.operating import ask, committed, step, text_of
from tests.waiting import until

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    return an_operator("operator", client)


def an_operator(name: str, client: Client | None = None) -> Client:
    person = User.objects.create(username=name)
    person.groups.add(Group.objects.get_or_create(name=Role.OPERATOR)[0])
    client = client or Client()
    client.force_login(person)
    return client


def run_while(monkeypatch: pytest.MonkeyPatch, operation: Operation, **happens: Any) -> Operation:
    """A worker's run, and what happens to the row right after the worker has taken it."""
    claim = life.claim

    def claims(number: int) -> Operation | None:
        mine = claim(number)
        Operation.objects.filter(pk=number).update(**happens)
        return mine

    with monkeypatch.context() as patch:
        patch.setattr(life, "claim", claims)
        tasks.run(operation.pk)
    operation.refresh_from_db()
    return operation


def confirmed(client: Client, kind: str, **fields: object) -> Operation:
    return step(client, ask(client, kind, **fields), "confirm", typed=str(fields.get("topic", "")))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("create-topic", {"topic": "ours", "partitions": 2, "retention_days": 1}),
        ("configure", {"entity": "topic:orders", "retention.ms": "3600000"}),
        ("pause-group", {"group": "revenue"}),
    ],
)
def test_what_is_done_when_the_cancellation_comes_is_done_and_can_be_taken_back(
    operator, broker, monkeypatch, kind, fields
):
    broker.admin().create_topics({"orders": {"num_partitions": 1}})
    a_group_that_read(broker, 3)
    operation = run_while(monkeypatch, confirmed(operator, kind, **fields), cancel_wanted=True)
    assert operation.state == State.DONE
    assert operation.result["effect"]
    assert "Undo…" in text_of(operator, f"/operations/{operation.pk}/")


def test_what_is_cancelled_before_it_moved_anything_moves_nothing(operator, broker, monkeypatch):
    topic = a_group_that_read(broker, 40)
    asked = confirmed(operator, "reset-offsets", group="revenue", topic=topic, to="earliest")
    before = committed(broker, "revenue", topic)
    assert run_while(monkeypatch, asked, cancel_wanted=True).state == State.CANCELLED
    assert committed(broker, "revenue", topic) == before


def test_a_purge_that_is_cancelled_says_how_much_it_removed(operator, broker, monkeypatch):
    topic = a_group_that_read(broker, 40)
    operation = run_while(monkeypatch, confirmed(operator, "purge", topic=topic), cancel_wanted=True)
    assert operation.state == State.CANCELLED
    assert operation.result["effect"] == f"0 records of topic {topic} were removed."
    assert operation.result["facts"] == [["Partitions", "0 of 1"]]


@pytest.fixture
def dead_topic(broker: Broker) -> Iterator[str]:
    """Its three records are dead, of group revenue, and nobody handles them any more."""

    def refuse(record: Any) -> None:
        raise ValueError("no stock")

    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    with broker.worker(topic, group_id="revenue", handler=refuse, retry=RetryPolicy(max_attempts=1)):
        until(lambda: f"{topic}.revenue.dlq" in broker.admin().list_topics(), 30, "the first dead letter")
        until(lambda: DeadLetters(broker.connection, topic, "revenue").counts().dead == 3, 30, "all of them")
    yield topic


def test_a_run_that_was_given_up_for_dead_leaves_the_replay_to_the_other_worker(
    operator, broker, monkeypatch, dead_topic
):
    asked = confirmed(operator, "replay", dlq=f"{dead_topic}.revenue.dlq", to="group", guard=100)
    plan = msgspec.json.decode(asked.world["plan"], type=ReplayPlan)
    job = broker.replays().draft(plan, by="operator").id
    Operation.objects.filter(pk=asked.pk).update(progress={"job": job})
    taken = run_while(monkeypatch, asked, claim="another")
    assert taken.state == State.RUNNING and not taken.error and not taken.result
    assert broker.replays().jobs.get(job).state is not ReplayState.CANCELLED


def test_a_confirmation_is_of_the_preview_that_was_seen(operator, broker):
    topic = a_group_that_read(broker, 40)
    operation = ask(operator, "purge", topic=topic)
    seen = operation.previewed_at
    assert f'name="seen" form="confirm" value="{seen.isoformat()}"' in text_of(
        operator, f"/operations/{operation.pk}/"
    )
    produce(broker, topic, numbered(5))
    step(an_operator("other"), operation, "preview")
    assert step(operator, operation, "confirm", typed=topic, seen=seen.isoformat()).state == State.DRAFT
    assert "previewed it again since you looked" in text_of(operator, f"/operations/{operation.pk}/")
    step(operator, operation, "confirm", typed=topic, seen=operation.previewed_at.isoformat())
    assert operation.state == State.QUEUED


def test_the_same_number_of_partitions_again_is_blocked(operator, broker):
    topic = a_topic(broker)
    asked = confirmed(operator, "add-partitions", topic=topic, total=4)
    tasks.run(asked.pk)
    operator.post(f"/operations/{asked.pk}/again/")
    newest = Operation.objects.latest("pk")
    assert newest.preview["blocked"] == "It has 4 partitions already; they can be added, never removed."


def carried_out(client: Client, operation: Operation) -> Operation:
    step(client, operation, "confirm")
    tasks.run(operation.pk)
    operation.refresh_from_db()
    return operation


def undo_of(client: Client, operation: Operation) -> Operation:
    client.post(f"/operations/{operation.pk}/undo/")
    return Operation.objects.get(undoes=operation)


def discarded(broker: Broker, topic: str) -> list[str | None]:
    """Why each discarded letter was given up, oldest first."""
    letters = DeadLetters(broker.connection, topic, "revenue").all()
    return [found.status.reason for found in letters if found.status.state is LetterState.DISCARDED]


def test_the_undo_of_a_discard_leaves_what_others_discarded_before(operator, broker, dead_topic):
    dlq, other = f"{dead_topic}.revenue.dlq", an_operator("other")
    carried_out(other, ask(other, "discard", dlq=dlq, letters=f"{dlq}/0@0", reason="it is mine"))
    mine = carried_out(operator, ask(operator, "discard", dlq=dlq, reason="all of it"))
    assert mine.result["effect"].startswith("2 dead letters")
    assert discarded(broker, dead_topic) == ["it is mine", "all of it", "all of it"]
    undo = undo_of(operator, mine)
    assert undo.preview["effect"].startswith("2 discarded letters")
    assert f"--decision {mine.result['data']['decision']}" in text_of(operator, f"/operations/{undo.pk}/")
    assert carried_out(operator, undo).state == State.DONE
    assert discarded(broker, dead_topic) == ["it is mine"]


def test_a_restore_whose_letters_are_others_by_now_changes_nothing(operator, broker, dead_topic):
    dlq, letters = f"{dead_topic}.revenue.dlq", DeadLetters(broker.connection, dead_topic, "revenue")
    one, another = (LetterFilter(letters=[LetterAddress(dlq, 0, offset)]) for offset in (0, 1))
    letters.discard(one, "test data", "ann", execute=True)
    restore = ask(operator, "restore", dlq=dlq)
    letters.restore(one, "ann", execute=True)
    letters.discard(another, "seen by nobody", "ann", execute=True)  # as many as before
    assert carried_out(operator, restore).state == State.FAILED
    assert "other letters are discarded by now" in restore.error
    assert discarded(broker, dead_topic) == ["seen by nobody"]


def test_a_discard_counts_what_its_dead_worker_did_as_well(operator, broker, dead_topic):
    dlq = f"{dead_topic}.revenue.dlq"
    asked = confirmed(operator, "discard", dlq=dlq, reason="all of it")
    first = LetterFilter(letters=[LetterAddress(dlq, 0, 0)])
    letters = DeadLetters(broker.connection, dead_topic, "revenue")
    letters.discard(first, "all of it", "operator", execute=True, decision=asked.world["decision"])
    Operation.objects.filter(pk=asked.pk).update(progress={"began": True})
    tasks.run(asked.pk)
    asked.refresh_from_db()
    assert asked.result["effect"].startswith("3 dead letters") and asked.done == 3
    undo = undo_of(operator, asked)
    letters.restore(first, "operator", execute=True, decision=undo.world["decision"])
    Operation.objects.filter(pk=undo.pk).update(progress={"began": True})
    assert carried_out(operator, undo).result["effect"].startswith("3 letters")
