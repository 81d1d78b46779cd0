"""Receivers of alerts: a web server that answers as it is told to, and a mail server that keeps mails."""

from __future__ import annotations

import json
import socketserver
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.streamlab_up import free_port


@dataclass
class Received:
    path: str
    headers: dict[str, str]  # names in lower case
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw)


class WebhookReceiver:
    """Listens while it is entered; may be left and entered again on the same port, as one that is restarted."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hooks/T0?token=secret"
        self.received: list[Received] = []
        self.status = 200
        self.answer = b"thank you"
        self.location = ""
        self.holds = threading.Event()  # set: requests are answered only when `release` is set
        self.release = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    @property
    def keys(self) -> list[str]:
        return [received.headers["idempotency-key"] for received in self.received]

    def __enter__(self) -> WebhookReceiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, raw))
                if receiver.holds.is_set():
                    receiver.release.wait(30)
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *args: object) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


class MailSink:
    """As much of an SMTP server as a client needs."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuses = ""  # what it answers to every recipient instead of 250
        self.port = 0

    def __enter__(self) -> MailSink:
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 sink")
                for line in iter(self.rfile.readline, b""):
                    word = line.split()[0].upper() if line.split() else b""
                    if word == b"RCPT":
                        sink.recipients.append(line.decode().strip())
                        self.say(sink.refuses or "250 ok")
                    elif word == b"DATA":
                        self.say("354 go on")
                        sink.mails.append(self.mail())
                        self.say("250 kept")
                    elif word == b"QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

            def mail(self) -> EmailMessage:
                lines = list(iter(self.rfile.readline, b".\r\n"))
                return message_from_bytes(b"".join(lines), policy=policy.default)  # type: ignore[return-value]

            def say(self, text: str) -> None:
                self.wfile.write(text.encode() + b"\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
