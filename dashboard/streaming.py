"""Answers that are sent piece by piece, without holding up the event loop and without being gathered first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

BLOCK_BYTES = 65_536


def body(request: HttpRequest, parts: Iterable[bytes]) -> Iterator[bytes] | AsyncIterator[bytes]:
    """What a StreamingHttpResponse to this request is to be given: ASGI waits for each block, WSGI takes it."""
    blocks = _blocks(iter(parts))
    return _awaited(blocks) if isinstance(request, ASGIRequest) else blocks


async def _awaited(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each block is made in the request's own thread, where its database connection is."""
    following = sync_to_async(lambda: next(blocks, b""))
    while block := await following():
        yield block


def _blocks(parts: Iterator[bytes]) -> Iterator[bytes]:
    """
    >>> [len(block) for block in _blocks(iter([b"x" * 50_000] * 3))]
    [100000, 50000]
    """
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= BLOCK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if size:
        yield b"".join(waiting)
