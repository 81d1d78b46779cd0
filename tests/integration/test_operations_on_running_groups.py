"""Operations on groups and clients that run meanwhile: they follow, and say so."""

from __future__ import annotations

import re
from threading import Thread

import pytest

from dashboard.audit.models import Entry
from dashboard.operations import tasks
from dashboard.operations.kinds.configure import client_ids
from dashboard.operations.models import Operation, State
from streamlab.configs.store import Configs
from tests.builders import a_group_that_read, a_topic, numbered, poll_all, produce, read, settle, values
from tests.operating import ask, carry_out, in_a_thread, step, text_of
from tests.waiting import until

pytestmark = pytest.mark.django_db


def test_a_rebalance_is_done_as_it_was_shown_or_not_at_all(operator, broker):
    topic = a_topic(broker, partitions=4)
    with (
        broker.consumer(topic, group_id="g", client_id="a", partition_assignment_strategy="range") as a,
        broker.consumer(topic, group_id="g", client_id="b", partition_assignment_strategy="range") as b,
    ):
        settle([a, b], 4)
        operation = ask(operator, "rebalance", group="g", assignor="roundrobin")
        html = text_of(operator, f"/operations/{operation.pk}/")
        assert "move" in html and "The group keeps the assignor roundrobin until you change it" in html
        carry_out(operator, operation)
        assert operation.state == State.DONE, operation.error
        html = text_of(operator, f"/operations/{operation.pk}/")
        lines = re.findall(r'<div class="next">.*?<code>(.*?)</code>', html)
        assert [line.partition("streamlab ")[2] for line in lines] == [
            "groups rebalance g --assignor range --execute",
            "config unset --group g assignor",
        ]
        until(lambda: poll_all([a, b]) or {p.partition for p in a.assignment()} in ({0, 2}, {1, 3}), 60)
        [chosen] = Configs(broker.connection).history("group:g")
        assert (chosen.name, chosen.after, chosen.by) == ("assignor", "roundrobin", "operator")
        stale = ask(operator, "rebalance", group="g", assignor="range")
        with broker.consumer(topic, group_id="g", client_id="c") as c:
            settle([a, b, c], 4)
            carry_out(operator, stale)
            assert stale.state == State.FAILED and "Make the plan again" in stale.error


def test_a_paused_group_reads_nothing_until_it_is_resumed(operator, broker):
    topic, group = a_group_that_read(broker, 10), "revenue"
    with broker.consumer(topic, group_id=group, heartbeat_interval_ms=100) as consumer:
        settle([consumer], 1)
        paused = carry_out(operator, ask(operator, "pause-group", group=group, reason="a look inside"))
        until(lambda: poll_all([consumer]) or not consumer.assignment(), 60, "nothing is owned")
        produce(broker, topic, numbered(5, 10))
        step(operator, paused, "undo")
        carry_out(operator, Operation.objects.get(undoes=paused))
        assert values(read(consumer, 5)) == numbered(5, 10)


def test_a_knob_is_turned_on_running_clients_and_everyone_says_so(operator, broker):
    topic = a_topic(broker)
    with (
        broker.consumer(topic, group_id="g") as consumer,
        broker.producer(client_id="checkout") as producer,
    ):
        settle([consumer], 1)
        producer.send(topic, b"x").get(30)
        until(lambda: "checkout" in client_ids(broker), 60, "the clients are known")
        operation = ask(operator, "configure", entity="client:checkout", linger_ms="40", batch_size="32768")
        html = text_of(operator, f"/operations/{operation.pk}/")
        assert "2 settings of client:checkout change. 1 of 1 running client takes it" in html
        carry_out(operator, operation)
        assert operation.state == State.DONE, operation.error
        assert "applied by 1 of 1 clients" in operation.result["effect"]
        step(operator, operation, "undo")
        carry_out(operator, Operation.objects.get(undoes=operation))
    assert Configs(broker.connection).get("client:checkout").values == {}


def test_of_two_who_scale_the_same_group_the_second_is_told(operator, broker):
    first = ask(operator, "scale-consumers", group="revenue", consumers=5)
    second = ask(operator, "scale-consumers", group="revenue", consumers=3)
    carry_out(operator, first)
    carry_out(operator, second)
    assert second.state == State.FAILED
    assert second.error == "Nothing was changed: the group has 5 consumers by now, not 2."


def test_what_is_paused_cannot_be_paused_and_what_runs_cannot_be_resumed(operator, broker):
    group = "revenue"
    a_group_that_read(broker, 10, group)
    again = ask(operator, "resume-group", group=group)
    assert step(operator, again, "confirm").state == State.DRAFT
    assert "is not paused" in text_of(operator, f"/operations/{again.pk}/")
    carry_out(operator, ask(operator, "pause-group", group=group))
    again = ask(operator, "pause-group", group=group)
    assert step(operator, again, "confirm").state == State.DRAFT
    refused = Entry.objects.get(operation=again.pk, action="operation.refused")
    assert refused.effect == "Group revenue is paused already."


def test_two_who_turn_the_same_knob_do_not_overwrite_each_other_unseen(operator, broker):
    mine = ask(operator, "configure", entity="broker", linger_ms="40")
    Configs(broker.connection).set("broker", {"linger_ms": 7})
    carry_out(operator, mine)
    assert mine.state == State.FAILED
    assert Configs(broker.connection).get("broker").values == {"linger_ms": 7}


@pytest.mark.django_db(transaction=True)
def test_a_running_group_is_reset_when_that_may_pause_it(operator, broker):
    topic, group = a_group_that_read(broker, 40), "revenue"
    with broker.consumer(topic, group_id=group, heartbeat_interval_ms=100) as consumer:
        settle([consumer], 1)
        operation = ask(operator, "reset-offsets", group=group, topic=topic, to="earliest", live="on")
        assert "The group runs" in text_of(operator, f"/operations/{operation.pk}/")
        step(operator, operation, "confirm")
        worker = Thread(target=in_a_thread, args=(tasks.run, operation.pk))
        worker.start()
        again = read(consumer, 40)
        worker.join(30)
        operation.refresh_from_db()
        assert operation.state == State.DONE, operation.error
        step(operator, operation, "undo")
        undo = Operation.objects.get(undoes=operation)
        assert not undo.preview["blocked"], "what was moved while it ran can be moved back so"
    assert values(again)[:40] == numbered(40)
