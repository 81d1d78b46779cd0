"""The shell's verbs on a real server: what they print, what they leave, how they fail."""

import json
import os
import resource
import signal
import subprocess
import sys

import pytest

from streamlab.embedded import EmbeddedServer
from tests.shell import REPOSITORY
from tests.waiting import until


def consumed(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def committed(shell, group, topic):
    found = json.loads(shell("groups", "describe", group, "--json").stdout)
    return sum(p["committed"] or 0 for p in found["partitions"] if p["topic"] == topic)


# produce and consume


def test_lines_become_records_and_come_back(shell):
    sent = shell("produce", "notes", "--key", "7", stdin=b"one\ntwo\r\n\nlast")
    assert (sent.returncode, sent.stderr) == (0, "4 lines, 4 acknowledged.\n")
    back = shell("consume", "notes", "--from-beginning", "--max", "4", "--json")
    assert [record["value"] for record in consumed(back)] == ["one", "two", "", "last"]
    assert {record["key"] for record in consumed(back)} == {"7"}
    assert back.returncode == 0


def test_a_separator_takes_the_key_out_of_the_line_and_an_empty_key_is_no_key(shell):
    shell("produce", "notes", "--key-separator", ":", stdin=b"a:1\n:2\n3\nb:4:5\n")
    back = consumed(shell("consume", "notes", "--from-beginning", "--max", "4", "--json"))
    assert [(r["key"], r["value"]) for r in back] == [("a", "1"), (None, "2"), (None, "3"), ("b", "4:5")]


def test_a_line_that_is_too_large_fails_and_the_others_arrive(shell):
    sent = shell("produce", "notes", stdin=b"a\n" + b"x" * 1_100_000 + b"\nb\n")
    assert sent.returncode == 1
    assert "line 2 was not sent" in sent.stderr
    assert "3 lines, 2 acknowledged." in sent.stderr
    assert len(consumed(shell("consume", "notes", "--from-beginning", "--max", "2", "--json"))) == 2


def test_bytes_from_strangers_cannot_upset_a_terminal(shell, broker):
    with broker.producer() as producer:
        producer.send("evil", b"\x1b[2J\xff\n\x07", b"\x00", [("h\x1b", b"\x9b31m")])
    done = shell("consume", "evil", "--from-beginning", "--max", "1")
    line = done.stdout
    assert line.count("\n") == 1
    assert all(character.isprintable() or character == "\n" for character in line)
    assert r"\x1b[2J\xff\n\x07" in line
    as_json = consumed(shell("consume", "evil", "--from-beginning", "--max", "1", "--json"))[0]
    assert as_json["value_base64"] == "G1sySv8KBw=="


def test_a_group_goes_on_where_it_stopped_and_commits_only_what_it_printed(shell):
    shell("produce", "notes", stdin=b"".join(b"%d\n" % n for n in range(10)))
    first = consumed(shell("consume", "notes", "-g", "g", "--from-beginning", "--max", "3", "--json"))
    assert committed(shell, "g", "notes") == 3
    rest = consumed(shell("consume", "notes", "-g", "g", "--timeout", "1", "--json"))
    assert [r["value"] for r in first + rest] == [str(n) for n in range(10)]
    assert committed(shell, "g", "notes") == 10


def test_without_a_group_nothing_is_committed(shell):
    shell("produce", "notes", stdin=b"a\n")
    shell("consume", "notes", "--from-beginning", "--max", "1")
    assert shell("groups").stdout.splitlines()[1:] == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_consume_cleanly_with_what_was_printed_committed(shell, signum):
    shell("produce", "notes", stdin=b"a\nb\n")
    process = shell.start("consume", "notes", "-g", "g", "--from-beginning")
    assert "value=a" in process.stdout.readline()
    assert "value=b" in process.stdout.readline()
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "2 records.\n")
    assert committed(shell, "g", "notes") == 2
    assert json.loads(shell("groups", "--json").stdout)["members"] == 0


def test_a_reader_that_goes_away_ends_consume_without_a_word_of_complaint(shell):
    shell("produce", "notes", stdin=b"x" * 70 + b"\n" + b"".join(b"%070d\n" % n for n in range(20_000)))
    process = shell.start("consume", "notes", "-g", "g", "--from-beginning")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in process.stderr.read()
    assert committed(shell, "g", "notes") < 20_000


# topics


def test_topics_are_made_listed_described_and_deleted(shell):
    made = shell("topics", "create", "orders", "--partitions", "3", "-c", "retention.ms=60000")
    assert made.returncode == 0
    shell("produce", "orders", "--partition", "1", stdin=b"a\nb\n")
    assert shell("topics").stdout.splitlines()[0].split() == [
        "TOPIC",
        "PARTITIONS",
        "RECORDS",
        "SIZE",
        "RECORDS/S",
    ]
    listed = json.loads(shell("topics", "list", "--json").stdout)
    assert (listed["topic"], listed["partitions"], listed["records"]) == ("orders", 3, 2)
    assert listed["rate"] is None, "no sampler runs, so nobody knows"
    described = shell("topics", "describe", "orders").stdout
    assert ["retention.ms", "60000", "topic"] in [line.split() for line in described.splitlines()]
    assert "LOG-END-OFFSET" in described
    gone = shell("topics", "delete", "orders", "--yes")
    assert (gone.returncode, "2 records" in gone.stderr) == (0, True)
    assert json.loads(shell("topics", "--json").stdout or "null") is None


def test_deleting_asks_first(shell):
    shell("topics", "create", "orders")
    assert shell("topics", "delete", "orders", stdin=b"n\n").returncode == 1
    assert "orders" in shell("topics").stdout


