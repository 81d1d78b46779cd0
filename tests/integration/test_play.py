"""`streamlab play`: every row of a file arrives, once, under its key; what does not is counted, named and kept."""

import json
import signal
from collections import Counter

import pytest

from streamlab.broker import Broker
from streamlab.cloudevents import from_record
from streamlab.model import TopicPartition
from streamlab.partitioner import partition_for
from tests.waiting import until


def records(broker: Broker, topic: str):
    """Everything in a topic, in the order of each partition."""
    consumer = broker.consumer(group_id=None, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic))]
    ends = consumer.end_offsets(partitions)
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    found = []
    while any(consumer.position(tp) < end for tp, end in ends.items()):
        for polled in consumer.poll(timeout_ms=200, max_records=50_000).values():
            found.extend(polled)
    consumer.close()
    return found


def ids(found):
    return Counter(record.header("ce_id") for record in found)


def written(broker: Broker, topic: str) -> int:
    consumer = broker.consumer(group_id=None)
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    ends = consumer.end_offsets(partitions) if partitions else {}
    consumer.close()
    return sum(ends.values())


def a_csv(path, rows: int, bad_every: int = 0) -> list[int]:
    """Columns id, customer, t; returns the line numbers of the rows that are none."""
    bad = []
    with path.open("w") as file:
        file.write("id,customer,t\n")
        for n in range(rows):
            if bad_every and n % bad_every == 0:
                file.write(f"{n}\n")
                bad.append(n + 2)
            else:
                file.write(f"{n},{n % 97 or ''},2010-12-01T08:{n // 60 % 60:02d}:{n % 60:02d}\n")
    return bad


def test_a_row_becomes_a_cloudevent_under_the_key_that_kafka_would_hash(shell, broker):
    (shell.directory / "orders.csv").write_text(
        "id,customer,t\n1,17841,2010-12-01T08:26:00\n2,,2010-12-01T08:27:00\n"
    )
    done = shell("play", "orders.csv", "--topic", "orders", "--key", "customer", "--time", "t")
    assert done.returncode == 0, done.stderr
    assert "2 rows: 2 acknowledged, 0 rejected, 1 without key." in done.stderr
    by_id = {json.loads(record.value)["id"]: record for record in records(broker, "orders")}
    first, second = by_id["1"], by_id["2"]
    assert first.key == b"17841"
    assert first.partition == partition_for(b"17841", 6)
    assert second.key is None
    event = from_record(first.headers, first.value)
    assert (event.source, event.type) == ("/streamlab/files/orders.csv", "streamlab.file.row")
    assert event.time == "2010-12-01T08:26:00Z"
    assert event.id.startswith("2-")
    assert event.datacontenttype == "application/json"
    assert json.loads(event.data) == {"id": "1", "customer": "17841", "t": "2010-12-01T08:26:00"}


def test_what_cannot_be_played_is_counted_named_and_kept(shell, broker):
    (shell.directory / "x.jsonl").write_bytes(b'{"c": 1}\nnonsense\n\n{"c": 17841.0}\n{"t": "\xff"}\n')
    done = shell("play", "x.jsonl", "--topic", "x", "--key", "c")
    assert done.returncode == 0
    assert "4 rows: 2 acknowledged, 2 rejected, 0 without key." in done.stderr
    assert "1 blank lines" in done.stderr
    assert "line 2: not JSON" in done.stderr
    kept = [json.loads(line) for line in (shell.directory / "x.jsonl.x.rejects").read_text().splitlines()]
    assert [entry["line"] for entry in kept] == [2, 5]
    assert kept[0]["raw"] == "nonsense\n"
    assert "raw_base64" in kept[1]
    assert sorted(record.key for record in records(broker, "x")) == [b"1", b"17841"]


def test_a_row_too_large_for_the_broker_is_rejected(shell, broker):
    lines = ['{"a": "' + "x" * 1_048_500 + '"}', '{"a": 1}']
    (shell.directory / "x.jsonl").write_text("\n".join(lines))
    done = shell("play", "x.jsonl", "--topic", "x")
    assert "2 rows: 1 acknowledged, 1 rejected" in done.stderr
    assert "line 1: The record has" in done.stderr


