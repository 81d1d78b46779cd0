"""An effect once per event id, and what is said when nobody can know whether it happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import streamlab
from streamlab.delivery.idempotence import InDoubt, InDoubtError, InProgressError, Once, Seen
from streamlab.delivery.policy import RetryPolicy
from streamlab.errors import IllegalArgumentError, StreamlabError
from streamlab.model import ConsumerRecord
from tests.builders import a_topic, produce
from tests.waiting import until
from tests.workers import GROUP, SOON, settled

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def done() -> list[str]:
    return []


def test_an_effect_that_was_done_is_not_done_again(broker, done):
    once = Once(broker.connection, "mailer")
    assert once.run("e1", lambda: done.append("mail") or "sent") == "sent"
    assert once.run("e1", lambda: done.append("mail")) is None
    assert done == ["mail"]


def test_another_process_knows_what_was_done(broker, redis_url, done):
    Once(broker.connection, "mailer").run("e1", lambda: None)
    with streamlab.connect(redis_url) as another:
        Once(another.connection, "mailer").run("e1", lambda: done.append("again"))
    assert done == []


@pytest.mark.parametrize(("consumer", "event_id"), [("mailer", "e2"), ("billing", "e1"), ("mailer:e1", "")])
def test_another_id_and_another_consumer_are_another_matter(broker, done, consumer, event_id):
    Once(broker.connection, "mailer").run("e1", lambda: None)
    Once(broker.connection, consumer).run(event_id, lambda: done.append("yes"))
    assert done == ["yes"]


def test_an_effect_that_failed_is_tried_again_at_once(broker, done):
    once = Once(broker.connection, "mailer")
    with pytest.raises(ZeroDivisionError):
        once.run("e1", lambda: 1 // 0)
    once.run("e1", lambda: done.append("mail"))
    assert done == ["mail"]


def test_what_was_done_is_forgotten_after_its_time(broker, done):
    once = Once(broker.connection, "mailer", ttl_s=0.05)
    once.run("e1", lambda: done.append("mail"))
    until(lambda: once.run("e1", lambda: done.append("mail") or True), 60, "the id is forgotten")
    assert len(done) == 2


def test_of_many_who_come_at_once_one_runs_the_effect(broker, done):
    once, inside, waiting = Once(broker.connection, "mailer"), threading.Event(), []
    first = threading.Thread(
        target=once.run, args=["e1", lambda: (inside.set(), go.wait(30), done.append("mail"))]
    )
    go = threading.Event()
    first.start()
    assert inside.wait(30)
    for _ in range(5):
        with pytest.raises(InProgressError) as refused:
            once.run("e1", lambda: done.append("mail"))
        waiting.append(refused.value.retriable)
    go.set()
    first.join(30)
    assert (done, waiting) == (["mail"], [True] * 5)


def test_a_record_whose_effect_somebody_died_in_is_not_given_up_before_the_lease_is_over(broker, done):
    topic, once = a_topic(broker), Once(broker.connection, "mailer", lease_s=2)
    assert once.claim(f"{topic}/0@0", "of a process that is dead") is Seen.CLAIMED
    produce(broker, topic, [b"mail"])
    worker = broker.worker(
        topic,
        group_id=GROUP,
        handler=once.handler(lambda record, context: done.append((record.value, context.attempt))),
        retry=RetryPolicy(base_ms=1, max_attempts=2),
        **SOON,
    )
    with worker:
        until(lambda: settled(broker, topic, 1))
    assert done == [(b"mail", 1)]


def test_a_handler_runs_once_per_record_whatever_the_hop(broker, done):
    handle = Once(broker.connection, "mailer").handler(lambda record: done.append(record.value))
    for offset in (1, 9):  # the same event, produced twice
        handle(ConsumerRecord("orders", 0, offset, 0, None, b"x", [("ce_id", b"536365-1")]))
    handle(ConsumerRecord("orders", 0, 10, 0, None, b"y"))
    assert done == [b"x", b"y"]


@pytest.mark.parametrize("wrong", [{"ttl_s": 0}, {"lease_s": -1}, {"in_doubt": "guess"}])
def test_settings_that_make_no_sense_are_refused(broker, wrong):
    with pytest.raises(IllegalArgumentError):
        Once(broker.connection, "mailer", **wrong)


def test_without_its_memory_no_effect_is_run(tmp_path, done):
    with streamlab.connect(f"unix://{tmp_path}/nobody.sock") as nowhere, pytest.raises(StreamlabError):
        Once(nowhere.connection, "mailer").run("e1", lambda: done.append("mail"))
    assert done == []


# -- killed between the claim and `done` ----------------------------------------------------------------------


def killed_in_the_middle(redis_url: str, effect_file: Path) -> None:
    """A process that claims e1, has its effect (a line in a file), and is killed before it can say so."""
    script = f"""
        import os, signal, streamlab
        from streamlab.delivery.idempotence import Once
        def effect():
            open({str(effect_file)!r}, "a").write("mail\\n")
            os.kill(os.getpid(), signal.SIGKILL)
        with streamlab.connect({redis_url!r}) as broker:
            Once(broker.connection, "mailer", lease_s=0.3).run("e1", effect)
    """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, env=os.environ, check=False
    )
    assert process.returncode == -signal.SIGKILL


def after_the_lease(once: Once, effect_file: Path) -> object:
    def outcome() -> object:
        try:
            return once.run("e1", lambda: effect_file.open("a").write("mail\n") and "repeated") or "skipped"
        except InProgressError:
            return None
        except InDoubtError:
            return "asked"

    return until(outcome, 30, "the lease is over")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("in_doubt", "outcome", "mails"),
    [(InDoubt.REPEAT, "repeated", 2), (InDoubt.SKIP, "skipped", 1), (InDoubt.RAISE, "asked", 1)],
)
def test_killed_between_the_effect_and_its_note_it_is_in_doubt(
    broker, redis_url, tmp_path, in_doubt, outcome, mails
):
    mail = tmp_path / "mails"
    killed_in_the_middle(redis_url, mail)
    once = Once(broker.connection, "mailer", in_doubt=in_doubt)
    assert after_the_lease(once, mail) == outcome
    assert mail.read_text().count("mail") == mails


@pytest.mark.faults
def test_a_person_who_was_asked_can_settle_or_forget_it(broker, redis_url, tmp_path):
    mail = tmp_path / "mails"
    killed_in_the_middle(redis_url, mail)
    once = Once(broker.connection, "mailer", in_doubt="raise")
    assert after_the_lease(once, mail) == "asked"
    once.settle("e1")
    assert once.run("e1", lambda: "again") is None
    once.forget("e1")
    assert once.run("e1", lambda: "again") == "again"
