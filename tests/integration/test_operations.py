"""Operations: previewed, confirmed, run, kept; refused to those who may not, and when the broker has moved."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.forms import Form
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard.access import api_token
from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.access.scopes import API_READ
from dashboard.audit.models import Entry
from dashboard.operations import life, tasks
from dashboard.operations.kinds.configure import client_ids
from dashboard.operations.models import Operation, State
from dashboard.operations.registry import KINDS
from streamlab.broker import Broker
from streamlab.configs.store import Configs
from streamlab.model import TopicPartition
from tests.builders import a_group_that_read, a_topic, numbered, poll_all, produce, read, settle, values
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.waiting import until

pytestmark = pytest.mark.django_db


def a_person(role: Role | None) -> User:
    user = User.objects.create(username=f"{role or 'nobody'}".lower())
    if role:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


@pytest.fixture
def operator(client: Client, redis_url: str, settings: Settings) -> Client:
    """Signed in as an operator of an empty broker."""
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.OPERATOR))
    return client


@pytest.fixture
def viewer(operator: Client) -> Client:
    """Another person at the same broker, who may only look."""
    client = Client()
    client.force_login(a_person(Role.VIEWER))
    return client


def committed(broker: Broker, group: str, topic: str) -> int:
    return broker.admin().list_group_offsets(group)[group][TopicPartition(topic, 0)].offset


def ask(client: Client, kind: str, **fields: object) -> Operation:
    response = client.post(f"/operations/new/{kind}/", fields)
    assert response.status_code == 302, response.content.decode()
    return Operation.objects.get(pk=int(response.headers["Location"].strip("/").split("/")[-1]))


def step(client: Client, operation: Operation, name: str, **fields: str) -> Operation:
    assert client.post(f"/operations/{operation.pk}/{name}/", fields).status_code == 302
    operation.refresh_from_db()
    return operation


def carry_out(client: Client, operation: Operation, **fields: str) -> Operation:
    """Confirm it, and do what a worker does with it."""
    step(client, operation, "confirm", **fields)
    assert operation.state == State.QUEUED
    tasks.run(operation.pk)
    operation.refresh_from_db()
    return operation


def in_a_thread(work: Callable[..., Any], *args: Any) -> None:
    """For work that must go on while the test polls; a thread has a database connection of its own."""
    try:
        work(*args)
    finally:
        connection.close()


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def table_of(html: str) -> list[list[str]]:
    """The heads and the rows of the first table."""
    table = html.partition("<table>")[2].partition("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in rows]


def test_a_reset_says_what_it_would_do_and_does_nothing_before_it_is_confirmed(operator, broker):
    topic, group = a_group_that_read(broker, 40), "revenue"
    operation = ask(operator, "reset-offsets", group=group, topic=topic, to="earliest")
    html = text_of(operator, f"/operations/{operation.pk}/")
    assert "40 records will be processed again" in html
    assert f"groups reset-offsets revenue --topic {topic} --to-earliest --execute" in html
    heads, row = table_of(html)
    shown = [(head, cell) for head, cell in zip(heads, row, strict=True) if head != "Its record stored"]
    assert shown == [
        ("Partition", f"{topic}/0"),
        ("Offset now", "40"),
        ("New offset", "0"),
        ("Processed again", "40"),
        ("Skipped", "0"),
    ]
    assert committed(broker, group, topic) == 40
    carry_out(operator, operation)
    assert operation.state == State.DONE
    assert committed(broker, group, topic) == 0
    html = text_of(operator, f"/operations/{operation.pk}/")
    assert table_of(html) == [
        ["Partition", "Offset before", "Offset now", "Moved by", "Outcome"],
        [f"{topic}/0", "40", "0", "-40", "moved"],
    ]


def test_what_was_done_can_be_taken_back_by_another_operation(operator, broker):
    topic, group = a_group_that_read(broker, 40), "revenue"
    reset = carry_out(
        operator, ask(operator, "reset-offsets", group=group, topic="", to="shift", records=-15)
    )
    assert committed(broker, group, topic) == 25
    response = operator.post(f"/operations/{reset.pk}/undo/")
    undo = Operation.objects.get(undoes=reset)
    assert response.headers["Location"] == f"/operations/{undo.pk}/"
    assert committed(broker, group, topic) == 25
    carry_out(operator, undo)
    reset.refresh_from_db()
    assert (committed(broker, group, topic), reset.state) == (40, State.UNDONE)
    step(operator, reset, "undo")
    assert Operation.objects.filter(undoes=reset).count() == 1


def test_a_group_that_moved_since_its_preview_is_left_alone(operator, broker):
    topic, group = a_group_that_read(broker, 40), "revenue"
    operation = ask(operator, "reset-offsets", group=group, topic=topic, to="earliest")
    broker.admin().alter_group_offsets(group, {TopicPartition(topic, 0): 10})
    carry_out(operator, operation)
    assert operation.state == State.FAILED
    assert "since the plan was made" in operation.error
    assert committed(broker, group, topic) == 10


def test_a_running_group_blocks_its_reset_until_it_is_stopped_and_previewed_again(operator, broker):
    topic, group = a_group_that_read(broker, 40), "revenue"
    with broker.consumer(topic, group_id=group) as consumer:
        consumer.poll(100)
        operation = ask(operator, "reset-offsets", group=group, topic=topic, to="earliest")
        assert "1 member of the group is running" in text_of(operator, f"/operations/{operation.pk}/")
        assert step(operator, operation, "confirm").state == State.DRAFT
    step(operator, operation, "preview")
    assert carry_out(operator, operation).state == State.DONE


def form_behind(client: Client, operation: Operation) -> Form | None:
    """What stands in the form that a draft leads back to; None where it leads to none."""
    html = text_of(client, f"/operations/{operation.pk}/")
    found = re.search(r'href="(/operations/new/[^"]+)">Change what was entered', html)
    return client.get(unescape(found[1])).context["form"] if found else None


@pytest.mark.parametrize(
    ("kind", "entered"),
    [
        ("reset-offsets", {"group": "revenue", "topic": "", "to": "earliest"}),
        ("reset-offsets", {"topic": "?", "partitions": "0", "to": "shift", "records": "-15", "live": "on"}),
        ("reset-offsets", {"topic": "?", "to": "datetime", "moment": "2026-01-31T08:30:00"}),
        ("reset-offsets", {"topic": "?", "to": "duration", "minutes": "90.5"}),
        ("purge", {"topic": "?", "before": "2026-01-31T08:30:00"}),
        ("create-topic", {"topic": "new-one", "partitions": "3", "retention_days": "0.5"}),
        ("pause-group", {"group": "revenue"}),
    ],
)
def test_a_draft_leads_back_to_its_form_as_it_was_filled_in(operator, broker, kind, entered):
    topic, group = a_group_that_read(broker, 4), "revenue"
    named = {name: topic if value == "?" else value for name, value in entered.items()}
    if kind == "reset-offsets":
        named["group"] = group
    form = form_behind(operator, ask(operator, kind, **named))
    assert form is not None
    for name, value in named.items():
        stands = form[name].value() or ""
        assert (stands == value) if value != "on" else stands, name


def test_what_the_form_cannot_say_leads_back_to_none(operator, broker):
    topic, group = a_group_that_read(broker, 40), "revenue"
    reset = ask(operator, "reset-offsets", group=group, topic=topic, to="earliest")
    operator.post(f"/operations/{carry_out(operator, reset).pk}/undo/")
    assert form_behind(operator, Operation.objects.get(undoes=reset)) is None
    assert form_behind(operator, reset) is None, "it is no draft any more"


def test_a_reset_tells_the_topics_that_the_group_has_committed_on_from_others(operator, broker):
    topic, group = a_group_that_read(broker, 4), "revenue"
    broker.admin().create_topics({"elsewhere": {"num_partitions": 1}})
    form = operator.get(f"/operations/new/reset-offsets/?group={group}").context["form"]
    [_, (theirs, read), (not_theirs, others)] = form.fields["topic"].choices
    assert (theirs, read) == ("revenue has committed there", [(topic, topic)])
    assert not_theirs == "revenue has committed nothing there" and ("elsewhere", "elsewhere") in others
    nobody = operator.get("/operations/new/reset-offsets/?group=nobody").context["form"]
    assert (topic, topic) in nobody.fields["topic"].choices


def test_a_topic_is_made_and_its_undo_asks_for_the_name_before_it_deletes(operator, broker):
    made = carry_out(
        operator, ask(operator, "create-topic", topic="invoices", partitions=4, retention_days=2)
    )
    assert len(broker.admin().list_partition_offsets("invoices")) == 4
    step(operator, made, "undo")
    undo = Operation.objects.get(undoes=made)
    assert step(operator, undo, "confirm", typed="invoice").state == State.DRAFT
    assert "invoices" in broker.admin().list_topics()
    carry_out(operator, undo, typed="invoices")
    assert "invoices" not in broker.admin().list_topics()


def test_purging_counts_what_goes_and_who_has_not_read_it(operator, broker):
    topic = a_group_that_read(broker, 40)
    produce(broker, topic, numbered(10))
    operation = ask(operator, "purge", topic=topic)
    html = text_of(operator, f"/operations/{operation.pk}/")
    assert "50 records of topic" in html
    assert "Group revenue has not read 10 records of them" in html
    carry_out(operator, operation, typed=topic)
    [edge] = broker.admin().list_partition_offsets(topic).values()
    assert (edge.log_start, edge.log_end) == (50, 50)


def test_partitions_that_somebody_else_added_meanwhile_stop_the_operation(operator, broker):
    topic = a_topic(broker, partitions=2)
    operation = ask(operator, "add-partitions", topic=topic, total=6)
    broker.admin().create_partitions({topic: 3})
    carry_out(operator, operation)
    assert (operation.state, operation.error[:20]) == (State.FAILED, "Nothing was changed:")
    assert len(broker.admin().list_partition_offsets(topic)) == 3


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


def test_a_topic_that_was_made_anew_keeps_what_its_purge_never_saw(operator, broker):
    topic = a_group_that_read(broker, 40)
    operation = ask(operator, "purge", topic=topic)
    broker.admin().delete_topics([topic])
    broker.admin().create_topics({topic: {"num_partitions": 1}})
    produce(broker, topic, numbered(50))
    carry_out(operator, operation, typed=topic)
    assert (operation.state, operation.error) == (
        State.FAILED,
        "Nothing was changed: the topic was deleted and made anew since.",
    )


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


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        ("reset-offsets", {"group": "nobody", "to": "earliest"}, "nobody is not one of the available"),
        ("create-topic", {"topic": "a b", "partitions": 1, "retention_days": 1}, "is not a topic name"),
        ("create-topic", {"topic": "ok", "partitions": 0, "retention_days": 1}, "greater than or equal to 1"),
        ("add-partitions", {"topic": "<script>", "total": 3}, "&lt;script&gt; is not one of the available"),
        ("configure", {"entity": "broker", "linger_ms": "-5"}, "must be between 0"),
        ("configure", {"entity": "broker", "linger_ms": "soon"}, "linger_ms"),
        ("configure", {"entity": "broker"}, "Nothing is changed"),
        ("configure", {"entity": "topic:nothing", "retention.ms": "5"}, "There is no topic"),
        ("rebalance", {"group": "nobody"}, "nobody is not one of the available"),
        ("scale-consumers", {"group": "revenue", "consumers": 99}, "less than or equal to 8"),
    ],
)
def test_a_wrong_form_says_what_is_wrong_and_keeps_nothing(operator, broker, kind, fields, says):
    response = operator.post(f"/operations/new/{kind}/", fields)
    assert response.status_code == 422
    assert says in response.content.decode()
    assert not Operation.objects.exists()


def test_a_confirmation_counts_once(operator, broker):
    operation = ask(operator, "create-topic", topic="once", partitions=1, retention_days=1)
    step(operator, operation, "confirm")
    step(operator, operation, "confirm")
    assert "confirmed or discarded already" not in text_of(operator, f"/operations/{operation.pk}/")
    assert Entry.objects.filter(action="operation.confirmed", operation=operation.pk).count() == 1
    tasks.run(operation.pk)
    tasks.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.runs) == (State.DONE, 1)


def test_whoever_confirms_what_somebody_else_confirmed_is_told(operator, broker):
    operation = ask(operator, "create-topic", topic="ours", partitions=1, retention_days=1)
    other = Client()
    other.force_login(User.objects.create(username="other"))
    User.objects.get(username="other").groups.add(Group.objects.get(name=Role.OPERATOR))
    step(other, operation, "confirm")
    step(operator, operation, "confirm")
    assert "confirmed or discarded already" in text_of(operator, f"/operations/{operation.pk}/")


def test_what_is_cancelled_before_a_worker_had_it_is_never_run(operator, broker):
    operation = ask(operator, "create-topic", topic="never", partitions=1, retention_days=1)
    step(operator, operation, "confirm")
    assert step(operator, operation, "cancel").state == State.CANCELLED
    tasks.run(operation.pk)
    assert "never" not in broker.admin().list_topics()


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


def test_a_dropped_preview_says_who_dropped_it_and_confirms_nothing(operator, broker):
    operation = ask(operator, "create-topic", topic="never", partitions=1, retention_days=1)
    step(operator, operation, "cancel")
    html = text_of(operator, f"/operations/{operation.pk}/")
    assert "Dropped before it was confirmed, by operator" in html and "Confirmed by" not in html


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


@pytest.mark.parametrize("kind", KINDS)
def test_a_viewer_is_refused_every_form(viewer, broker, kind):
    for response in (viewer.get(f"/operations/new/{kind}/"), viewer.post(f"/operations/new/{kind}/", {})):
        assert response.status_code == 403
    assert Entry.objects.filter(action="operation.refused", who="viewer").exists()


@pytest.mark.parametrize("name", ["confirm", "preview", "cancel", "undo", "again"])
def test_a_viewer_is_refused_every_step(operator, viewer, broker, name):
    operation = ask(operator, "create-topic", topic="mine", partitions=1, retention_days=1)
    assert viewer.post(f"/operations/{operation.pk}/{name}/").status_code == 403
    operation.refresh_from_db()
    assert operation.state == State.DRAFT
    assert Operation.objects.count() == 1


def test_a_viewer_sees_operations_without_their_buttons(operator, viewer, broker, redis_url):
    publish(redis_url, busy_snapshot())
    operation = ask(operator, "create-topic", topic="mine", partitions=1, retention_days=1)
    assert "csrfmiddlewaretoken" in text_of(operator, f"/operations/{operation.pk}/")
    html = text_of(viewer, f"/operations/{operation.pk}/")
    assert "may-operate" not in html
    assert f"/operations/{operation.pk}/confirm/" not in html
    assert "/operations/new/" not in text_of(viewer, "/operations/")


def test_a_step_without_a_token_of_the_page_is_refused(operator, broker):
    operation = ask(operator, "create-topic", topic="mine", partitions=1, retention_days=1)
    elsewhere = Client(enforce_csrf_checks=True)
    elsewhere.force_login(User.objects.get(username="operator"))
    assert elsewhere.post(f"/operations/{operation.pk}/confirm/").status_code == 403
    operation.refresh_from_db()
    assert operation.state == State.DRAFT


def test_every_write_leaves_who_when_from_where_and_what_came_of_it(operator, broker):
    operation = carry_out(
        operator, ask(operator, "create-topic", topic="kept", partitions=1, retention_days=1)
    )
    found = Entry.objects.filter(operation=operation.pk).order_by("id")
    assert [(e.who, e.action, e.origin) for e in found] == [
        ("operator", "operation.drafted", "127.0.0.1"),
        ("operator", "operation.confirmed", "127.0.0.1"),
        ("operator", "operation.done", ""),
    ]
    assert "operation.confirmed" in text_of(operator, "/audit/?q=kept")
    assert "operation.confirmed" not in text_of(operator, "/audit/?q=zebra")
    lines = b"".join(operator.get("/audit/export.jsonl?q=kept").streaming_content).splitlines()
    assert len(lines) == 3


def test_who_sees_the_audit_trail_may_export_it_by_page_and_by_program(operator, viewer, broker):
    ask(operator, "create-topic", topic="kept", partitions=1, retention_days=1)
    assert 'href="/audit/export.jsonl?q=kept"' in text_of(viewer, "/audit/?q=kept")
    assert b'"operation.drafted"' in b"".join(viewer.get("/audit/export.jsonl?q=kept").streaming_content)
    _, token = api_token.create(User.objects.get(username="viewer"), "", [API_READ])
    program = Client(headers={"Authorization": f"Bearer {token}"})
    assert program.get("/api/v1/audit?q=kept").json()["total"] == 1
    assert b'"operation.drafted"' in b"".join(program.get("/api/v1/audit/export?q=kept").streaming_content)


def test_the_trail_leads_to_no_draft_that_is_deleted(operator, broker):
    kept, gone = (
        ask(operator, "create-topic", topic=name, partitions=1, retention_days=1) for name in ("kept", "gone")
    )
    Operation.objects.filter(pk=gone.pk).update(created_at=timezone.now() - 2 * life.DRAFTS_KEPT)
    tasks.look_after()
    html = text_of(operator, "/audit/")
    assert "create-topic: topic gone" in html
    linked = {int(number) for number in re.findall(r'href="/operations/(\d+)/"', html)}
    assert linked == {kept.pk}
    for number in linked:
        assert operator.get(f"/operations/{number}/").status_code == 200


def test_pages_of_operations_need_no_sampler(operator, broker):
    for path in ("/operations/", "/audit/"):
        assert operator.get(path).status_code == 200


def test_a_list_that_is_not_counted_to_its_end_says_so(operator, broker, monkeypatch):
    monkeypatch.setattr("dashboard.pages.database.MOST_COUNTED", 2)
    for n in range(3):
        ask(operator, "create-topic", topic=f"t{n}", partitions=1, retention_days=1)
    assert "2 operations or more" in text_of(operator, "/operations/")


def test_an_operation_that_does_not_exist_is_a_404(operator):
    assert operator.get("/operations/12345/").status_code == 404
    assert operator.post("/operations/12345/confirm/").status_code == 404
    assert operator.get("/operations/new/nonsense/").status_code == 404
