"""Operations as a person asks for them, step by step; and as a worker carries them out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client

from dashboard.operations import tasks
from dashboard.operations.models import Operation, State
from streamlab.broker import Broker
from streamlab.model import TopicPartition


def committed(broker: Broker, group: str, topic: str) -> int:
    return broker.admin().list_group_offsets(group)[group][TopicPartition(topic, 0)].offset


def ask(client: Client, kind: str, **fields: object) -> Operation:
    response = client.post(f"/operations/new/{kind}/", fields)
    assert response.status_code == 302, response.content.decode()
    return Operation.objects.get(pk=int(response.headers["Location"].strip("/").split("/")[-1]))


def step(client: Client, operation: Operation, name: str, **fields: str) -> Operation:
    assert client.post(f"/operations/{operation.pk}/{name}/", fields).status_code == 302
    operation.refresh_from_db()
    return operation


def carry_out(client: Client, operation: Operation, **fields: str) -> Operation:
    """Confirm it, and do what a worker does with it."""
    step(client, operation, "confirm", **fields)
    assert operation.state == State.QUEUED
    tasks.run(operation.pk)
    operation.refresh_from_db()
    return operation


def in_a_thread(work: Callable[..., Any], *args: Any) -> None:
    """For work that must go on while the test polls; a thread has a database connection of its own."""
    try:
        work(*args)
    finally:
        connection.close()


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()
