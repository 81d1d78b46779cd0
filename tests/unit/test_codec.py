"""A batch comes back as it went in, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab import codec
from streamlab.errors import CorruptRecordError, IllegalArgumentError, UnsupportedCodecError

parts = st.none() | st.binary(max_size=300)
headers = st.none() | st.lists(
    st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=20)), min_size=1, max_size=4
)
records = st.lists(st.tuples(st.integers(0, 2**45), parts, parts, headers), min_size=1, max_size=40)
codecs = st.sampled_from(sorted(codec.COMPRESSIONS))


@given(records, codecs)
def test_every_record_comes_back_as_it_was(rows, name):
    timestamps, keys, values, record_headers = zip(*rows, strict=True)
    base, columns = codec.decode(codec.encode(timestamps, keys, values, record_headers, name))
    assert [base + age for age in columns.ages] == list(timestamps)
    assert list(columns.keys) == list(keys)
    assert list(columns.values) == list(values)
    assert list(columns.headers) == [h if h is None else [tuple(pair) for pair in h] for h in record_headers]


@given(records, codecs, st.data())
def test_any_changed_byte_is_noticed(rows, name, data):
    timestamps, keys, values, _ = zip(*rows, strict=True)
    batch = bytearray(codec.encode(timestamps, keys, values, None, name))
    at = data.draw(st.integers(0, len(batch) - 1))
    batch[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((CorruptRecordError, UnsupportedCodecError)):
        codec.decode(bytes(batch))


@given(st.binary(max_size=200), st.booleans())
def test_foreign_bytes_are_refused_and_nothing_else_happens(data, check_crcs):
    with pytest.raises((CorruptRecordError, UnsupportedCodecError)):
        codec.decode(data, check_crcs)


def test_a_batch_knows_its_count_without_being_decoded():
    assert codec.count(codec.encode([1, 2, 3], [None] * 3, [b"v"] * 3, None, "zstd")) == 3


def test_an_empty_key_is_not_a_missing_one():
    _, columns = codec.decode(codec.encode([1, 1], [b"", None], [None, b""]))
    assert columns.keys == [b"", None]
    assert columns.values == [None, b""]


def test_an_unknown_compression_names_the_known_ones():
    with pytest.raises(IllegalArgumentError, match="none, gzip, lz4, zstd"):
        codec.compression("brotli")


@pytest.mark.parametrize("name", ["gzip", "lz4", "zstd"])
def test_compression_makes_like_records_smaller(name):
    plain = codec.encode([1] * 100, [b"k"] * 100, [b'{"price": 3.5}'] * 100)
    assert len(codec.encode([1] * 100, [b"k"] * 100, [b'{"price": 3.5}'] * 100, None, name)) < len(plain) / 5
