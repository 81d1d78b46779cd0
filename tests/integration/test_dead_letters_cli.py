"""`streamlab dead-letters`, as a user runs it."""

from __future__ import annotations

import base64
import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from streamlab.broker import Broker
from streamlab.cli import main
from streamlab.delivery.dead_letter import Cause
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.replay_jobs import ReplayJobs
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.notes import Note
from streamlab.lab.experiments.plan import Plan
from tests.builders import a_topic
from tests.dead_letter_builders import (
    DIED_MS,
    GROUP,
    a_letter,
    a_record,
    an_error,
    bury,
    dead_orders,
    records_of_topic,
)
from tests.shell import Shell
from tests.waiting import until


@pytest.fixture
def shell(shell_here: Shell) -> Shell:
    return shell_here


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_overview_counts_by_state(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=7, partitions=2)
    [told] = lines(shell("dead-letters", "--json").stdout)
    assert told == {
        "dead_letter_topic": letters.dlq,
        "topic": letters.topic,
        "group": GROUP,
        "dead": 7,
        "replaying": 0,
        "recovered": 0,
        "failed_again": 0,
        "discarded": 0,
    }
    assert letters.dlq in shell("dead-letters").stdout


def test_a_list_says_how_far_it_looked_and_how_to_go_on(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=30, partitions=2)
    first = shell("dead-letters", "list", letters.topic, "--group", GROUP, "--max", "10", "--json")
    assert "10 letters; scanned 10 of 30." in first.stderr
    cursor = first.stderr.partition("--cursor ")[2].strip().strip("'")
    rest = shell("dead-letters", "list", letters.dlq, "--max", "50", "--json", "--cursor", cursor)
    assert "20 letters; scanned 30 of 30." in rest.stderr
    seen = [told["letter"] for told in lines(first.stdout) + lines(rest.stdout)]
    assert len(set(seen)) == 30


def test_filters_are_typed_as_they_are_shown(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=6, partitions=1, errors=[an_error(), an_error("'x'", KeyError)])
    found = lines(shell("dead-letters", "list", letters.dlq, "--error", "KeyError", "--json").stdout)
    assert {told["error"]["class"] for told in found} == {"KeyError"} and len(found) == 3
    none = shell("dead-letters", "list", letters.dlq, "--state", "discarded", "--json")
    assert none.stdout == "" and none.returncode == 0
    wrong = shell("dead-letters", "list", letters.dlq, "--state", "gone")
    assert wrong.returncode == 2 and "--state takes dead, replaying" in wrong.stderr
    missing = shell("dead-letters", "list", "nothing.dlq")
    assert missing.returncode == 1 and "is no topic of dead letters" in missing.stderr


