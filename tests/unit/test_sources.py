"""Files of every nasty kind: no line is lost, and a line that is no row is named by number and reason."""

import gzip
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.lab.rows import MAX_LINE_BYTES, Blank, Fields, Place, Reject, Row, SourceError
from streamlab.lab.sources import open_source
from streamlab.lab.times import time_parser


@pytest.fixture
def a_file(tmp_path):
    def write(content: bytes, name: str = "orders.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def read(path: Path, key=None, time=None, numbers=(), place=None, **options):
    fields = Fields(key, time, numbers, time_parser() if time else None)
    with open_source(path, **options) as source:
        return list(source.read(fields, place))


def rows(items):
    return [(item.line, json.loads(item.value)) for item in items if isinstance(item, Row)]


def rejects(items):
    return [(item.line, item.raw, item.reason) for item in items if isinstance(item, Reject)]


# CSV


def test_csv_values_stay_strings_as_they_were_written(a_file):
    items = read(a_file(b"id,code,price\n007,22423,2.50\n"))
    assert rows(items) == [(2, {"id": "007", "code": "22423", "price": "2.50"})]


def test_number_columns_become_json_numbers_digit_for_digit(a_file):
    items = read(a_file(b"q,p\n6,2.50\n,-0.10\n007,1\n"), numbers=("q", "p"))
    assert [item.value for item in items[:2]] == [b'{"q":6,"p":2.50}', b'{"q":null,"p":-0.10}']
    assert rejects(items) == [(4, b"007,1\n", "q is not a number: '007'")]


def test_a_key_is_the_text_of_its_column_and_an_empty_one_is_no_key(a_file):
    items = read(a_file(b"c,x\n17841,a\n,b\n"), key="c")
    assert [item.key for item in items] == [b"17841", None]


def test_line_ends_inside_quotes_belong_to_the_field_and_count_as_lines(a_file):
    items = read(a_file(b'a,b\n1,"x\ny\r\nz"\n2,w\n'))
    assert rows(items) == [(2, {"a": "1", "b": "x\ny\r\nz"}), (5, {"a": "2", "b": "w"})]
    assert items[0].raw == b'1,"x\ny\r\nz"\n'


def test_a_quote_in_the_middle_of_a_plain_field_is_only_a_character(a_file):
    assert rows(read(a_file(b'a,b\n5" pipe,x\n6" pipe,y\n'))) == [
        (2, {"a": '5" pipe', "b": "x"}),
        (3, {"a": '6" pipe', "b": "y"}),
    ]


def test_a_quote_that_is_never_closed_costs_one_line_and_no_more(a_file):
    items = read(a_file(b'a,b\n1,"x\n2,y\n3,z\n'))
    assert rejects(items) == [(2, b'1,"x\n', "a quote is opened and never closed")]
    assert rows(items) == [(3, {"a": "2", "b": "y"}), (4, {"a": "3", "b": "z"})]


def test_a_quote_closed_by_a_later_row_costs_only_the_line_that_opened_it(a_file):
    items = read(a_file(b'a,b\n1,"x\n2,"y"\n3,z\n'))
    assert [line for line, _, _ in rejects(items)] == [2]
    assert rows(items) == [(3, {"a": "2", "b": "y"}), (4, {"a": "3", "b": "z"})]


def test_an_open_quote_before_a_very_large_rest_is_given_up_at_the_size_limit(a_file):
    many = b"2,y\n" * (MAX_LINE_BYTES // 4 + 10)
    items = read(a_file(b'a,b\n1,"x\n' + many))
    assert rejects(items) == [(2, b'1,"x\n', "a quote is opened and never closed")]
    assert len(rows(items)) == MAX_LINE_BYTES // 4 + 10


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1\n", "1 fields where the header has 2"),
        (b"1,2,3\n", "3 fields where the header has 2"),
        (b"1,caf\xe9\n", "not utf-8: byte 0xe9 at position 6"),
        (b"1,a\0b\n", "a NUL byte"),
        (b'"1"x,2\n', "wrong quoting: ',' expected after '\"'"),
        (b"1,a\rb\n", "a carriage return inside a field without quotes"),
    ],
)
def test_a_line_that_is_no_row_is_rejected_as_it_stands_and_reading_goes_on(a_file, line, reason):
    items = read(a_file(b"a,b\n1,2\n" + line + b"3,4\n"))
    assert rejects(items) == [(3, line, reason)]
    assert [number for number, _ in rows(items)] == [2, 4]


