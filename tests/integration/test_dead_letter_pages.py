"""From a failing handler to a page, to one click, to a record that is handled after all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.operations import tasks
from dashboard.operations.models import Operation, State
from dashboard.projections.models import RecordEvent
from dashboard.projections.projector import Projector
from streamlab import keys
from streamlab.broker import Broker
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.policy import RetryPolicy
from streamlab.delivery.retry_queue import RetryQueue
from streamlab.model import TopicPartition
from tests.builders import a_topic, numbered, produce
from tests.integration.broker_pictures import busy_snapshot, now_ms, publish
from tests.people import a_person
from tests.snapshots import a_group, a_position, a_snapshot
from tests.snapshots import a_topic as a_topic_snapshot
from tests.waiting import until

pytestmark = pytest.mark.django_db

AT_ONCE = RetryPolicy(base_ms=1, cap_ms=1, max_attempts=2)


@pytest.fixture
def operator(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    cache.clear()  # attempts of the last hour are kept there for some seconds
    user = User.objects.create(username="operator")
    user.groups.add(Group.objects.get_or_create(name=Role.OPERATOR)[0])
    client.force_login(user)
    return client


@pytest.fixture
def projector(broker: Broker) -> Iterator[Projector]:
    made = Projector(broker)
    yield made
    made.close()


class Fussy:
    """A handler that refuses values while it is told to."""

    def __init__(self) -> None:
        self.refuses = True
        self.handled: list[bytes] = []

    def __call__(self, record) -> None:
        if self.refuses:
            raise ValueError(f"no stock for order {record.value.decode()}")
        self.handled.append(record.value)


@pytest.fixture
def handler() -> Fussy:
    return Fussy()


@pytest.fixture
def topic(broker: Broker, handler: Fussy) -> Iterator[str]:
    """A topic whose three records a running worker of group revenue gave up."""
    name = a_topic(broker)
    produce(broker, name, numbered(3))
    with broker.worker(name, group_id="revenue", handler=handler, retry=AT_ONCE):
        until(lambda: dead(broker, name) == 3, 30, "three dead letters")
        yield name


def dead(broker: Broker, topic: str) -> int:
    if f"{topic}.revenue.dlq" not in broker.admin().list_topics():
        return 0
    return DeadLetters(broker.connection, topic, "revenue").counts().dead


def html_of(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, response.content.decode()[:2000]
    return response.content.decode()


def shown(projector: Projector, client: Client, address: str, text: str) -> str:
    """The page once it says this: events are on their way for a moment."""

    def says() -> bool:
        projector.catch_up()
        return text in html_of(client, address)

    until(says, 60, f"{address} says {text!r}")
    return html_of(client, address)


def address_of(html: str, place: str) -> str:
    """Where the list of letters links the letter of a record: letters stand in the order in which records died."""
    return re.findall(rf'<a href="([^"]+)">{re.escape(place)}</a>', html)[0]


def states(projector: Projector, client: Client) -> list[str]:
    projector.catch_up()
    html = html_of(client, "/dead-letters/letters/")
    return re.findall(r'<td><span class="status [^"]*"[^>]*><span [^>]*></span>([^<]+)</span>', html)


def run(operation: Operation) -> Operation:
    tasks.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == State.DONE, operation.error
    return operation


def test_letters_are_grouped_by_what_they_died_of(operator, projector, broker, topic):
    html = shown(projector, operator, "/dead-letters/", "ValueError")
    assert html.count('<tr data-key="revenue ') == 1
    assert "no stock for order" in html
    assert re.search(r'<td class="n"><data value="3"', html)
    assert "fingerprint=" in html and "Replay…" in html


def test_one_click_replays_a_letter_and_the_page_shows_it_recovered(
    operator, projector, broker, topic, handler
):
    address = address_of(shown(projector, operator, "/dead-letters/letters/", f"{topic}/0@1"), f"{topic}/0@1")
    html = html_of(operator, address)
    assert "Replay it to revenue" in html and "no stock for order 1" in html and "Traceback" in html
    handler.refuses = False
    [letter] = re.findall(r'name="letter" value="([^"]+)"', html)
    response = operator.post("/operations/now/replay/", {"letter": letter})
    assert response.headers["Location"] == address
    run(Operation.objects.get())
    until(lambda: handler.handled == [b"1"], 60, "the record was handled")
    shown(projector, operator, address, "recovered")
    html = shown(projector, operator, address, "handled</span>")  # its event comes by another way
    assert "Replay it to revenue" not in html
    way = re.findall(r"</span>(tried and failed|died|replayed|handled)</span>", html)
    assert way == ["tried and failed", "died", "replayed", "handled"]


def test_a_replay_of_many_says_how_many_and_where_to_before_it_does_anything(
    operator, projector, broker, topic, handler, redis_url
):
    shown(projector, operator, "/dead-letters/", "ValueError")
    fields = {"dlq": f"{topic}.revenue.dlq", "to": "group", "guard": "20", "error": "ValueError"}
    response = operator.post("/operations/new/replay/", fields)
    assert response.status_code == 302, response.content.decode()
    operation = Operation.objects.get()
    html = html_of(operator, f"/operations/{operation.pk}/")
    assert "3 dead letters of group revenue go back to group revenue; no other group sees them" in html
    assert handler.handled == []
    handler.refuses = False
    operator.post(f"/operations/{operation.pk}/confirm/")
    run(operation)
    until(lambda: sorted(handler.handled) == numbered(3), 60, "all three were handled")
    until(lambda: states(projector, operator) == ["recovered"] * 3, 60, "three recovered letters")
    publish(redis_url, a_snapshot(a_topic_snapshot(), a_group()))
    html = html_of(operator, "/")
    assert "3 records died in the last 15 minutes" in html, "a replay undoes no death"
    assert "No letter is dead any more" in html


def fact(html: str, name: str) -> str:
    """A figure of an operation; "" when it is not there."""
    return next(iter(re.findall(rf"<dt>{name}</dt><dd>([^<]*)</dd>", html)), "")


def test_the_page_of_a_replay_counts_on_until_its_letters_are_settled(operator, broker, handler):
    name = a_topic(broker)
    produce(broker, name, numbered(3))
    with broker.worker(name, group_id="revenue", handler=handler, retry=AT_ONCE):
        until(lambda: dead(broker, name) == 3, 30, "three dead letters")
    operator.post("/operations/new/replay/", {"dlq": f"{name}.revenue.dlq", "to": "group", "guard": "20"})
    operation = Operation.objects.get()
    operator.post(f"/operations/{operation.pk}/confirm/")
    run(operation)
    page = f"/operations/{operation.pk}/"
    html = html_of(operator, page)
    assert (fact(html, "Recovered"), fact(html, "Still on their way")) == ("0", "3")
    assert re.search(r"as of \d\d:\d\d:\d\d UTC", html)
    handler.refuses = False
    with broker.worker(name, group_id="revenue", handler=handler, retry=AT_ONCE):
        until(lambda: fact(html_of(operator, page), "Recovered") == "3", 30, "three recovered letters")
    html = html_of(operator, page)
    assert fact(html, "Still on their way") == "" and "all are settled" in html
    told = operator.get(f"/api/v1/operations/{operation.pk}").json()
    assert told["since"] == {
        "facts": [["Replayed", "3"], ["Recovered", "3"], ["Failed again", "0"]],
        "settled": True,
    }


def test_of_a_replay_that_is_forgotten_its_page_says_how_it_ended(operator, broker, topic):
    operator.post("/operations/now/replay/", {"letter": f"{topic}.revenue.dlq/0@0"})
    operation = run(Operation.objects.get())
    broker.connection.execute_many([("DEL", keys.replay(operation.progress["job"]))])
    html = html_of(operator, f"/operations/{operation.pk}/")
    assert fact(html, "Replayed") == "1" and fact(html, "Recovered when it ended") != ""


def test_letters_that_die_again_are_new_ones_that_say_so(operator, projector, broker, topic):
    shown(projector, operator, "/dead-letters/letters/", f"{topic}/0@0")
    operator.post("/operations/now/replay/", {"letter": f"{topic}.revenue.dlq/0@0"})
    run(Operation.objects.get())
    until(
        lambda: sorted(states(projector, operator)) == ["dead"] * 3 + ["failed again"], 20, "a fourth letter"
    )
    assert "1 new" in html_of(operator, "/dead-letters/")
    html = html_of(operator, f"/dead-letters/{topic}.revenue.dlq/0/0/")
    assert "Its replay died as" in html and f"/dead-letters/{topic}.revenue.dlq/0/3/" in html


def test_what_is_discarded_is_taken_back_by_an_undo(operator, projector, broker, topic):
    shown(projector, operator, "/dead-letters/letters/", f"{topic}/0@2")
    fields = {"dlq": f"{topic}.revenue.dlq", "reason": "test data", "partition": "0"}
    operator.post("/operations/new/discard/", fields)
    operation = Operation.objects.get()
    operator.post(f"/operations/{operation.pk}/confirm/")
    run(operation)
    until(lambda: states(projector, operator) == ["discarded"] * 3, 60, "three discarded letters")
    assert dead(broker, topic) == 0
    operator.post(f"/operations/{operation.pk}/undo/")
    undo = Operation.objects.get(undoes=operation)
    operator.post(f"/operations/{undo.pk}/confirm/")
    run(undo)
    assert dead(broker, topic) == 3


def test_a_replay_can_be_changed_on_the_way_and_the_letter_stays(operator, broker, handler):
    name = a_topic(broker)
    produce(broker, name, [b'{"country": "??"}'])
    with broker.worker(name, group_id="revenue", handler=handler, retry=AT_ONCE):
        until(lambda: dead(broker, name) == 1, 30, "a dead letter")
        handler.refuses = False
        fields = {"dlq": f"{name}.revenue.dlq", "to": "group", "guard": "20", "merge": '{"country": "FR"}'}
        operator.post("/operations/new/replay/", fields)
        operation = Operation.objects.get()
        assert "FR" in html_of(operator, f"/operations/{operation.pk}/")
        operator.post(f"/operations/{operation.pk}/confirm/")
        run(operation)
        until(lambda: handler.handled == [b'{"country":"FR"}'], 60, "the changed record was handled")
    assert "??" in html_of(operator, f"/dead-letters/{name}.revenue.dlq/0/0/")


@pytest.mark.parametrize(
    "merge",
    [
        '{"a":' + "[" * 5_000 + "]" * 5_000 + "}",
        '{"a":' + "[" * 200 + "]" * 200 + "}",
        '{"a":' + "9" * 5_000 + "}",
    ],
    ids=["without end", "200 levels", "5,000 digits"],
)
def test_a_change_that_no_parser_takes_is_an_error_of_the_form(operator, topic, merge):
    response = operator.post(
        "/operations/new/replay/", {"dlq": f"{topic}.revenue.dlq", "to": "group", "merge": merge}
    )
    assert response.status_code == 422
    assert "nested too deeply" in response.content.decode() or "levels" in response.content.decode()
    assert not Operation.objects.exists()


def test_a_change_that_is_no_json_says_what_is_wrong_and_where(operator, topic):
    fields = {"dlq": f"{topic}.revenue.dlq", "to": "group", "merge": '{"country": "FR",\n  total: 3}'}
    response = operator.post("/operations/new/replay/", fields)
    assert response.status_code == 422
    assert "It is not JSON: Expecting property name" in response.content.decode()
    assert "at line 2, column 3." in response.content.decode()


def test_a_viewer_cannot_replay_by_one_click(operator, broker, topic):
    viewer = Client()
    viewer.force_login(a_person())
    assert viewer.post("/operations/now/replay/", {"letter": f"{topic}.revenue.dlq/0@0"}).status_code == 403
    assert not Operation.objects.exists()
    assert "replay-now" not in html_of(viewer, f"/dead-letters/{topic}.revenue.dlq/0/0/").replace(
        'form="replay-now"', ""
    )


def test_what_waits_to_be_tried_again_is_shown_by_its_time(operator, redis_url, broker, handler):
    name = a_topic(broker)
    produce(broker, name, numbered(2))
    patient = RetryPolicy(base_ms=600_000, cap_ms=600_000, max_attempts=5)
    with broker.worker(name, group_id="revenue", handler=handler, retry=patient) as worker:
        until(lambda: worker.metrics() and waiting(broker, name) == 2, 30, "two retries")
        position = a_position(name, 0)
        publish(
            redis_url,
            a_snapshot(a_topic_snapshot(name, partitions=1), a_group("revenue", partitions=[position])),
        )
        html = html_of(operator, "/retries/")
    assert html.count('<tr data-key="revenue ') == 3  # two records and their queue
    assert "no stock for order" in html


def an_attempt(n: int, **changes) -> RecordEvent:
    now = now_ms()
    plain = {
        "event_id": f"attempt-{n}",
        "kind": "record.retried",
        "at_ms": now - 60_000,
        "record_id": f"r{n}",
        "group": "revenue",
        "topic": "orders",
        "partition": 0,
        "offset": n,
        "attempt": 1,
        "exception": "shop.OutOfStock",
    }
    return RecordEvent.objects.create(**plain | changes)


def test_attempts_are_shown_as_planned_and_as_they_were_and_by_error(operator, redis_url):
    publish(redis_url, busy_snapshot())
    now = now_ms()
    an_attempt(1, due_ms=now - 58_000)
    an_attempt(2, due_ms=now - 56_000)
    second = {"attempt": 2, "planned_ms": now - 58_000, "exception": ""}
    an_attempt(3, kind="record.recovered", at_ms=now - 57_000, started_ms=now - 57_950, **second)
    an_attempt(4, kind="record.recovered", at_ms=now - 50_000, started_ms=now - 53_000, **second)
    an_attempt(5, exception="builtins.ValueError")
    html = html_of(operator, "/retries/")
    planned = re.findall(r'aria-label="(Attempts by how much later[^"]*)"', html)[0]
    assert planned.endswith("≤ 50 ms: 1, ≤ 100 ms: 0, ≤ 1 s: 0, ≤ 10 s: 1, &gt; 10 s: 0")
    assert "2 s to 4 s" in html, "the planned waits of second attempts"
    by_error = html[html.index('id="errors"') :]
    assert by_error.index("OutOfStock") < by_error.index("ValueError")
    assert "66.7" in by_error and "3 failed attempts in the last hour" in by_error
    assert "OutOfStock" not in html_of(operator, "/retries/?group=nobody")
    assert "OutOfStock" not in html_of(operator, f"/retries/?group=g&queue=orders/{'9' * 5_000}")


def test_the_hour_of_attempts_is_not_counted_anew_for_each_look(operator, redis_url):
    publish(redis_url, busy_snapshot())
    an_attempt(1)
    assert "1 failed attempt in the last hour" in html_of(operator, "/retries/")
    with CaptureQueriesContext(connection) as asked:
        assert "1 failed attempt in the last hour" in html_of(operator, "/retries/")
    assert not [query for query in asked if RecordEvent._meta.db_table in query["sql"]]
    assert "1 failed attempt" not in html_of(operator, "/retries/?group=nobody")


def test_a_list_of_retries_says_what_it_leaves_out_and_shows_more_of_one_queue(
    operator, redis_url, broker, handler
):
    name = a_topic(broker)
    produce(broker, name, numbered(105))
    patient = RetryPolicy(base_ms=600_000, cap_ms=600_000, max_attempts=5)
    with broker.worker(name, group_id="revenue", handler=handler, retry=patient):
        until(lambda: waiting(broker, name) == 105, 30, "105 retries")
        snapshot = a_snapshot(
            a_topic_snapshot(name, partitions=1), a_group("revenue", partitions=[a_position(name, 0)])
        )
        publish(redis_url, snapshot)
        html = html_of(operator, "/retries/")
        [more] = re.findall(rf'href="(\?group=revenue&amp;queue={name}/0)"', html)
        whole = html_of(operator, "/retries/" + more.replace("&amp;", "&"))
    assert re.search(r"… and <data[^>]*>5</data> more", html)
    assert (
        "… and" not in whole[whole.index('id="waiting"') :] and whole.count('<tr data-key="revenue ') == 106
    )


def waiting(broker: Broker, topic: str) -> int:
    place = TopicPartition(topic, 0)
    return RetryQueue(broker.connection).counts("revenue", [place])[place].retrying


def test_without_any_failure_the_pages_say_what_would_stand_there(operator, redis_url):
    publish(redis_url, busy_snapshot())
    assert "No dead letter" in html_of(operator, "/dead-letters/")
    assert "Nothing waits to be tried again" in html_of(operator, "/retries/")
    assert "No letter matches" in html_of(operator, "/dead-letters/letters/?state=dead")


def test_a_letter_that_is_not_there_is_a_404(operator, broker):
    assert operator.get("/dead-letters/nothing/0/0/").status_code == 404


def form_behind(client: Client, html: str, words: str) -> str:
    """The form that a link with these words opens, filled in."""
    [href] = re.findall(rf'<a class="button" href="([^"]+)">{words}', html)
    return html_of(client, href.replace("&amp;", "&"))


def test_a_search_acts_on_exactly_the_letters_that_it_shows(operator, projector, broker, topic):
    shown(projector, operator, "/dead-letters/letters/", f"{topic}/0@2")
    html = html_of(operator, "/dead-letters/letters/", group="revenue", topic=topic, q="order 1")
    [place] = re.findall(rf">({topic}/0@\d)</a>", html)
    filled = form_behind(operator, html, "Replay 1 dead…")
    [letters] = re.findall(r'name="letters" value="([^"]+)"', filled)
    assert letters.startswith(f"{topic}.revenue.dlq/0@") and len(letters.split()) == 1
    fields = {"dlq": f"{topic}.revenue.dlq", "letters": letters, "to": "group", "guard": "20"}
    operator.post("/operations/new/replay/", fields)
    [operation] = Operation.objects.all()
    assert operation.spec["letters"] == [letters]
    assert "1 dead letter of group revenue" in html_of(operator, f"/operations/{operation.pk}/")
    assert place == f"{topic}/0@1"


def test_picked_letters_come_into_the_form_together(operator, projector, broker, topic):
    shown(projector, operator, "/dead-letters/letters/", f"{topic}/0@2")
    html = html_of(operator, "/dead-letters/letters/", group="revenue", topic=topic)
    picks = re.findall(r'<input type="checkbox" form="pick" name="letters" value="([^"]+)"', html)
    assert len(picks) == 3
    filled = operator.get(
        "/operations/new/replay/", {"dlq": f"{topic}.revenue.dlq", "letters": picks[:2]}
    ).content.decode()
    assert f'name="letters" value="{picks[0]} {picks[1]}"' in filled
    assert ">null<" not in filled


def test_letters_of_several_groups_ask_for_one_of_them_first(operator, projector, broker, topic):
    shown(projector, operator, "/dead-letters/letters/", f"{topic}/0@2")
    html = html_of(operator, "/dead-letters/letters/")
    assert "Choose one group and topic" in html and 'type="checkbox"' not in html
    [href] = re.findall(rf'href="([^"]+)">revenue on {topic}', html)
    assert "Replay 3 dead…" in html_of(operator, href.replace("&amp;", "&"))


def test_a_record_shows_its_way_and_leads_to_its_dead_letter(operator, projector, broker, topic):
    shown(projector, operator, "/dead-letters/letters/", f"{topic}/0@1")
    html = html_of(operator, f"/topics/{topic}/records/0/1/")
    assert "Its way through" in html and "attempt 2" in html
    [href] = re.findall(r'<a class="more" href="([^"]+)">Its dead letter</a>', html)
    assert "no stock for order 1" in html_of(operator, href)


def test_a_form_without_anything_to_choose_says_why(operator, broker):
    html = html_of(operator, "/operations/new/replay/")
    assert "No record has died yet" in html and "<select" not in html
