"""`streamlab worker` and `streamlab retries`, as a user runs them: processes of their own."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest
import typer

from streamlab.cli.worker import found, workers_of
from tests.builders import a_topic, numbered, produce
from tests.waiting import until
from tests.workers import GROUP, committed, settled, waiting

PROGRAM = """
import pathlib, threading, time
import streamlab
from streamlab import RetryPolicy

broker = streamlab.connect()
here = pathlib.Path(__file__).parent

@broker.handler({topic!r}, group_id="accounts", drain_timeout_ms={drain_ms}, auto_commit_interval_ms=50,
                session_timeout_ms=2_000, heartbeat_interval_ms=300,
                retry=RetryPolicy(base_ms={base_ms}, jitter="none"))
def book(record, context):
    (here / f"begun-{{record.value.decode()}}-{{context.attempt}}").touch()
    {body}
    (here / f"done-{{record.value.decode()}}-{{context.attempt}}").touch()

plain = len
several = [broker.worker({topic!r}, group_id="others", handler=book)]
nothing = streamlab.connect()
"""


def a_program(shell, topic, body="pass", base_ms=50, drain_ms=30_000) -> Path:
    source = PROGRAM.format(topic=topic, body=body, base_ms=base_ms, drain_ms=drain_ms)
    (shell.directory / "shop.py").write_text(source)
    return shell.directory


def names(directory: Path, what: str) -> set[str]:
    return {path.name.removeprefix(f"{what}-") for path in directory.glob(f"{what}-*")}


def test_handlers_of_a_program_are_run_until_it_is_told_to_stop(shell, broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(20))
    here = a_program(
        shell, topic, "if record.value == b'3' and context.attempt == 1: raise ValueError('not yet')"
    )
    process = shell.start("worker", "shop:broker")
    until(lambda: settled(broker, topic, 20))
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"Group accounts handles {topic}" in told and "Stopped" in told
    assert names(here, "done") == {f"{n}-1" for n in range(20) if n != 3} | {"3-2"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_hand_is_finished_and_committed_and_nothing_else_is_begun(shell, broker, number):
    topic = a_topic(broker)
    produce(broker, topic, numbered(30))
    here = a_program(shell, topic, "time.sleep(1)")
    process = shell.start("worker", "shop:broker")
    until(lambda: names(here, "begun"))
    process.send_signal(number)
    assert process.wait(60) == 0
    assert names(here, "begun") == names(here, "done")
    assert committed(broker, topic) == len(names(here, "done")) < 10  # the signal may be late


def test_a_second_signal_ends_it_at_once_and_the_record_comes_again(shell, broker):
    topic = a_topic(broker)
    produce(broker, topic, [b"0"])
    here = a_program(shell, topic, "time.sleep(600 if not (here / 'again').exists() else 0)")
    process = shell.start("worker", "shop:broker")
    until(lambda: names(here, "begun") == {"0-1"})
    process.send_signal(signal.SIGTERM)
    until(lambda: _ignores_nothing(process, signal.SIGTERM))
    assert process.wait(60) == -signal.SIGTERM
    assert committed(broker, topic) == 0
    (here / "again").touch()
    shell.start("worker", "shop:broker")
    until(lambda: settled(broker, topic, 1), 90)
    assert names(here, "done") == {"0-1"}


def _ignores_nothing(process, number) -> bool:
    """Send it again until the process has ended: when the first one was taken in nobody can see from outside."""
    process.send_signal(number)
    return process.poll() is not None


def test_a_wrong_path_is_answered_with_a_sentence_and_exit_code_2(shell):
    asked = shell("worker", "nowhere:broker")
    assert asked.returncode == 2
    assert "There is no module 'nowhere'" in asked.stderr and "Traceback" not in asked.stderr


@pytest.mark.parametrize(
    "target, says",
    [
        ("shop:worker", "There is no 'worker' in shop. It has: broker, nothing, several."),
        ("shop.py", "write it as a module: shop:broker"),
        ("shop:", "Write MODULE:NAME"),
        ("shop:plain", "is neither a broker nor a worker"),
        ("shop:nothing", "This broker has no handlers"),
        ("shop", "holds 2 brokers"),
        ("broken:broker", "broken cannot be imported: ZeroDivisionError"),
        ("lacking:broker", "lacking needs a module that is not there: no_such_module"),
    ],
)
def test_every_mistake_has_its_sentence(shell, redis_url, monkeypatch, target, says):
    a_program(shell, "t")
    (shell.directory / "broken.py").write_text("1 / 0")
    (shell.directory / "lacking.py").write_text("import no_such_module")
    monkeypatch.setenv("STREAMLAB_URL", redis_url)
    monkeypatch.chdir(shell.directory)
    monkeypatch.setattr(sys, "path", [str(shell.directory), *sys.path])
    with pytest.raises(typer.BadParameter, match=re.escape(says)):
        workers_of(found(target))
    for name in ("shop", "broken", "lacking"):
        sys.modules.pop(name, None)


def test_retries_are_counted_and_listed(shell, broker):
    topic = a_topic(broker, 2)
    for partition in range(2):
        produce(broker, topic, numbered(3, start=partition * 3), partition=partition, key=b"k")
    a_program(shell, topic, "raise ValueError(f'no {record.value.decode()}')", base_ms=3_600_000)
    process = shell.start("worker", "shop:broker")
    until(lambda: waiting(broker, topic).retrying == 6)
    process.terminate()
    assert process.wait(60) == 0

    counted = [json.loads(line) for line in shell("retries", "--json").stdout.splitlines()]
    assert [(row["group"], row["partition"], row["retrying"]) for row in counted] == [
        (GROUP, 0, 3),
        (GROUP, 1, 3),
    ]
    found = [
        json.loads(line) for line in shell("retries", "list", "--topic", topic, "--json").stdout.splitlines()
    ]
    assert {row["offset"] for row in found} == {0, 1, 2}
    assert {(row["key"], row["state"]) for row in found} == {("k", "waiting")}
    assert {row["attempts"][0]["error_message"] for row in found} == {f"no {n}" for n in range(6)}
    shown = shell("retries", "list", "--group", GROUP, "--max", "2")
    assert "ValueError: no" in shown.stdout and "4 more" in shown.stderr
    assert "has never read" in shell("retries", "--group", "nobody").stderr