def test_a_line_without_end_is_rejected_with_its_whole_size(a_file):
    items = read(a_file(b"a,b\n1," + b"x" * (3 * MAX_LINE_BYTES) + b"\n2,y\n"))
    reject = items[0]
    assert (reject.line, reject.size, len(reject.raw)) == (2, 3 * MAX_LINE_BYTES + 3, MAX_LINE_BYTES)
    assert "too long" in reject.reason
    assert rows(items) == [(3, {"a": "2", "b": "y"})]


def test_a_line_without_end_inside_quotes_is_rejected_and_reading_goes_on(a_file):
    items = read(a_file(b'a,b\n1,"x\n' + b"x" * (2 * MAX_LINE_BYTES) + b'"\n2,y\n'))
    assert [type(item) for item in items] == [Reject, Row]
    assert items[0].size == 5 + 2 * MAX_LINE_BYTES + 2
    assert rows(items) == [(4, {"a": "2", "b": "y"})]


def test_blank_lines_are_told_apart_from_rows(a_file):
    items = read(a_file(b"a\n\n1\n\r\n"))
    assert [type(item) for item in items] == [Blank, Row, Blank]


def test_a_byte_order_mark_windows_line_ends_and_a_missing_last_one_change_nothing(a_file):
    items = read(a_file(b"\xef\xbb\xbfa;b\r\n1;2\r\n3;4"))
    assert rows(items) == [(2, {"a": "1", "b": "2"}), (3, {"a": "3", "b": "4"})]


def test_other_encodings_are_read_when_they_are_named(a_file):
    assert rows(read(a_file(b"a\ncaf\xe9\n"), encoding="latin-1")) == [(2, {"a": "café"})]


def test_rows_of_a_compressed_and_a_plain_file_have_the_same_ids_and_source(a_file):
    content = b"a,b\n1,2\n1,2\n"
    plain, packed = a_file(content), a_file(content, "orders.csv.gz")
    assert [item.id for item in read(plain)] == [item.id for item in read(packed)]
    assert len({item.id for item in read(plain)}) == 2
    with open_source(plain) as one, open_source(packed) as other:
        assert one.uri == other.uri == "/streamlab/files/orders.csv"
        assert one.fingerprint()[:2] == other.fingerprint()[:2]


@pytest.mark.parametrize("name", ["orders.csv", "orders.csv.gz"])
def test_reading_can_go_on_after_any_item(a_file, name):
    path = a_file(b'a,b\n1,"x\ny"\n\nbad\n2,"open\n3,z\n4,w', name)
    items = read(path)
    for n, item in enumerate(items):
        assert read(path, place=item.after) == items[n + 1 :]


@given(st.lists(st.binary(max_size=20).map(lambda piece: piece.replace(b"\r", b"")), max_size=12))
def test_every_byte_of_a_csv_file_is_in_exactly_one_item(tmp_path_factory, lines):
    content = b"".join(line + b"\n" for line in lines)
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(b"a,b\n" + content)
    kept, place = b"", Place(4, 2)
    for item in read(path):
        kept += b"\n" if isinstance(item, Blank) else item.raw
        assert item.line == place.line
        place = item.after
    assert kept == content
    assert place.offset == 4 + len(content)


# JSON Lines


def test_a_json_line_is_sent_as_it_was_written(a_file):
    line = b'{"n": 12345678901234567890123, "price": 2.50}'
    items = read(a_file(line + b"\n", "x.jsonl"))
    assert items[0].value == line


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'"17841"', b"17841"),
        (b"17841", b"17841"),
        (b"17841.0", b"17841"),
        (b"0.10", b"0.10"),
        (b"36893488147419103232", b"36893488147419103232"),
        (b"true", b"true"),
        (b"null", None),
        (b'""', None),
        (b'"caf\\u00e9"', "café".encode()),
    ],
)
def test_a_json_key_is_its_text(a_file, value, key):
    assert read(a_file(b'{"c": ' + value + b"}", "x.jsonl"), key="c")[0].key == key


