"""A year of a real shop through a worker with a strict check: exactly its dirty rows are dead letters, with reasons."""

from __future__ import annotations

import csv
import gzip

import pytest

from streamlab.delivery.dead_letter import Cause
from tests.builders import a_topic
from tests.waiting import until
from tests.workers import GROUP, letters, settled

pytestmark = [pytest.mark.data, pytest.mark.slow]

COLUMNS = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
]
OTHER_REASONS = {"missing_CustomerID", "non-product_StockCode"}
"""What the list of dirty rows notes besides: common in clean rows too, so no reason by itself."""


class DirtyRow(ValueError):
    """Raised for a row that breaks the schema; says all that is wrong with it."""


def reasons(row: dict[str, str]) -> list[str]:
    found = []
    if not row["Description"]:
        found.append("missing_Description")
    if int(row["Quantity"]) <= 0 and not row["InvoiceNo"].startswith("C"):
        found.append("Quantity<=0_and_not_C_invoice")
    price = float(row["UnitPrice"])
    if price <= 0:
        found.append("UnitPrice==0" if price == 0 else "UnitPrice<0")
    if row["InvoiceNo"].startswith("A"):
        found.append("A_invoice_rows")
    return found


def row_of(data: bytes) -> dict[str, str]:
    [cells] = csv.reader([data.decode()])
    return dict(zip(COLUMNS, cells, strict=True))


def strict(record) -> None:
    found = reasons(record.value)
    if found:
        raise DirtyRow("|".join(found))


def test_exactly_the_dirty_rows_are_dead_letters_and_all_others_are_handled(broker, data_directory):
    with gzip.open(data_directory / "online_retail_dirty_rows.csv.gz", "rt", newline="") as file:
        dirty = {int(row["source_row"]): row for row in csv.DictReader(file)}
    assert len(dirty) == 2_518

    topic, rows = a_topic(broker, 6), []
    with (
        gzip.open(data_directory / "online_retail.csv.gz", "rb") as file,
        broker.producer(linger_ms=20, batch_size=65_536) as producer,
    ):
        next(file)
        for number, line in enumerate(file, 1):
            producer.send(topic, line.rstrip(), key=line[:6], headers=[("row", b"%d" % number)])
            rows.append(number)
    assert len(rows) == 541_909

    handled = bytearray(len(rows) + 1)

    def handle(record):
        handled[int(record.header("row"))] += 1

    worker = broker.worker(
        topic, group_id=GROUP, handler=handle, value_deserializer=row_of, validate=strict, ordering="key"
    )
    with worker:
        until(lambda: settled(broker, topic, len(rows)), 180)

    found = {int(dict(letter.headers)["row"]): letter for letter in letters(broker, topic)}
    assert sorted(found) == sorted(dirty)
    for number, letter in found.items():
        expected = set(dirty[number]["reasons"].split("|")) - OTHER_REASONS
        assert (letter.cause, set(letter.error_message.split("|"))) == (Cause.SCHEMA, expected)
        assert row_of(letter.value) == {name: dirty[number][name] for name in COLUMNS}
    assert [number for number in rows if handled[number] != (number not in dirty)] == []
