"""What several files here ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.operations import lab_views, tasks
from streamlab.broker import Broker
from streamlab.lab.loads.desired import Loads
from tests.people import a_person
from tests.shell import Shell, ShellHere
from tests.workers import GROUP, QUICK, SOON


@pytest.fixture
def worker_of(broker):
    """Starts workers, and stops them."""
    started = []

    def start(topic, handler, **configs):
        worker = broker.worker(topic, group_id=GROUP, handler=handler, **{"retry": QUICK, **SOON, **configs})
        started.append(worker)
        return worker.start()

    yield start
    for worker in started:
        worker.stop(30)


@pytest.fixture
def shell(redis_url: str, tmp_path: Path) -> Iterator[Shell]:
    """Runs commands in a directory of the test's own; those that were left running are ended."""
    running = Shell(redis_url, tmp_path)
    yield running
    running.stop_all()


@pytest.fixture
def shell_here(redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[ShellHere]:
    """As `shell`, but commands run in this process: for those of which only the words are at stake."""
    running = ShellHere(redis_url, tmp_path, capsys)
    yield running
    running.stop_all()


@pytest.fixture
def loads(broker: Broker) -> Loads:
    return Loads(broker.connection)


@pytest.fixture
def operator(client: Client, redis_url: str, settings: Settings) -> Client:
    """Signed in as an Operator; what is confirmed waits for a worker, unless it is carried out `at_once`."""
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.OPERATOR))
    return client


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A confirmed operation runs at once, as a worker would."""
    monkeypatch.setattr(tasks, "send", tasks.run)
    monkeypatch.setattr(lab_views, "WAIT_S", 5.0)


@pytest.fixture
def member_of(broker):
    """Makes members of a group, and closes them. Who is to be missed soon is given a session of its own."""
    made = []
    quick = {
        "auto_offset_reset": "earliest",
        "session_timeout_ms": 20_000,
        "heartbeat_interval_ms": 200,
    }

    def make(topic, group="g", **config):
        made.append(broker.consumer(topic, group_id=group, **(quick | config)))
        return made[-1]

    yield make
    for consumer in made:
        consumer.close(autocommit=False)


@pytest.fixture
def visitor(client: Client, redis_url: str, settings: Settings) -> Client:
    """Signed in, and may look."""
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person())
    return client
