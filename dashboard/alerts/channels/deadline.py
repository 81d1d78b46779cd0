"""An end to a conversation, however it goes on.

A socket's own timeout is one of each read: who sends a byte now and then would hold us for ever.
"""

from __future__ import annotations

import socket
import threading


class Deadline:
    """Ends what is said over a line after some seconds, TLS or not; `cancel` it when all is said."""

    def __init__(self, line: socket.socket, seconds: float):
        line.settimeout(seconds)
        self._line = line.dup()  # wrapping it in TLS takes the socket away from `line`
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        try:
            self._line.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side ended it, or all was said

    def cancel(self) -> None:
        self._timer.cancel()
        self._line.close()

    def __enter__(self) -> Deadline:
        return self

    def __exit__(self, *how: object) -> None:
        self.cancel()
