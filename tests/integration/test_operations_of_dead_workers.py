"""Operations whose worker died, or that no worker took: found, gone on with or ended, and said so."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.operations import life, tasks
from dashboard.operations.models import Operation, State
from tests.builders import a_group_that_read
from tests.operating import ask, step, text_of

pytestmark = pytest.mark.django_db


def given_up_for_dead(operation: Operation) -> Operation:
    """As a worker leaves it that was killed in the middle."""
    long_ago = timezone.now() - life.LOST_AFTER - timedelta(seconds=1)
    Operation.objects.filter(pk=operation.pk).update(
        state=State.RUNNING, claim="gone", beat_at=long_ago, done=3
    )
    operation.refresh_from_db()
    return operation


def test_a_dead_workers_operation_is_begun_again_where_that_does_no_harm(operator, broker):
    topic = a_group_that_read(broker, 40)
    operation = given_up_for_dead(ask(operator, "purge", topic=topic))
    tasks.look_after()
    operation.refresh_from_db()
    assert operation.state == State.QUEUED
    tasks.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == State.DONE


def test_a_page_says_that_its_worker_is_silent_and_how_long_it_took_in_all(operator, broker):
    topic = a_group_that_read(broker, 40)
    operation = ask(operator, "purge", topic=topic)
    page = f"/operations/{operation.pk}/"
    step(operator, operation, "confirm", typed=topic)
    began = timezone.now() - timedelta(minutes=3)
    mine = life.claim(operation.pk)
    assert mine is not None
    Operation.objects.filter(pk=operation.pk).update(started_at=began)
    running = '<span class="mark" aria-hidden="true"></span>running</span>'
    html = text_of(operator, page)
    assert "gone silent" not in html and running in html
    Operation.objects.filter(pk=operation.pk).update(beat_at=timezone.now() - life.SILENT_AFTER)
    html = text_of(operator, page)
    assert "Its worker has gone silent" in html and "another one takes it over within" in html
    for address in (page, "/operations/"):
        html = text_of(operator, address)
        assert running not in html and "</span>worker silent</span>" in html
    given_up_for_dead(operation)
    tasks.look_after()
    tasks.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == State.DONE and operation.started_at == began
    assert re.search(r"took 3 min", text_of(operator, page))


def test_a_dead_workers_operation_is_ended_with_a_word_where_it_cannot_go_on(operator, broker):
    topic, group = a_group_that_read(broker, 40), "revenue"
    operation = given_up_for_dead(ask(operator, "reset-offsets", group=group, topic=topic, to="earliest"))
    tasks.look_after()
    operation.refresh_from_db()
    assert operation.state == State.FAILED
    assert "Its worker died after 3 steps" in operation.error


def test_a_run_that_was_given_up_for_dead_can_end_nothing_any_more(operator, broker):
    operation = ask(operator, "create-topic", topic="slow", partitions=1, retention_days=1)
    step(operator, operation, "confirm")
    mine = life.claim(operation.pk)
    Operation.objects.filter(pk=operation.pk).update(claim="another")
    assert mine is not None
    assert not life.finish(mine, State.DONE)


def test_what_no_worker_took_is_sent_again_to_one_of_those_who_look(operator, broker):
    operation = ask(operator, "create-topic", topic="late", partitions=1, retention_days=1)
    step(operator, operation, "confirm")
    late = timezone.now() - life.FORGOTTEN_AFTER - timedelta(seconds=1)
    Operation.objects.filter(pk=operation.pk).update(sent_at=late)
    now = timezone.now()
    assert (life.forgotten(now), life.forgotten(now)) == ([operation.pk], [])
