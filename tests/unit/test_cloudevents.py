"""CloudEvents survive the way into a record and back, and the official SDK reads the same event."""

import json
import string

import pytest
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import given
from hypothesis import strategies as st

from streamlab.cloudevents import CloudEvent, InvalidEventError, Series, from_record, rfc3339

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12).filter(
    lambda name: name not in {"id", "source", "type", "time", "subject", "dataschema", "data", "specversion"}
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
json_data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


objects = st.dictionaries(st.text(max_size=5), scalars, min_size=1).map(
    lambda value: json.dumps(value).encode()
)
times = st.datetimes().map(rfc3339)
json_type = st.just("application/json")
bytes_or_none = st.none() | st.binary(max_size=60)


@st.composite
def events(draw, data=json_data, content_type=json_type, time=times):
    return CloudEvent(
        id=draw(text),
        source=draw(text),
        type=draw(text),
        time=draw(time),
        subject=draw(st.none() | text),
        dataschema=draw(st.none() | text),
        datacontenttype=draw(content_type),
        extensions=draw(st.dictionaries(names, text, max_size=3)),
        data=draw(data),
    )


@given(events(data=bytes_or_none, content_type=st.sampled_from([None, "image/png"]), time=st.none() | times))
def test_binary_mode_gives_back_the_same_event(event):
    assert from_record(*event.to_binary()) == event


@given(events(data=bytes_or_none, content_type=st.sampled_from([None, "image/png", "text/json"])))
def test_structured_mode_gives_back_any_bytes(event):
    assert from_record(*event.to_structured()) == event


@given(events())
def test_structured_mode_embeds_json_as_json(event):
    headers, value = event.to_structured()
    assert json.loads(value)["data"] == json.loads(event.data)
    assert from_record(headers, value) == event


@given(events())
def test_the_official_sdk_reads_both_modes(event):
    for headers, value in (event.to_binary(), event.to_structured()):
        theirs = sdk.from_kafka_event(sdk.KafkaMessage(headers=dict(headers), key=None, value=value))
        assert theirs.get_id() == event.id
        assert theirs.get_source() == event.source
        assert theirs.get_type() == event.type
        assert theirs.get_specversion() == "1.0"
        assert theirs.get_subject() == event.subject
        assert theirs.get_datacontenttype() == event.datacontenttype
        assert theirs.get_data() == json.loads(event.data)
        assert theirs.get_time() == event.at
        assert all(theirs.get_extension(name) == value for name, value in event.extensions.items())


@given(events(data=objects))  # the SDK writes no data at all for false, 0 and ""
def test_what_the_official_sdk_writes_is_read_here(event):
    attributes = {"id": event.id, "source": event.source, "type": event.type, "time": event.at}
    attributes |= {"datacontenttype": "application/json"}
    theirs = SdkEvent(attributes | event.extensions, json.loads(event.data))
    for write in (sdk.to_binary, sdk.to_structured):
        message = write(theirs, JSONFormat())
        ours = from_record(list(message.headers.items()), message.value)
        assert (ours.id, ours.source, ours.type, ours.extensions) == (
            event.id, event.source, event.type, event.extensions,
        )  # fmt: skip
        assert ours.at == event.at
        assert json.loads(ours.data) == json.loads(event.data)


def test_a_series_writes_what_the_event_itself_would_write():
    headers = Series("/shop", "order.placed").headers(b"7", b"2010-12-01T08:26:00Z")
    assert from_record(headers, b"{}") == CloudEvent(
        id="7", source="/shop", type="order.placed", time="2010-12-01T08:26:00Z", data=b"{}"
    )


def test_a_time_keeps_every_digit_that_was_written():
    event = CloudEvent(id="1", source="/s", type="t", time="2010-12-01T08:26:00.123456789+01:00")
    assert from_record(*event.to_binary()).time == "2010-12-01T08:26:00.123456789+01:00"
    assert rfc3339(event.at) == "2010-12-01T07:26:00.123456Z"


def test_booleans_and_integers_of_a_structured_event_take_their_canonical_text():
    value = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","retries":3,"last":true,"gone":null}'
    event = from_record([("Content-Type", b"application/cloudevents+json; charset=utf-8")], value)
    assert event.extensions == {"retries": "3", "last": "true"}


REQUIRED = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t")]
STRUCTURED = [("content-type", b"application/cloudevents+json")]


@pytest.mark.parametrize(
    ("headers", "value", "complaint"),
    [
        ([], b"{}", "not a CloudEvent"),
        ([*REQUIRED, ("ce_specversion", b"0.3")], b"", "specversion"),
        (REQUIRED[:1] + REQUIRED[2:], b"", "needs a id"),
        ([*REQUIRED, ("ce_subject", b"\xff")], b"", "UTF-8"),
        ([*REQUIRED, ("ce_a-b", b"")], b"", "a-b"),
        ([*REQUIRED, ("ce_time", b"noon")], b"", "time"),
        ([("content-type", b"application/cloudevents+avro")], b"", "JSON format"),
        (STRUCTURED, None, "in JSON"),
        (STRUCTURED, b"[]", "in JSON"),
        (STRUCTURED, b'{"specversion":"1.0","id":"1","data_base64":"?"}', "in JSON"),
        (STRUCTURED, b'{"specversion":"1.0","id":{}}', "in JSON"),
    ],
)
def test_what_is_no_cloudevent_is_refused_in_words(headers, value, complaint):
    with pytest.raises(InvalidEventError, match=complaint):
        from_record(headers, value)