# groups


def test_a_group_is_described_in_kafka_s_columns(shell):
    shell("topics", "create", "orders", "-p", "2")
    shell("produce", "orders", "--partition", "0", stdin=b"a\nb\nc\n")
    process = shell.start("consume", "orders", "-g", "g", "--from-beginning", "--max", "3")
    process.communicate(timeout=60)
    shell("produce", "orders", "--partition", "0", stdin=b"d\n")
    lines = [line.split() for line in shell("groups", "describe", "g").stdout.splitlines()]
    assert lines[0] == [
        "GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID",
    ]  # fmt: skip
    assert lines[1] == ["g", "orders", "0", "3", "4", "1", "-", "-", "-"]


def test_the_members_of_a_group_are_shown_with_what_they_read(shell):
    shell("topics", "create", "orders", "-p", "2")
    shell.start("consume", "orders", "-g", "g")
    until(lambda: "streamlab-consume" in shell("groups", "describe", "g").stdout)
    row = shell("groups", "describe", "g", "--members").stdout.splitlines()[1].split()
    assert row[0] == "g"
    assert row[3:] == ["streamlab-consume", "2", "orders/0,orders/1"]
    state = shell("groups", "describe", "g", "--state").stdout.splitlines()[1].split()
    assert (state[0], state[2:5]) == ("g", ["cooperative-sticky", "Stable", "1"])
    assert json.loads(shell("groups", "--json").stdout)["members"] == 1


# going wrong


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["consume", "nobody"], 1, "There is no topic 'nobody'"),
        (["consume"], 2, "Missing argument 'TOPIC'"),
        (["consume", "x", "--max", "0"], 2, "--max"),
        (["produce", "x", "--key", "a", "--key-separator", ":"], 2, "Choose one"),
        (["produce", "not/legal"], 2, "not a topic name"),
        (["topics", "describe", "nobody"], 1, "There is no topic 'nobody'"),
        (["topics", "delete", "nobody", "--yes"], 1, "There is no topic 'nobody'"),
        (["topics", "create", "x", "-p", "0"], 2, "--partitions"),
        (["topics", "create", "x", "-c", "retention.ms"], 2, "NAME=VALUE"),
        (["topics", "create", "x", "-c", "retention.sm=1"], 2, "retention.ms"),
        (["groups", "describe", "nobody"], 1, "There is no group 'nobody'"),
        (["groups", "describe", "x", "--members", "--state"], 2, "Choose one"),
        (["shop", "scale", "kitchen", "1"], 2, "revenue, inventory, notifications, invoicing"),
        (["shop", "scale", "revenue", "99"], 2, "0 to 8"),
        (["shop", "status"], 1, "No shop runs"),
        (["tpoics"], 2, "No such command"),
        (["topics", "--url", "redis://127.0.0.1:1/0"], 1, "cannot be reached"),
        (["--url", "nonsense", "topics"], 2, "not a server address"),
    ],
)
def test_what_goes_wrong_is_said_in_words_on_stderr(shell_here, arguments, code, complaint):
    done = shell_here(*arguments, stdin=b"x\n")
    assert done.returncode == code
    assert complaint in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_debug_shows_where_an_expected_error_came_from(shell):
    done = shell("consume", "nobody", "--debug")
    assert (done.returncode, "Traceback" in done.stderr) == (1, True)


# the rest


def test_rates_are_known_while_a_sampler_runs(shell):
    shell("topics", "create", "notes")
    sampler = shell.start("sampler")
    until(lambda: json.loads(shell("topics", "--json").stdout)["rate"] is not None, 60)
    sampler.send_signal(signal.SIGTERM)
    sampler.communicate(timeout=60)
    assert sampler.returncode == 0


def test_help_is_quick_and_names_every_command(shell):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = shell("--help")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1
    for command in ("play", "produce", "consume", "topics", "groups", "shop", "sampler", "server", "version"):
        assert f"\n  {command} " in done.stdout
        assert shell(command, "--help").returncode == 0
    assert shell().returncode == 2


def test_the_server_inside_runs_until_it_is_told_to_stop(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "STREAMLAB_VAR": str(tmp_path / "var")}
    environment.pop("STREAMLAB_URL", None)

    def run(*arguments):
        command = [sys.executable, "-m", "streamlab", *arguments]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    server = run("server")
    try:
        url = server.stdout.readline().strip()
        assert url == EmbeddedServer.running_url(tmp_path / "var" / "redis")
        listing = run("topics")
        listing.communicate(timeout=60)
        assert listing.returncode == 0, "the others find it without being told"
        second = run("server")
        _, said = second.communicate(timeout=60)
        assert second.returncode == 1
        assert "in use" in said
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert server.returncode == 0
    assert EmbeddedServer.running_url(tmp_path / "var" / "redis") is None


def test_a_group_without_commits_is_said_to_wait(shell):
    shell("produce", "notes", stdin=b"old\n")
    waiting = "Waiting for new records; --from-beginning shows those already there.\n"
    fresh = shell("consume", "notes", "-g", "g", "--timeout", "0.1")
    assert (fresh.stdout, fresh.stderr) == ("", f"{waiting}0 records.\n")
    shell("consume", "notes", "-g", "g", "--from-beginning", "--max", "1")
    assert shell("consume", "notes", "-g", "g", "--timeout", "0.1").stderr == "0 records.\n"


def test_fewer_than_no_consumers_is_asked_wrongly(shell):
    done = shell("shop", "scale", "revenue", "-1")
    assert done.returncode == 2
    assert "greater than or equal to 0" in done.stderr