def test_every_filter_of_a_replay_can_be_typed(
    broker: Broker, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    topic = a_topic(broker, partitions=3)
    bury(
        broker,
        [
            a_letter(a_record(topic=topic, offset=0, partition=0, key=b"A"), error=an_error("x", KeyError)),
            a_letter(a_record(topic=topic, offset=0, partition=1, value=b"needle"), died_ms=DIED_MS + 90_000),
            a_letter(a_record(topic=topic, offset=0, partition=2), cause=Cause.SCHEMA, schema_version=7),
        ],
    )
    letters = DeadLetters(broker.connection, topic, GROUP)
    first = letters.get((0, 0))
    assert first is not None

    def planned(*options: str) -> set[str]:
        """Where the letters would go: the partitions of the topic."""
        with pytest.raises(SystemExit) as ended:
            main(["dead-letters", "replay", letters.dlq, *options, "--json"])
        assert ended.value.code in (0, None)
        return {place.rpartition("/")[2] for place in json.loads(capsys.readouterr().out)["destinations"]}

    assert planned() == {"0", "1", "2"}
    assert planned("--error", "KeyError") == {"0"}
    assert planned("--fingerprint", first.letter.fingerprint) == {"0"}
    assert planned("--since", "2023-11-14T22:14:00Z") == {"1"}
    assert planned("--until", "2023-11-14T22:14:00Z") == {"0", "2"}
    assert planned("--key", "A") == {"0"}
    assert planned("-p", "1", "-p", "2") == {"1", "2"}
    assert planned("--schema-version", "7") == {"2"}
    assert planned("--cause", "schema") == {"2"}
    assert planned("--text", "needle") == {"1"}
    assert planned("--letter", "1@0") == {"1"}
    assert planned("--error", "KeyError", "--cause", "schema") == set()


def test_one_letter_is_shown_with_everything_and_cannot_upset_a_terminal(
    shell: Shell, broker: Broker
) -> None:
    topic = a_topic(broker)
    bury(
        broker,
        [
            a_letter(
                a_record(topic=topic, partition=0, value=b"\x1b[31mred\x07", key=b"\xff"),
                error=an_error("\x1b[2J"),
            )
        ],
    )
    shown = shell("dead-letters", "show", topic, "0@0", "--group", GROUP)
    assert shown.returncode == 0 and "\x1b" not in shown.stdout and "\x07" not in shown.stdout
    for part in (
        "OutOfStock",
        "attempts",
        "traceback",
        "worker-1",
        "exhausted",
        "536365-1",
        "state        dead",
    ):
        assert part in shown.stdout
    gone = shell("dead-letters", "show", topic, "0@99", "--group", GROUP)
    assert gone.returncode == 1 and "no letter 0@99" in gone.stderr


def test_failures_are_grouped(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=9, partitions=2)
    done = shell("dead-letters", "groups", letters.dlq, "--json")
    assert done.returncode == 0, done.stderr
    [group] = lines(done.stdout)
    assert (group["count"], group["states"]) == (9, {"dead": 9})
    assert "no stock for order" in shell("dead-letters", "groups", letters.dlq).stdout


def test_an_export_keeps_every_byte(shell: Shell, broker: Broker, tmp_path: Path) -> None:
    topic = a_topic(broker)
    record = a_record(
        topic=topic, partition=0, value=b"\x80\xff", key=None, _headers=[("h", None), ("h", b"\xfe")]
    )
    bury(broker, [a_letter(record)])
    done = shell("dead-letters", "export", f"{topic}.{GROUP}.dlq", "--output", "out.jsonl")
    assert "1 letter exported" in done.stderr
    [told] = lines((tmp_path / "out.jsonl").read_text())
    assert base64.b64decode(told["record"]["value_base64"]) == b"\x80\xff"
    assert told["record"]["key"] is None
    assert told["record"]["headers"] == [
        {"name": "h", "value": None},
        {"name": "h", "value_base64": base64.b64encode(b"\xfe").decode()},
    ]
    assert [a["attempt"] for a in told["attempts"]] == [1, 2]


def test_discarding_is_a_dry_run_unless_told_otherwise(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=4, partitions=1)
    nameless = shell("dead-letters", "discard", letters.dlq, "--execute")
    assert nameless.returncode == 2 and "--reason" in nameless.stderr
    dry = shell("dead-letters", "discard", letters.dlq, "--letter", "0@1", "--reason", "test")
    assert "1 letter would be discarded" in dry.stdout and letters.counts().discarded == 0
    done = shell("dead-letters", "discard", letters.dlq, "--letter", "0@1", "--reason", "test", "--execute")
    assert "1 letter was discarded" in done.stdout and letters.counts().discarded == 1
    back = shell("dead-letters", "restore", letters.dlq, "--execute", "--json")
    assert lines(back.stdout) == [{"restored": 1, "executed": True, "filter": "all"}]


def test_a_replay_shows_what_would_happen_and_then_does_it(
    shell: Shell, broker: Broker, tmp_path: Path
) -> None:
    letters = dead_orders(broker, count=20, partitions=2)
    other = a_topic(broker)
    (tmp_path / "value.json").write_bytes(b'{"quantity": 1}')
    asked = ("dead-letters", "replay", letters.dlq, "--to", other, "--edit", "value.json", "--set", "by=ann")
    dry = shell(*asked)
    assert dry.returncode == 0 and f"20 letters would be replayed to topic {other}" in dry.stdout
    assert '{"quantity": 1}' in dry.stdout and records_of_topic(broker, other) == []
    done = shell(*asked, "--execute")
    assert done.returncode == 0 and "is done: 20 of 20 replayed" in done.stdout
    records = records_of_topic(broker, other)
    assert {(r.value, r.header("by")) for r in records} == {(b'{"quantity": 1}', b"ann")} and len(
        records
    ) == 20
    nothing = shell(*asked, "--execute")
    assert nothing.returncode == 0 and "nothing to replay" in nothing.stderr


def test_a_replay_into_what_an_experiment_measures_waits_unless_forced(shell: Shell, broker: Broker) -> None:
    letters, measured = dead_orders(broker, count=2), a_topic(broker)
    plan = Plan(entity="client:a", setting="linger_ms", values=[0, 50], topic=measured)
    note = Note(id="1a-b", plan=plan, had=False, started_ms=broker.connection.server_time_ms())
    notes.open_note(broker.connection, note)
    asked = ("dead-letters", "replay", letters.dlq, "--to", measured, "--execute")
    refused = shell(*asked)
    assert refused.returncode == 1 and f"An experiment measures {measured}" in refused.stderr
    assert records_of_topic(broker, measured) == []
    assert shell(*asked, "--force").returncode == 0
    assert len(records_of_topic(broker, measured)) == 2


def test_an_edit_that_is_no_file_is_named(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=1)
    refused = shell("dead-letters", "replay", letters.dlq, "--edit", "nowhere.json")
    assert refused.returncode == 2 and "nowhere.json cannot be read: No such file" in refused.stderr


def test_ctrl_c_pauses_and_resume_goes_on(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=120, partitions=2)
    running = shell.start("dead-letters", "replay", letters.dlq, "--rate", "40", "--execute")
    jobs = ReplayJobs(broker.connection)
    until(lambda: (found := jobs.all()) and found[0].counts.sent > 5, 60)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    [job] = jobs.all()
    assert running.returncode == 130 and f"resume {job.id} goes on" in said
    assert str(job.state) == "paused" and 0 < job.counts.sent < 120
    assert "paused" in shell("dead-letters", "jobs").stdout
    done = shell("dead-letters", "resume", job.id, "--json")
    [told] = lines(done.stdout)
    assert done.returncode == 0 and (told["state"], told["sent"]) == ("done", 120)
    again = shell("dead-letters", "resume", job.id)
    assert again.returncode == 1 and "nothing left to do" in again.stderr


def test_a_stored_replay_can_be_cancelled(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=3, partitions=1)
    [stored] = lines(shell("dead-letters", "replay", letters.dlq, "--execute", "--detach", "--json").stdout)
    assert stored["state"] == "draft"
    cancelled = shell("dead-letters", "cancel", stored["id"])
    assert cancelled.returncode == 0 and "is cancelled" in cancelled.stdout
    assert DeadLetters(broker.connection, letters.topic, GROUP).counts().dead == 3


def test_a_cancelled_replay_names_the_command_that_replays_what_is_left(shell: Shell, broker: Broker) -> None:
    letters = dead_orders(broker, count=3, partitions=1)
    asked = ("dead-letters", "replay", letters.dlq, "--rate", "40", "--partition", "0", "--set", "why=a look")
    [stored] = lines(shell(*asked, "--execute", "--detach", "--json").stdout)
    shell("dead-letters", "cancel", stored["id"])
    refused = shell("dead-letters", "resume", stored["id"])
    assert refused.returncode == 1 and "letters to group" not in refused.stderr
    said, command = refused.stderr.strip().split("by a new one: streamlab ")
    assert f"Replay {stored['id']} was cancelled with 3 letters left." in said
    assert "--set 'why=a look'" in command
    assert "3 letters would be replayed to group" in shell(*shlex.split(command)).stdout
