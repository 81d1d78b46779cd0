"""Every event: its id, its envelope, its way back, and its place in docs/events.md."""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path

import msgspec
import pytest

from streamlab.cloudevents import from_record
from streamlab.events import TYPES, Event, RecordRetried, recorded_of
from streamlab.events.envelope import letter_of, uri
from streamlab.events.of_broker import Deletion
from streamlab.events.of_groups import PositionChange
from streamlab.events.of_records import RecordEvent
from streamlab.events.reading import event_of
from streamlab.model import ConsumerRecord

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n### ")[1:]}
AT_MS = 1_291_191_960_500

SAMPLE = {
    "group": "revenue", "topic": "orders", "partition": 3, "offset": 41, "record_id": "536365-1", "attempt": 2,
    "due_ms": AT_MS + 900, "cause": "exhausted", "dlq_topic": "orders.revenue.dlq", "dlq_partition": 3, "dlq_offset": 7,
    "target": "group", "reason": "spoiled", "replay_id": "r1", "outcome": "done", "replayed": 10, "epoch": 5,
    "member": "m-1", "positions": [PositionChange(topic="orders", partition=3, before=41, after=0)],
    "entity_type": "topic", "entity": "orders", "name": "retention.ms", "partitions": 6, "before": 3, "after": 6,
    "deletions": [Deletion(partition=3, before=0, after=41)], "schema_subject": "orders-value", "schema_version": 2,
}  # fmt: skip
ALL = list(TYPES.values())
NAMES = [cls.type for cls in ALL]


def an_event(cls: type[Event]) -> Event:
    """With every field that must be there."""
    needed = {f.name for f in msgspec.structs.fields(cls) if f.required} - {"at_ms"}
    given = {name: SAMPLE[name] for name in needed}
    if issubclass(cls, RecordEvent) and cls.type.startswith("streamlab.dead_letter.replayed"):
        given["replays"] = 1
    if cls.type.startswith("streamlab.schema."):
        given["schema_version"] = 2
    return cls(at_ms=AT_MS, **given)


def as_record(event: Event) -> ConsumerRecord:
    letter = letter_of(event)
    return ConsumerRecord("__streamlab.events", 0, 0, letter.at_ms, letter.key, letter.value, letter.headers)


@pytest.mark.parametrize("cls", ALL, ids=NAMES)
def test_an_event_comes_back_from_the_topic_as_it_was_written(cls):
    event = an_event(cls)
    recorded = recorded_of(as_record(event))
    assert recorded.event == event
    assert (recorded.id, recorded.type, recorded.at_ms) == (event.id, event.type, AT_MS)


@pytest.mark.parametrize("cls", ALL, ids=NAMES)
def test_an_event_is_a_cloud_event(cls):
    event = an_event(cls)
    record = as_record(event)
    envelope = from_record(record.headers, record.value)
    assert envelope.time == "2010-12-01T08:26:00.500Z"
    assert envelope.source.startswith("/streamlab/")
    assert envelope.subject == event.subject
    assert envelope.datacontenttype == "application/json"
    assert event.order_key.encode() == record.key


@pytest.mark.parametrize("cls", ALL, ids=NAMES)
def test_an_event_said_again_later_has_the_same_id_where_it_is_about_a_record_or_an_epoch(cls):
    event = an_event(cls)
    later = msgspec.structs.replace(event, at_ms=AT_MS + 1)
    again_and_again = ("record.released", "dead_letter.discarded", "dead_letter.restored")
    if issubclass(cls, RecordEvent) and not cls.type.endswith(again_and_again):
        assert later.id == event.id
    assert msgspec.structs.replace(event).id == event.id


def test_two_events_never_share_an_id():
    ids = [an_event(cls).id for cls in ALL]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("field", ["group", "topic", "partition", "offset", "attempt", "replays"])
def test_another_attempt_at_another_record_is_another_event(field):
    event = an_event(RecordRetried)
    other = "other" if isinstance(getattr(event, field), str) else getattr(event, field) + 1
    assert msgspec.structs.replace(event, **{field: other}).id != event.id


# -- reading what is newer, or broken ------------------------------------------------------------------------


