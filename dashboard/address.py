"""Where the pages of this installation are, for commands of another terminal. `up` notes it among its data."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

USUAL = "http://127.0.0.1:8000"


def note(address: str) -> None:
    """Raises OSError."""
    _file().write_text(address)


def known() -> str:
    """Of the newest start; the usual one where nothing was ever started."""
    try:
        return _file().read_text().strip() or USUAL
    except OSError:
        return USUAL


def _file() -> Path:
    return Path(settings.VAR_DIR) / "address"
