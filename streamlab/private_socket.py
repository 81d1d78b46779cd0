"""Where a server's Unix socket goes: a path that every program can write and the system can hold."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_LONGEST = 100  # the system's limit is 104 to 108 bytes with the end mark
_PLAIN = re.compile(r"[\w/.+-]+", re.ASCII)  # needs no quoting in anybody's dialect of a URL
_NAME = "redis.sock"
_PREFIX = "streamlab-"


def socket_path(directory: Path) -> Path:
    """In the directory itself, or, where that path is too long for a socket, in a private temporary one.

    >>> str(socket_path(Path("/home/me/lab")))
    '/home/me/lab/redis.sock'
    """
    path = directory / _NAME
    if len(os.fsencode(path)) <= _LONGEST and _PLAIN.fullmatch(str(path)):
        return path
    root = tempfile.gettempdir()
    if len(root) > _LONGEST // 2 or not _PLAIN.fullmatch(root):
        root = "/tmp"  # noqa: S108 - mkdtemp makes a directory in it that is ours alone
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root)) / _NAME


def remove_temporary(path: Path) -> None:
    """Remove the temporary directory around a socket; a socket that is anywhere else stays."""
    if path.parent.name.startswith(_PREFIX) and path.name == _NAME:
        shutil.rmtree(path.parent, ignore_errors=True)
