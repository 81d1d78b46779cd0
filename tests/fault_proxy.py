"""A TCP proxy in front of a unix socket that can lose replies or cut the line, on loopback only."""

from __future__ import annotations

import socket
import threading


class FaultProxy:
    """`url` leads to the server at `path`. `drop_replies` swallows what the server answers and then cuts."""

    def __init__(self, path: str):
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.drop_replies_to: bytes | None = None  # only those to requests that contain this
        self.dropped = 0
        self._lines: list[socket.socket] = []
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._path)
            self._lines += [client, server]
            doomed = threading.Event()
            threading.Thread(target=self._requests, args=(client, server, doomed), daemon=True).start()
            threading.Thread(target=self._replies, args=(server, client, doomed), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        try:
            while data := client.recv(65536):
                if self.drop_replies_to is not None and self.drop_replies_to in data:
                    doomed.set()
                server.sendall(data)
        except OSError:
            pass
        _hang_up(server)

    def _replies(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        try:
            while data := server.recv(65536):
                if doomed.is_set():
                    self.dropped += 1
                    self.drop_replies_to = None  # once
                    break
                client.sendall(data)
        except OSError:
            pass
        _hang_up(client)
        _hang_up(server)

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        for line in self._lines:
            _hang_up(line)


def _hang_up(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    line.close()