def test_a_json_row_without_the_key_field_has_no_key(a_file):
    assert read(a_file(b'{"a": 1}', "x.jsonl"), key="c")[0].key is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "not JSON"),
        (b"[1]", "not a JSON object but an array"),
        (b"7", "not a JSON object but a number"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": "\0"}', "not JSON"),
        (b'{"a": "' + b"x" * MAX_LINE_BYTES + b'"}', "too long"),
        (b'{"c": {"d": 1}}', "the key field 'c' holds an object"),
    ],
)
def test_a_line_that_is_no_json_object_is_rejected(a_file, line, reason):
    items = read(a_file(b'{"a":1}\n' + line + b'\n{"a":2}\n', "x.jsonl"), key="c")
    assert [type(item) for item in items] == [Row, Reject, Row]
    assert items[1].line == 2
    assert reason in items[1].reason
    assert items[1].size == len(line) + 1


# times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2010-12-01T08:26:00", 1291191960.0),
        ("2010-12-01 08:26", 1291191960.0),
        ("2010-12-01T09:26:00+01:00", 1291191960.0),
        ("1291191960", 1291191960.0),
        ("1291191960000", 1291191960.0),
        ("1291191960.5", 1291191960.5),
        ("20101201", 1291161600.0),
    ],
)
def test_times_are_read_as_files_write_them(a_file, text, seconds):
    assert read(a_file(f"t\n{text}\n".encode()), time="t")[0].time_s == seconds


def test_a_row_whose_time_cannot_be_read_is_rejected(a_file):
    items = read(a_file(b"t,x\nnoon,1\n,2\n9999999999999999999999,3\n"), time="t")
    assert [reason for _, _, reason in rejects(items)] == [
        "not a time: 'noon'",
        "the time is missing",
        "not a time: '9999999999999999999999'",
    ]


def test_json_times_may_be_numbers(a_file):
    items = read(a_file(b'{"t": 1291191960.25}\n{"t": true}\n{}\n', "x.jsonl"), time="t")
    assert items[0].time_s == 1291191960.25 and math.isfinite(items[0].time_s)
    assert [line for line, _, _ in rejects(items)] == [2, 3]


# files that cannot be played


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x.json", b"[\n{}\n]", "one JSON document"),
        ("x.csv", b"PK\x03\x04...", "zip archive"),
        ("x.csv", "a,b\n".encode("utf-16"), "UTF-16"),
        ("x.bin", bytes(1000), "binary"),
        ("x.csv", b"a,a\n1,2\n", "more than once"),
        ("x.csv", b"\n1,2\n", "blank"),
        ("x.csv", b'"a\n' + b"b,c\n", "never closed"),
        ("x.csv", b"a" * (MAX_LINE_BYTES + 1), "too long"),
        ("x.csv", b"\xff,a\n", "not utf-8"),
    ],
)
def test_a_file_that_cannot_be_played_is_refused_in_words(a_file, name, content, complaint):
    with pytest.raises(SourceError, match=complaint):
        read(a_file(content, name))


def test_a_missing_file_a_folder_and_a_missing_column_are_refused_in_words(tmp_path, a_file):
    with pytest.raises(SourceError, match="no file"):
        read(tmp_path / "none.csv")
    with pytest.raises(SourceError, match="not a file"):
        read(tmp_path)
    with pytest.raises(SourceError, match="no column 'Customer'; the columns are a, b"):
        read(a_file(b"a,b\n"), key="Customer")


def test_an_empty_file_has_no_rows(a_file):
    assert read(a_file(b""), key="any") == []
    assert read(a_file(b"", "x.jsonl"), key="any") == []


def test_a_truncated_gzip_file_gives_its_rows_and_then_says_that_it_is_damaged(tmp_path):
    path = tmp_path / "x.csv.gz"
    content = b"a\n" + b"".join(b"%032d\n" % (n * 7919) for n in range(200_000))
    path.write_bytes(gzip.compress(content)[:-2000])
    with open_source(path) as source:
        seen = []
        with pytest.raises(SourceError, match="damaged from line"):
            for item in source.read(Fields()):
                seen.append(item)
    assert 100_000 < len(seen) < 200_000
    assert all(isinstance(item, Row) for item in seen)


def test_the_content_decides_when_the_name_says_nothing(a_file):
    assert rows(read(a_file(b'{"a": 1}\n', "dump.txt"))) == [(1, {"a": 1})]
    assert rows(read(a_file(b"a\tb\n1\t2\n", "dump.txt"))) == [(2, {"a": "1", "b": "2"})]
