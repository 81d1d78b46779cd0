"""`streamlab top` in a real terminal, and for scripts."""

from __future__ import annotations

import json
import os
import signal

import pytest

import streamlab
from tests.builders import a_server, kill_and_restart, numbered, produce
from tests.shell import Shell
from tests.terminal import Terminal
from tests.waiting import until


@pytest.fixture
def orders(broker):
    broker.admin().create_topics({"orders": {"num_partitions": 3}})
    produce(broker, "orders", numbered(100))
    with broker.consumer("orders", group_id="revenue", auto_offset_reset="earliest") as consumer:
        until(lambda: consumer.poll(100, max_records=40))
        consumer.commit()


def test_it_shows_topics_and_groups_and_q_ends_it(redis_url, orders):
    with Terminal(redis_url, "top", "--every", "0.3") as terminal:
        shown = terminal.until("q quits")
        assert "orders" in shown and "revenue" in shown and "LAG" in shown
        assert not terminal.echoes()
        terminal.press("s")
        terminal.until("by rate")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.echoes(), "the terminal is as it was"


def test_ctrl_c_ends_it_as_well(redis_url, orders):
    with Terminal(redis_url, "top") as terminal:
        terminal.until("q quits")
        terminal.press("\x03")
        assert terminal.end() == 0
        assert terminal.echoes()
        assert "Traceback" not in terminal.seen


def test_it_follows_the_size_of_its_window(redis_url, orders):
    with Terminal(redis_url, "top", columns=140) as terminal:
        assert "ASSIGNOR" in terminal.until("q quits")
        terminal.resize(40, 12)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        narrow = terminal.until("q quits")
        assert "TIME-LAG" in narrow and "ASSIGNOR" not in narrow
        terminal.press("q")
        assert terminal.end() == 0


def test_internal_topics_come_with_a_key(redis_url, broker, orders):
    broker.admin().create_topics(["__hidden"])
    with Terminal(redis_url, "top", "--every", "0.3") as terminal:
        assert "__hidden" not in terminal.until("q quits")
        terminal.press("i")
        terminal.until("__hidden")
        terminal.press("q")
        assert terminal.end() == 0


@pytest.mark.faults
def test_while_the_server_is_away_the_last_figures_stay(tmp_path):
    with a_server(tmp_path) as server, streamlab.connect(server.url) as broker:
        broker.admin().create_topics(["orders"])
        with Terminal(server.url, "top", "--every", "0.2") as terminal:
            terminal.until("q quits")
            os.kill(server.pid, signal.SIGKILL)
            assert "orders" in terminal.until("As of")
            kill_and_restart(server)
            terminal.until("q quits")
            terminal.press("q")
            assert terminal.end() == 0


def test_scripts_get_the_same_figures_once(shell, orders):
    found = json.loads(shell("top", "--once", "--json").stdout)
    assert found["source"] == "own"
    [topic] = found["topics"]
    assert (topic["topic"], topic["records"], topic["rate"]) == ("orders", 100, 0.0)
    [group] = found["groups"]
    assert (group["group"], group["lag"]) == ("revenue", 60)


def test_without_a_terminal_it_has_to_be_told_how(shell, orders):
    refused = shell("top")
    assert refused.returncode == 2 and "--once or --json" in refused.stderr
    assert "orders" in shell("top", "--once").stdout
    assert shell("top", "--sort", "size").returncode == 2


def test_without_a_server_it_says_so(tmp_path):
    shell = Shell("redis://127.0.0.1:1/0", tmp_path)
    failed = shell("top", "--once")
    assert failed.returncode == 1 and "cannot be reached" in failed.stderr
