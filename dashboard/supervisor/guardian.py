"""The last one to leave: ends every part when the supervisor is gone, however it went.

A small process of its own, run as a script without site packages. It reads lines from the supervisor:
`+123` means that process group 123 is a part, `-123` that it has ended. When the pipe closes, which not even
`kill -9` can prevent, what is still listed gets SIGTERM, and SIGKILL after five seconds. A group holds the
part's own children too.
"""

from __future__ import annotations

import os
import signal
import sys
import time

MERCY_S = 5.0


def read_groups(stream) -> set[int]:  # type: ignore[no-untyped-def]
    """The groups that are left when the stream ends."""
    groups: set[int] = set()
    for line in stream:
        number = int(line[1:])
        (groups.add if line.startswith("+") else groups.discard)(number)
    return groups


def signal_group(group: int, signum: int) -> bool:
    """Whether there was anybody to signal."""
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(groups: set[int]) -> None:
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + MERCY_S
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if signal_group(group, 0)}
    for group in left:
        signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # only the end of the supervisor ends the guardian
    end(read_groups(sys.stdin))