def test_playing_again_gives_every_row_the_id_it_had(shell, broker):
    a_csv(shell.directory / "a.csv", 500)
    for _ in range(2):
        assert shell("play", "a.csv", "--topic", "a").returncode == 0
    found = ids(records(broker, "a"))
    assert len(found) == 500
    assert set(found.values()) == {2}


def test_resuming_a_finished_play_sends_nothing(shell, broker):
    a_csv(shell.directory / "a.csv", 50)
    shell("play", "a.csv", "--topic", "a")
    done = shell("play", "a.csv", "--topic", "a", "--resume")
    assert done.returncode == 0
    assert "to its end already" in done.stderr
    assert written(broker, "a") == 50


def test_a_file_that_grew_is_resumed_behind_its_old_end(shell, broker):
    path = shell.directory / "a.csv"
    a_csv(path, 50)
    shell("play", "a.csv", "--topic", "a")
    with path.open("a") as file:
        file.write("50,1,2010-12-01T08:00:00\n")
    done = shell("play", "a.csv", "--topic", "a", "--resume")
    assert "51 rows: 51 acknowledged" in done.stderr
    assert written(broker, "a") == 51


def test_a_file_or_topic_that_is_not_what_it_was_is_not_resumed(shell, broker):
    path = shell.directory / "a.csv"
    a_csv(path, 50)
    shell("play", "a.csv", "--topic", "a")
    path.write_text(path.read_text().replace("17", "18") + "51,1,2010-12-01T08:00:00\n")
    done = shell("play", "a.csv", "--topic", "a", "--resume")
    assert (done.returncode, "has changed" in done.stderr) == (1, True)
    a_csv(path, 51)
    broker.admin().delete_topics(["a"])
    done = shell("play", "a.csv", "--topic", "a", "--resume")
    assert (done.returncode, "fewer records" in done.stderr) == (1, True)


def test_a_play_killed_again_and_again_sends_every_row_exactly_once(shell, broker):
    rows = 150_000
    bad = a_csv(shell.directory / "a.csv", rows, bad_every=1000)
    command = ("play", "a.csv", "--topic", "a", "--key", "customer", "--resume")
    for goal in (5_000, 40_000, 90_000):
        process = shell.start(*command)
        until(lambda goal=goal: written(broker, "a") >= goal, what=f"{goal} records")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert written(broker, "a") < rows - len(bad), (
        "it must be killed before its end for this test to mean anything"
    )
    done = shell(*command)
    assert done.returncode == 0, done.stderr
    assert f"{rows:,} rows: {rows - len(bad):,} acknowledged, {len(bad):,} rejected" in done.stderr
    found = records(broker, "a")
    assert set(ids(found).values()) == {1}
    assert len(found) == rows - len(bad)
    assert "without key" in done.stderr
    assert sum(record.key is None for record in found) == int(
        done.stderr.split(" without key")[0].split()[-1].replace(",", "")
    )
    kept = [
        json.loads(line)["line"] for line in (shell.directory / "a.csv.a.rejects").read_text().splitlines()
    ]
    assert kept == bad
    order = [int(json.loads(r.value)["id"]) for r in found if r.key == b"7"]
    assert order == sorted(order)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_play_that_is_interrupted_ends_in_good_order_and_can_go_on(shell, broker, signum):
    a_csv(shell.directory / "a.csv", 3_000)
    process = shell.start("play", "a.csv", "--topic", "a", "--rate", "2000")
    until(lambda: written(broker, "a") >= 300)
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "--resume goes on there" in said
    reached = written(broker, "a")
    assert 300 <= reached < 3_000
    done = shell("play", "a.csv", "--topic", "a", "--resume")
    assert f"This run: {3_000 - reached:,} sent" in done.stderr
    assert set(ids(records(broker, "a")).values()) == {1}


def test_without_resume_an_unfinished_play_begins_anew_and_says_so(shell, broker):
    a_csv(shell.directory / "a.csv", 2_000)
    process = shell.start("play", "a.csv", "--topic", "a", "--rate", "1000")
    until(lambda: written(broker, "a") >= 100)
    process.kill()
    process.wait()
    before = written(broker, "a")
    done = shell("play", "a.csv", "--topic", "a")
    assert "--resume would go on there" in done.stderr
    assert written(broker, "a") >= before + 2_000


