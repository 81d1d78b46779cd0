"""`streamlab events` and `streamlab trace`."""

from __future__ import annotations

import json
import signal

from streamlab.broker import Broker
from streamlab.events import Event, Journal
from streamlab.events.history import Query, find, trace
from tests.builders import a_topic, numbered, produce
from tests.stories import START_MS, Life, of_the_group
from tests.waiting import until


def tell(broker: Broker, *events: Event) -> None:
    with Journal(broker.connection) as journal:
        for event in events:
            journal.write(event)
        journal.flush()


def names(broker: Broker, **asked) -> list[str]:
    return [recorded.name for recorded in find(broker, Query(**asked))]


def test_events_are_found_by_what_they_are_about(broker):
    tell(
        broker,
        *Life(41).fails().dies().events,
        *Life(42, group="mail").fails().recovers().events,
        *of_the_group(),
    )
    assert names(broker, types=frozenset({"record.recovered"})) == ["record.recovered"]
    assert len(names(broker, types=frozenset({"record."}))) == 4
    assert names(broker, group="mail") == ["record.retried", "record.recovered"]
    assert names(broker, record_id="r-41") == ["record.retried", "record.dead_lettered"]
    assert len(names(broker, topic="orders")) == 4
    assert names(broker, since_ms=START_MS + 2_000) == ["record.dead_lettered", "record.recovered"]
    assert names(broker, group="nobody") == []


def test_a_group_with_any_name_is_found(broker):
    tell(broker, *Life(1, group="a/b ä\"'").fails().events)
    assert names(broker, group="a/b ä\"'") == ["record.retried"]


def test_events_come_by_the_time_at_which_they_happened_and_each_once(broker):
    events = [event for n in range(20) for event in Life(n).fails().dies().events]
    tell(broker, *reversed(events), *events)
    found = find(broker)
    assert len(found) == 40
    assert [recorded.at_ms for recorded in found] == sorted(recorded.at_ms for recorded in found)
    assert find(broker, newest=3) == found[-3:]


def test_without_any_history_nothing_is_found(broker):
    assert find(broker) == []
    assert trace(broker, "r-41") == []


def test_one_id_tells_the_whole_way_of_a_record(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3), headers=[("ce_id", b"r-1")], key=b"17841")
    life = Life(1, topic=topic, partition=0).fails().dies().is_replayed().fails().recovers()
    tell(broker, *life.events)
    [way] = trace(broker, "r-1")
    assert (way.produced.key, way.produced.value) == (b"17841", b"1")
    kinds = [step.name for step in way.steps]
    assert kinds == [
        "record.retried", "record.dead_lettered", "dead_letter.replayed", "record.retried", "record.recovered"
    ]  # fmt: skip


def test_a_record_that_never_failed_is_known_by_its_place(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(2))
    [way] = trace(broker, f"{topic}/0@1")
    assert (way.produced.value, way.steps) == (b"1", [])
    assert trace(broker, f"{topic}/0@2") == []
    assert trace(broker, f"{topic}/9@0") == []


def test_a_record_with_an_id_is_found_by_its_place_too(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(2), headers=[("ce_id", b"r-1")])
    tell(broker, *Life(1, topic=topic, partition=0).fails().dies().events)
    [way] = trace(broker, f"{topic}/0@1")
    assert [step.name for step in way.steps] == ["record.retried", "record.dead_lettered"]
    assert trace(broker, f"{topic}/0@0")[0].steps == []


# -- the commands ---------------------------------------------------------------------------------------------


def test_events_are_printed_one_a_line(broker, shell):
    tell(broker, *Life(41).fails("no\x1b[31m stock").events)
    [line] = shell("events").stdout.splitlines()
    assert line.startswith(
        "2023-11-14T22:13:21.000Z record.retried group=revenue topic=orders record_id=r-41"
    )
    assert "\x1b" not in line


def test_events_in_json_have_their_envelope_and_their_fields(broker, shell):
    tell(broker, *Life(41).fails().dies().events)
    one, other = map(json.loads, shell("events", "--json", "--record", "r-41").stdout.splitlines())
    assert one["type"] == "streamlab.record.retried"
    assert (other["id"], other["cause"]) == ("record.dead_lettered:orders/3@41:0:revenue", "exhausted")


def test_a_type_that_there_is_not_is_told(shell):
    asked = shell("events", "--type", "record.retryed")
    assert asked.returncode == 2
    assert "record.retried" in asked.stderr


def test_following_prints_what_happens_from_now_on(broker, shell):
    tell(broker, *Life(1).fails().events)
    process = shell.start("events", "--follow", "--json", "--type", "record.")
    assert json.loads(process.stdout.readline())["record_id"] == "r-1"
    lines: list[str] = []

    def told() -> bool:
        tell(broker, *Life(2 + len(lines)).fails().events)
        lines.append("")
        return len(lines) > 5

    until(told, 30)
    assert json.loads(process.stdout.readline())["record_id"] != "r-1"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_a_trace_reads_as_a_story(broker, shell):
    topic = a_topic(broker)
    produce(broker, topic, numbered(42), headers=[("ce_id", b"r-41")])
    tell(broker, *Life(41, topic=topic, partition=0).fails().dies().is_replayed().recovers().events)
    lines = shell("trace", "r-41").stdout.splitlines()
    assert lines[0] == f"r-41: {topic}/0@41"
    said = [" ".join(line.split()[1:]) for line in lines[1:]]
    assert said[0] == "produced key=null"
    assert said[1].startswith(
        "retried in revenue, attempt 1, shop.errors.OutOfStock: no stock for order 7, next at"
    )
    assert said[2].endswith("cause exhausted, lies at orders.revenue.dlq/3@141")
    assert said[3:] == ["replayed in revenue, by ann", "recovered in revenue, attempt 3"]


def test_a_trace_of_what_nobody_knows_says_so_and_fails(broker, shell):
    asked = shell("trace", "nobody")
    assert asked.returncode == 1
    assert "Nothing is known" in asked.stderr
    nowhere = shell("trace", "orders/3@41")
    assert nowhere.returncode == 1
    assert "There is no record orders/3@41 (any more)" in nowhere.stderr