def test_a_type_from_the_future_is_read_with_its_fields():
    record = as_record(an_event(RecordRetried))
    headers = [(n, b"streamlab.record.sung" if n == "ce_type" else v) for n, v in record.headers]
    recorded = recorded_of(ConsumerRecord("t", 0, 9, 0, None, record.value, headers))
    assert (recorded.event, recorded.name, recorded.data["offset"], recorded.offset) == (
        None,
        "record.sung",
        41,
        9,
    )


def test_a_field_from_the_future_is_passed_over():
    data = msgspec.json.encode(msgspec.to_builtins(an_event(RecordRetried)) | {"mood": "good"})
    assert event_of(RecordRetried.type, data) == an_event(RecordRetried)


def test_fields_of_another_kind_do_not_stop_the_reader():
    assert event_of(RecordRetried.type, b'{"at_ms": "soon"}') is None
    assert event_of(RecordRetried.type, b"no json") is None


@pytest.mark.parametrize("value", [None, b"", b"[]", b"\xff", b"7"])
def test_a_record_that_is_no_event_is_none(value):
    assert recorded_of(ConsumerRecord("t", 0, 0, 0, None, value)) is None


def test_a_source_is_a_uri_whatever_the_group_is_called():
    assert uri("/streamlab/groups/my group/ä?#%") == "/streamlab/groups/my%20group/%C3%A4%3F%23%25"


# -- the page ------------------------------------------------------------------------------------------------


def rows(text: str) -> dict[str, str]:
    """Field → type, of the tables in a text."""
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", text, re.MULTILINE))


def words_of(annotation: object) -> str:
    """A field's type as the page writes it, without its unit."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = typing.get_args(annotation)
        return ", ".join(words_of(part) for part in parts if part is not type(None)) + (
            ", null" if type(None) in parts else ""
        )
    if typing.get_origin(annotation) is list:
        [item] = typing.get_args(annotation)
        if item is str:
            return "list of text"
        return "list of " + ", ".join(f"`{name}`" for name in item.__struct_fields__)
    if typing.get_origin(annotation) is dict:
        return "object"
    return {str: "text", int: "integer", float: "number", bool: "boolean"}[annotation]


def test_every_event_has_a_section_and_every_section_an_event():
    assert sorted(SECTIONS) == sorted(TYPES)


@pytest.mark.parametrize("cls", ALL, ids=NAMES)
def test_the_page_says_the_fields_of_an_event_with_their_types(cls):
    shared = {"at_ms"} | (set(RecordEvent.__struct_fields__) if issubclass(cls, RecordEvent) else set())
    hints = typing.get_type_hints(cls)
    fields = {f: words_of(hints[f]) for f in cls.__struct_fields__ if f not in shared}
    assert {f: said.replace(", ms", "") for f, said in rows(SECTIONS[cls.type]).items()} == fields


@pytest.mark.parametrize("cls", ALL, ids=NAMES)
def test_the_page_says_the_unit_of_every_time(cls):
    said = rows(SECTIONS[cls.type])
    assert all(", ms" in said[field] for field in said if field.endswith("_ms"))
    assert all(field.endswith("_ms") for field in said if ", ms" in said[field])


@pytest.mark.parametrize("cls", ALL, ids=NAMES)
def test_the_page_says_what_an_event_is_and_where_its_id_comes_from(cls):
    section = SECTIONS[cls.type]
    assert (cls.__doc__ or "").strip() in section
    ids = re.findall(r"^Id: `(.*)`$", section, re.MULTILINE)
    assert ids == [an_event(cls).id] or "Comes from the outbox" in section


def test_the_page_says_the_shared_fields():
    about_records = PAGE.split("## Fields of all that are about a record")[1].split("\n## ")[0]
    hints = typing.get_type_hints(RecordEvent)
    assert rows(about_records) == {
        f: words_of(hints[f]) for f in RecordEvent.__struct_fields__ if f != "at_ms"
    }


def test_the_page_says_every_header():
    headers = {name for name, _ in letter_of(an_event(RecordRetried)).headers} - {"content-type"}
    assert headers == set(re.findall(r"`(ce_\w+)` \|", PAGE))
