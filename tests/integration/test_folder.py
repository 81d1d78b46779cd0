"""Files that land in a folder are played once, whatever happens to the watcher."""

from __future__ import annotations

import gzip
import os
import signal
import time
from pathlib import Path

import pytest

from streamlab.broker import Broker
from streamlab.model import TopicPartition
from tests.builders import read
from tests.shell import Shell
from tests.waiting import until


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


def watch(shell: Shell, folder: Path):
    return shell.start("watch", str(folder), "--topic", "things", "--key", "id", "--partitions", "2")


def land(folder: Path, name: str, first: int, count: int) -> None:
    """As a careful program does it: written aside, then renamed."""
    text = "id,name\n" + "".join(f"{n},thing {n}\n" for n in range(first, first + count))
    data = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    aside = folder / f".{name}"
    aside.write_bytes(data)
    aside.rename(folder / name)


def keys_of(broker: Broker) -> list[int]:
    if "things" not in broker.admin().list_topics():
        return []
    with broker.consumer("things", auto_offset_reset="earliest") as consumer:
        where = [TopicPartition("things", n) for n in range(2)]
        end = sum(consumer.end_offsets(where).values())
        found = [int(record.key) for record in read(consumer, end)]
    return sorted(found)


def test_every_file_is_played_once_and_put_aside(shell, incoming, broker):
    land(incoming, "a.csv", 0, 50)
    watch(shell, incoming)
    until(lambda: (incoming / "done" / "a.csv").exists(), 30, "the first is done")
    land(incoming, "b.csv.gz", 50, 50)
    land(incoming, "a.csv", 100, 50)  # the same name again: another file
    until(lambda: (incoming / "done" / "a-2.csv").exists(), 30, "the namesake is done")
    until(lambda: (incoming / "done" / "b.csv.gz").exists(), 30, "the compressed one is done")
    assert keys_of(broker) == list(range(150))
    assert [path.name for path in incoming.iterdir() if path.is_file()] == []


@pytest.mark.short_times
def test_what_is_still_written_is_waited_for(shell, incoming, broker):
    (incoming / "half.csv.part").write_text("id,name\n1,x\n")
    with (incoming / "slow.csv").open("w") as slow:
        slow.write("id,name\n")
        slow.flush()
        watch(shell, incoming)
        land(incoming, "whole.csv", 0, 5)
        for n in range(5, 30):  # longer than a file must stand still
            slow.write(f"{n},thing\n")
            slow.flush()
            os.fsync(slow.fileno())
            time.sleep(0.1)  # somebody who writes slowly
    until(lambda: (incoming / "done" / "slow.csv").exists(), 30, "the slow one is done")
    assert keys_of(broker) == list(range(30))
    assert (incoming / "half.csv.part").exists()


def test_what_cannot_be_read_is_put_aside_with_its_reason_and_holds_up_nobody(shell, incoming, broker):
    (incoming / "book.csv").write_bytes(b"PK\x03\x04not a table")
    (incoming / "no-id.csv").write_text("name\nx\n")
    watch(shell, incoming)
    land(incoming, "good.csv", 0, 5)
    until(lambda: (incoming / "done" / "good.csv").exists(), 30, "the good one is done")
    until(lambda: (incoming / "failed" / "book.csv").exists(), 30, "the bad one is put aside")
    assert "zip" in (incoming / "failed" / "book.csv.reason").read_text()
    assert "id" in (incoming / "failed" / "no-id.csv.reason").read_text()
    assert keys_of(broker) == list(range(5))


@pytest.mark.faults
def test_a_watcher_that_is_killed_in_the_middle_goes_on_and_doubles_nothing(shell, incoming, broker):
    land(incoming, "big.csv", 0, 60_000)
    for _ in range(3):
        watcher = watch(shell, incoming)
        before = len_of(broker)
        until(lambda: len_of(broker) > before or (incoming / "done" / "big.csv").exists(), 30)  # noqa: B023
        watcher.send_signal(signal.SIGKILL)
        watcher.wait()
    watch(shell, incoming)
    until(lambda: (incoming / "done" / "big.csv").exists(), 60, "it is done")
    assert keys_of(broker) == list(range(60_000))


def len_of(broker: Broker) -> int:
    if "things" not in broker.admin().list_topics():
        return 0
    return sum(edge.log_end for edge in broker.admin().list_partition_offsets("things").values())


def test_a_folder_that_is_not_there_is_said_to_be_none(shell, tmp_path):
    done = shell("watch", str(tmp_path / "nowhere"), "--topic", "things")
    assert done.returncode == 1
    assert "is not a folder" in done.stderr
