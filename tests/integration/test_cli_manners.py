"""How every verb behaves when it is asked wrongly, its server is away, nobody reads it, or it is interrupted."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from streamlab.cli import main
from streamlab.cli.app import app
from tests.builders import numbered, produce
from tests.dead_letter_builders import a_letter, a_record, bury
from tests.shell import REPOSITORY, Shell
from tests.waiting import until

READING = [
    ["topics"],
    ["topics", "--json"],
    ["topics", "describe", "orders"],
    ["topics", "add-partitions", "orders", "9"],
    ["topics", "delete-records", "orders", "--all"],
    ["groups"],
    ["groups", "describe", "revenue"],
    ["streams"],
    ["doctor"],
    ["top", "--once"],
    ["top", "--once", "--json"],
    ["consume", "orders", "--from-beginning"],
]
WRITING = [
    ["topics", "create", "new"],
    ["topics", "configure", "orders", "retention.ms=1"],
    ["topics", "delete", "orders", "--yes"],
    ["produce", "orders"],
]
WRONG = [
    ["topics", "create"],
    ["topics", "create", "new", "--partitions", "0"],
    ["topics", "create", "new", "--partitions", "many"],
    ["topics", "create", "new", "-c", "retention.ms"],
    ["topics", "configure", "orders"],
    ["topics", "configure", "orders", "retention.ms"],
    ["topics", "add-partitions", "orders"],
    ["topics", "add-partitions", "orders", "-1"],
    ["topics", "delete-records", "orders"],
    ["topics", "delete-records", "orders", "--all", "--before", "3"],
    ["topics", "delete-records", "orders", "--older-than", "a week"],
    ["topics", "delete-records", "orders", "--before-time", "yesterday"],
    ["topics", "nonsense"],
    ["top", "--every", "0"],
    ["top", "--once", "--sort", "size"],
    ["consume", "orders", "--max", "0"],
    ["produce", "orders", "--key", "a", "--key-separator", ":"],
    ["nonsense"],
    ["--nonsense"],
]
REFUSED = {
    "There is no topic 'nope'": ["topics", "describe", "nope"],
    "There is no topic 'nope'.": ["topics", "add-partitions", "nope", "3"],
    "exists already": ["topics", "create", "orders"],
    "never shrink": ["topics", "add-partitions", "orders", "2"],
    "There is no partition orders/7": ["topics", "delete-records", "orders", "--all", "--partition", "7"],
    "There is no group 'nope'": ["groups", "describe", "nope"],
}

NEVER_RIGHT = {
    "Did you mean 'retention.ms'?": ["topics", "configure", "orders", "retention.mss=1"],
    "must be between": ["topics", "configure", "orders", "retention.ms=-5"],
    "must be one of": ["topics", "create", "new", "-c", "cleanup.policy=shrink"],
    "is not a topic name": ["topics", "create", "a/b"],
    "A rate is more than 0": ["dead-letters", "replay", "orders.revenue.dlq", "--rate", "0"],
    "The guard takes 0 to 100 percent": ["dead-letters", "replay", "orders.revenue.dlq", "--guard", "101"],
    "a sample of at least 1": ["dead-letters", "replay", "orders.revenue.dlq", "--guard-sample", "0"],
    "not replayed into their own": [
        *["dead-letters", "replay", "orders.revenue.dlq", "--to", "orders.revenue.dlq"]
    ],
    "is not a cursor": ["dead-letters", "list", "orders.revenue.dlq", "--cursor", "here"],
}


def name(arguments):
    return " ".join(arguments)


@pytest.fixture
def orders(broker):
    broker.admin().create_topics({"orders": {"num_partitions": 3}})
    produce(broker, "orders", numbered(50))


@pytest.fixture
def ask(monkeypatch, capsys):
    """Runs a command in this process, which is quicker than in one of its own."""

    def asked(url, *arguments):
        monkeypatch.setenv("STREAMLAB_URL", url)
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code, said.out, said.err)

    return asked


def one_sentence(done):
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()


@pytest.mark.parametrize("arguments", WRONG, ids=name)
def test_who_asks_wrongly_is_told_how_to_ask(ask, redis_url, orders, arguments):
    done = ask(redis_url, *arguments)
    assert done.returncode == 2
    assert one_sentence(done)[-1].startswith("Error: ") and "Usage: " in done.stderr


@pytest.mark.parametrize(("says", "arguments"), REFUSED.items(), ids=[name(a) for a in REFUSED.values()])
def test_what_cannot_be_done_is_one_sentence(ask, redis_url, orders, says, arguments):
    done = ask(redis_url, *arguments)
    [line] = one_sentence(done)
    assert done.returncode == 1 and says in line


@pytest.mark.parametrize(
    ("says", "arguments"), NEVER_RIGHT.items(), ids=[name(a) for a in NEVER_RIGHT.values()]
)
def test_a_value_that_can_never_be_right_is_one_sentence_and_the_exit_code_of_wrong_words(
    ask, redis_url, broker, orders, says, arguments
):
    bury(broker, [a_letter(a_record(topic="orders", partition=0))])
    done = ask(redis_url, *arguments)
    [line] = one_sentence(done)
    assert done.returncode == 2 and says in line


@pytest.mark.parametrize("arguments", READING + WRITING, ids=name)
def test_without_its_server_each_says_so_in_one_sentence(ask, monkeypatch, arguments):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\n")))
    done = ask("redis://127.0.0.1:1/0", *arguments)
    [line] = one_sentence(done)
    assert done.returncode == 1
    assert "cannot be reached" in line and "$STREAMLAB_URL" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["topics"],
        ["topics", "--json"],
        ["top", "--once"],
        ["consume", "orders", "--from-beginning"],
        ["--help"],
        ["topics", "create", "--help"],
    ],
    ids=name,
)
def test_nobody_complains_when_the_reader_has_gone(redis_url, orders, broker, tmp_path, arguments):
    with broker.consumer("orders", group_id="revenue") as consumer:
        consumer.poll(0)
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "streamlab", *arguments],
            stdout=theirs,
            stderr=subprocess.PIPE,
            env=os.environ | {"STREAMLAB_URL": redis_url, "PYTHONPATH": str(REPOSITORY)},
            cwd=tmp_path,
            timeout=60,
        )
    finally:
        os.close(theirs)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr and b"Broken pipe" not in done.stderr


def test_a_reader_that_leaves_while_nothing_comes_ends_consume(redis_url, orders, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlab", "consume", "orders", "--from-beginning"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"STREAMLAB_URL": redis_url, "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 0


@pytest.mark.parametrize(
    "arguments", [["topics"], ["topics", "add-partitions", "a", "3"], ["top", "--once"]], ids=name
)
def test_ctrl_c_in_the_middle_of_work_is_130(tmp_path, arguments):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        shell = Shell(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", tmp_path)
        process = shell.start(*arguments)
        silent.settimeout(30)
        taken, _ = silent.accept()
        with taken:
            process.send_signal(signal.SIGINT)
            said, complained = process.communicate(timeout=30)
        assert process.returncode == 130, complained
        assert (said, "Traceback" in complained) == ("", False)


def test_a_full_disk_is_a_failure(redis_url, orders):
    with Path("/dev/full").open("w") as disk:
        done = subprocess.run(
            [sys.executable, "-m", "streamlab", "topics"],
            stdout=disk,
            stderr=subprocess.PIPE,
            env=os.environ | {"STREAMLAB_URL": redis_url, "PYTHONPATH": str(REPOSITORY)},
        )
    assert done.returncode == 1 and b"No space left" in done.stderr


def test_the_shell_completes_topics_groups_and_settings(redis_url, orders, broker):
    with broker.consumer("orders", group_id="revenue") as consumer:
        until(lambda: consumer.poll(10) is not None and consumer.assignment(), 30)

    def offered(line, url=redis_url):
        words = line.split(" ")
        done = subprocess.run(
            [sys.executable, "-m", "streamlab"],
            env=os.environ
            | {
                "STREAMLAB_URL": url,
                "PYTHONPATH": str(REPOSITORY),
                "_STREAMLAB_COMPLETE": "complete_bash",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(words) - 1),
            },
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        return done.stdout.split()

    assert offered("streamlab topics describe o") == ["orders"]
    assert offered("streamlab groups describe ") == ["revenue"]
    assert offered("streamlab topics configure orders retention.m") == ["retention.ms="]
    assert "topics" in offered("streamlab to")
    assert offered("streamlab topics describe ", url="redis://127.0.0.1:1") == []


def test_every_command_that_prints_has_json():
    def without(group, path):
        for command in group.commands.values():
            where = f"{path} {command.name}"
            if hasattr(command, "commands"):
                yield from without(command, where)
            elif not any("--json" in parameter.opts for parameter in command.params):
                yield where

    # these run until they are stopped and print only where they listen, or print JSON anyway
    assert set(without(typer.main.get_command(app), "streamlab")) <= {
        "streamlab server",
        "streamlab lab run",
        "streamlab lab export",
        "streamlab sampler",
        "streamlab worker",
        "streamlab shop",
        "streamlab dead-letters export",
    }
