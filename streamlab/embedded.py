"""The server inside (being written)."""

from __future__ import annotations

from pathlib import Path


class EmbeddedServer:
    @staticmethod
    def running_url(directory: Path) -> str | None:
        return None


def url_of_running_or_start() -> str:
    raise NotImplementedError
