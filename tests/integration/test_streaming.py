"""Answers that are sent piece by piece under ASGI: whole, and without Django's warning, which is an error in tests."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from dashboard.access.roles import Role
from dashboard.audit.models import Entry
from dashboard.streaming import BLOCK_BYTES
from tests.people import a_person
from tests.streamlab_up import ROOT

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True)]


async def parts_of(response) -> list[bytes]:
    assert response.status_code == 200
    return [part async for part in response]


async def test_an_export_is_streamed_in_blocks(async_client: AsyncClient) -> None:
    await sync_to_async(async_client.force_login)(await sync_to_async(a_person)(Role.OPERATOR))
    entries = [Entry(action="token.created", who="ann", subject=f"no. {n} " + "x" * 200) for n in range(600)]
    await Entry.objects.abulk_create(entries)
    parts = await parts_of(await async_client.get("/audit/export.jsonl?q=token.created"))
    assert b"".join(parts).count(b"\n") == 600
    assert len(parts) > 1 and all(len(part) < 2 * BLOCK_BYTES for part in parts)


@pytest.mark.parametrize("name", ["js/main.js", "vendor/plotly/plotly-cartesian.min.js"])
async def test_a_static_file_is_sent_whole(async_client: AsyncClient, name: str) -> None:
    parts = await parts_of(await async_client.get(f"/static/{name}"))
    assert b"".join(parts) == (ROOT / "static" / name).read_bytes()


async def test_a_part_of_a_static_file_is_sent_when_it_is_asked_for(async_client: AsyncClient) -> None:
    response = await async_client.get("/static/js/main.js", headers={"Range": "bytes=3-9"})
    assert response.status_code == 206
    assert b"".join([part async for part in response]) == (ROOT / "static/js/main.js").read_bytes()[3:10]
