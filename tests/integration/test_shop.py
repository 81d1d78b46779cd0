"""`streamlab shop` with its real processes: it opens, lives, can be scaled, and leaves nothing behind."""

import json
import os
import signal

import pytest

from streamlab.cloudevents import from_record
from streamlab.embedded import EmbeddedServer
from tests.shell import Shell
from tests.waiting import until


def status(shell):
    done = shell("shop", "status", "--json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def children(shell) -> dict[str, int]:
    found = status(shell)
    return {child["name"]: child["pid"] for child in found["processes"] if child["pid"]} if found else {}


def groups(shell):
    return {group["group"]: group for group in map(json.loads, shell("groups", "--json").stdout.splitlines())}


def topics(shell):
    return {topic["topic"]: topic for topic in map(json.loads, shell("topics", "--json").stdout.splitlines())}


def members(shell):
    return {name: group["members"] for name, group in groups(shell).items()}


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


ALL_MEMBERS = {"revenue": 2, "inventory": 1, "notifications": 1, "invoicing": 1}


def test_the_shop_opens_lives_is_scaled_and_closes_without_a_trace(shell, broker):
    shop = shell.start("shop", "--rate", "200")
    until(lambda: members(shell) == ALL_MEMBERS, 60, "every consumer has joined")
    until(lambda: topics(shell)["orders"]["records"] > 100, 60, "orders are placed")
    until(lambda: topics(shell)["payments"]["records"] > 10, 60, "orders are paid")
    assert topics(shell).keys() >= {"orders", "payments", "shipments"}
    until(lambda: broker.connection.client.hgetall("sl:shop:revenue"), 60, "revenue is added up")

    consumer = broker.consumer("orders", group_id=None, auto_offset_reset="earliest")
    polled = until(lambda: consumer.poll(timeout_ms=500, max_records=50))
    consumer.close()
    for record in [record for some in polled.values() for record in some]:
        event = from_record(record.headers, record.value)
        assert event.source == "/streamlab/simulated-shop"
        assert json.loads(event.data)["customer"] == record.key.decode()

    assert shell("shop", "scale", "notifications", "0").returncode == 0
    until(lambda: members(shell)["notifications"] == 0, 60, "the consumer has left")
    before = groups(shell)["notifications"]["lag"]
    until(lambda: groups(shell)["notifications"]["lag"] > before + 20, 60, "lag rises with nobody there")
    shell("shop", "scale", "notifications", "2")
    until(lambda: members(shell)["notifications"] == 2, 60, "two consumers have joined")

    expected = {"storefront", "revenue-1", "revenue-2", "inventory-1", "invoicing-1"}
    expected |= {"notifications-1", "notifications-2"}
    until(lambda: children(shell).keys() == expected, 60, "the status says what runs")
    processes = children(shell)
    shop.send_signal(signal.SIGTERM)
    shop.communicate(timeout=30)
    assert shop.returncode == 0
    assert not any(runs(pid) for pid in processes.values())
    assert set(members(shell).values()) == {0}
    assert groups(shell)["revenue"]["lag"] < 200, "what was handled was committed"


def test_a_member_that_is_killed_comes_back(shell):
    shell.start("shop", "--rate", "50")
    until(lambda: members(shell) == ALL_MEMBERS, 60)
    victim = children(shell)["inventory-1"]
    os.kill(victim, signal.SIGKILL)
    until(lambda: children(shell).get("inventory-1") not in (None, victim), 60)
    until(lambda: members(shell)["inventory"] >= 1, 60)


def test_a_shop_that_is_killed_takes_its_children_with_it(shell):
    shop = shell.start("shop", "--rate", "50")
    processes = until(lambda: len(children(shell)) == 6 and children(shell), 60)
    shop.kill()
    shop.wait()
    until(lambda: not any(runs(pid) for pid in processes.values()), 60)


@pytest.mark.faults
def test_the_shop_goes_on_after_the_server_was_killed(tmp_path):
    server = EmbeddedServer(tmp_path / "redis")
    shell = Shell(server.start(), tmp_path)
    try:
        shop = shell.start("shop", "--rate", "100")
        until(lambda: members(shell) == ALL_MEMBERS, 60)
        until(lambda: topics(shell)["orders"]["records"] > 50, 60)
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: server.poll() is not None)
        server.stop()
        server.start()
        before = topics(shell)["orders"]["records"]
        until(lambda: topics(shell)["orders"]["records"] > before + 100, 40, "orders are placed again")
        until(lambda: members(shell) == ALL_MEMBERS, 40, "everybody is back")
        until(lambda: groups(shell)["revenue"]["lag"] < 100, 40, "revenue has caught up")
        assert shop.poll() is None
    finally:
        shell.stop_all()
        server.stop()
