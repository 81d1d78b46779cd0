"""Bytes of strangers, read as Avro: they may be refused, never end or stop the process."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import pytest

from streamlab.schemas.avro_reading import EndlessArrayError, read
from streamlab.schemas.avro_schema import parse

NODE = '{"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}'
PROGRAM = f"""
from io import BytesIO
from streamlab.schemas.avro_reading import read
from streamlab.schemas.avro_schema import parse
try:
    read(BytesIO(b"\\x02" * 1_000_000 + b"\\x00"), parse('{NODE}'))
except RecursionError:
    print("too deep")
"""


def test_a_million_levels_of_a_schema_that_refers_to_itself_are_an_exception():
    """In a process of its own: a reader in C would end it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "too deep", done.stderr


def test_a_few_levels_of_it_are_read():
    assert read(BytesIO(b"\x02\x02\x00"), parse(NODE)) == {"next": {"next": {"next": None}}}


@pytest.mark.parametrize(
    "items",
    ['"null"', '{"type": "record", "name": "E", "fields": []}', '{"type": "fixed", "name": "F", "size": 0}'],
)
def test_an_array_of_items_without_bytes_is_refused(items):
    claims_four_billion = b"\x80\x80\x80\x80\x20\x00"
    with pytest.raises(EndlessArrayError):
        read(BytesIO(claims_four_billion), parse(f'{{"type": "array", "items": {items}}}'))
