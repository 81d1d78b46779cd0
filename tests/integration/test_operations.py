"""Operations: previewed, confirmed, run, kept; refused to those who may not, and when the broker has moved."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.forms import Form
from django.test import Client

from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.audit.models import Entry
from dashboard.operations import tasks
from dashboard.operations.models import Operation, State
from streamlab.model import TopicPartition
from tests.builders import a_group_that_read, a_topic, numbered, produce
from tests.operating import ask, carry_out, committed, step, text_of

pytestmark = pytest.mark.django_db


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


def test_a_dropped_preview_says_who_dropped_it_and_confirms_nothing(operator, broker):
    operation = ask(operator, "create-topic", topic="never", partitions=1, retention_days=1)
    step(operator, operation, "cancel")
    html = text_of(operator, f"/operations/{operation.pk}/")
    assert "Dropped before it was confirmed, by operator" in html and "Confirmed by" not in html


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
