"""Receivers that answer a byte now and then, or never: they hold nobody up, and it ends."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from dashboard.alerts import notices
from dashboard.alerts.channels import Answer, mail, smtp, tell, webhook
from dashboard.alerts.models import Channel, Firing
from tests.waiting import until

SOON_S = 0.5


class Dripping:
    """Whoever connects gets `begins`, and then a byte every 50 ms until they leave."""

    def __init__(self, begins: bytes, tls: ssl.SSLContext | None = None):
        self._begins, self._tls = begins, tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.left = threading.Event()

    def __enter__(self) -> Dripping:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *how: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        line, _ = self._listening.accept()
        try:
            with self._tls.wrap_socket(line, server_side=True) if self._tls else line as plain:
                plain.sendall(self._begins)
                while True:
                    plain.sendall(b"a")
                    time.sleep(0.05)
        except OSError:
            self.left.set()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Whatever is slow has half a second. Webhooks and mail may go to this machine."""
    settings.WEBHOOK_PRIVATE = settings.EMAIL_CONFIGURED = True
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "dashboard.alerts.channels.smtp.EmailBackend", "127.0.0.1"
    monkeypatch.setattr(webhook, "WHOLE_S", SOON_S)
    monkeypatch.setattr(smtp, "WHOLE_S", SOON_S)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For localhost, of our own, with its key in the same file."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl makes the certificate of this test")
    made = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=made, check=True, capture_output=True,
    )  # fmt: skip
    whole = made / "both.pem"
    whole.write_text((made / "certificate.pem").read_text() + (made / "key.pem").read_text())
    return whole


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The server's side. Ours believes the certificate."""
    ours = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(webhook, "_tls", lambda: ours)
    monkeypatch.setattr(smtp.EmailBackend, "ssl_context", ours)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    yield theirs


def post(url: str) -> Answer:
    return webhook.send(url, "", "sl_1", {"a": 1})


BODY = notices.body("sl_1", "mail", notices.Event.OPENED, [
    Firing(rule_name="r", condition="c", subject="s", severity="info", opened_at=timezone.now(), opened_says="x")
])  # fmt: skip


def test_a_web_server_that_drips_is_left():
    with Dripping(b"") as server:
        answer = post(f"http://127.0.0.1:{server.port}/")
        assert not answer.told and answer.words.startswith("No answer within")
        until(server.left.is_set, what="it is left")


def test_who_drips_after_its_status_is_left_too():
    with Dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as server:
        post(f"http://127.0.0.1:{server.port}/")
        until(server.left.is_set, what="it is left")


def test_a_web_server_that_drips_through_tls_is_left(tls):
    with Dripping(b"", tls) as server:
        answer = post(f"https://localhost:{server.port}/")
        assert not answer.told and answer.words.startswith("No answer within"), answer
        until(server.left.is_set, what="it is left")


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    with Dripping(b"HTTP/1.1 200 OK\r\n\r\n", theirs) as server:
        answer = post(f"https://localhost:{server.port}/")
        assert not answer.told and "certificate verify failed" in answer.words


@pytest.mark.parametrize("begins", [b"", b"220 here\r\n"], ids=["no greeting", "no answer to EHLO"])
def test_a_mail_server_that_drips_is_left(begins, settings):
    with Dripping(begins) as server:
        settings.EMAIL_PORT = server.port
        assert mail.send(["ops@streamlab.test"], "sl_1", BODY) == Answer(False, mail.LATE)
        until(server.left.is_set, what="it is left")


def test_a_mail_server_that_drips_through_tls_is_left(tls, settings):
    with Dripping(b"220 here\r\n", tls) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_SSL = "localhost", server.port, True
        assert mail.send(["ops@streamlab.test"], "sl_1", BODY) == Answer(False, mail.LATE)
        until(server.left.is_set, what="it is left")


def test_what_a_channel_is_told_never_raises(settings):
    settings.EMAIL_PORT = 1
    nowhere = Channel(kind="webhook", url="http://[::1/")
    unknown = Channel(kind="webhook", url="http://no-such-host.invalid/")
    away = Channel(kind="e-mail", addresses=["ops@streamlab.test"])
    answers = [tell(channel, "sl_1", BODY) for channel in (nowhere, unknown, away)]
    assert [answer.told for answer in answers] == [False] * 3 and all(answer.words for answer in answers)