def test_a_rate_is_kept(shell, broker):
    a_csv(shell.directory / "a.csv", 1_000)
    done = shell("play", "a.csv", "--topic", "a", "--rate", "500")
    seconds = float(done.stderr.split("sent in ")[1].split()[0])
    assert 1.9 <= seconds <= 8


def test_a_speed_keeps_the_rhythm_of_the_data(shell, broker):
    path = shell.directory / "a.csv"
    path.write_text("t\n2010-12-01T08:00:00\n2010-12-01T08:30:00\n2010-12-01T08:10:00\n2010-12-01T09:00:00\n")
    done = shell("play", "a.csv", "--topic", "a", "--time", "t", "--speed", "3600x")
    assert done.returncode == 0
    at = {json.loads(record.value)["t"][11:16]: record.timestamp for record in records(broker, "a")}
    assert 450 <= at["08:30"] - at["08:00"] <= 2_000
    assert at["08:10"] - at["08:30"] <= 400
    assert 450 <= at["09:00"] - at["08:30"] <= 2_000


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["none.csv", "--topic", "x"], 1, "There is no file none.csv."),
        (
            ["a.csv", "--topic", "x", "--key", "nobody"],
            1,
            "no column 'nobody'; the columns are id, customer, t",
        ),
        (["a.csv", "--topic", "x", "--number", "t"], 0, "t is not a number"),
        (["a.csv", "--topic", "not/legal"], 2, "not a topic name"),
        (["a.csv"], 2, "--topic"),
        (["a.csv", "--topic", "x", "--speed", "2x"], 2, "--speed needs --time"),
        (["a.csv", "--topic", "x", "--time", "t", "--speed", "fast"], 2, "like 3600x"),
        (["a.csv", "--topic", "x", "--rate", "0"], 2, "above 0"),
        (["a.csv", "--topic", "x", "--rate", "5", "--max"], 2, "Choose one"),
        (["a.csv", "--topic", "x", "--encoding", "utf-16"], 1, "convert the file to UTF-8"),
        (["a.csv", "--topic", "x", "--rejects", "a.csv", "--number", "t"], 1, "not a file of rejects"),
    ],
)
def test_what_is_wrong_is_one_sentence(shell_here, arguments, code, complaint):
    a_csv(shell_here.directory / "a.csv", 3)
    done = shell_here("play", *arguments)
    assert done.returncode == code
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_file_is_played_as_far_as_it_goes_and_then_fails(shell, broker):
    import gzip

    content = b"a\n" + b"".join(b"%032d\n" % (n * 7919) for n in range(100_000))
    (shell.directory / "a.csv.gz").write_bytes(gzip.compress(content)[:-2000])
    done = shell("play", "a.csv.gz", "--topic", "a")
    assert done.returncode == 1
    assert "damaged from line" in done.stderr
    assert "ends early" in done.stderr
    played = written(broker, "a")
    assert played > 50_000
    assert f"{played:,} rows: {played:,} acknowledged" in done.stderr


def test_a_small_damaged_file_is_played_as_far_as_it_goes_too(shell, broker):
    import gzip

    content = b"".join(b'{"n": %d}\n' % (n * 7919) for n in range(500))
    (shell.directory / "a.jsonl.gz").write_bytes(gzip.compress(content)[:-700])
    done = shell("play", "a.jsonl.gz", "--topic", "a")
    assert done.returncode == 1
    assert "ends early" in done.stderr
    played = written(broker, "a")
    assert 0 < played < 500
    assert f"{played:,} rows: {played:,} acknowledged" in done.stderr


def test_a_time_column_without_times_is_asked_about(shell):
    (shell.directory / "b.csv").write_text("when\nnever\nnot yet\n")
    done = shell("play", "b.csv", "--topic", "b", "--time", "when")
    assert "does 'when' hold times?" in done.stderr


@pytest.mark.data
def test_the_real_shop_is_played_whole(shell, broker, data_directory):
    path = data_directory / "online_retail.csv.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not there.")
    done = shell(
        *("play", str(path), "--topic", "orders", "--key", "CustomerID", "--time", "InvoiceDate", "--max"),
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "541,909 rows: 541,909 acknowledged, 0 rejected, 135,080 without key." in done.stderr
    assert written(broker, "orders") == 541_909
