"""One POST to a webhook: no redirect followed, no proxy, an end after a few seconds, and little read of the answer."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult

import orjson

from .addresses import BadAddress, parsed, reach
from .answer import Answer
from .deadline import Deadline
from .signature import headers

CONNECT_S = 5.0
WHOLE_S = 10.0
"""From the first byte sent to the last one read."""
MOST_READ = 2_000
WORTH_A_REPEAT = (408, 425, 429)
"""Of the 4xx: the receiver did not say that this request is wrong."""


def send(url: str, secret: str, key: str, body: dict[str, Any]) -> Answer:
    """POST it once. `key` is the same at every attempt, so that a receiver may know a repeat for one."""
    began = time.monotonic()
    try:
        status, said = _post(parsed(url), secret, key, orjson.dumps(body))
    except BadAddress as reason:
        return Answer(False, str(reason), final=True)
    except socket.gaierror:
        return Answer(False, "Its name is not known.")
    except TimeoutError:
        return Answer(False, _late(began))
    except ssl.SSLError as error:
        return Answer(
            False, f"TLS failed: {error.reason or 'unknown'}.".replace("_", " ").lower().capitalize()
        )
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() - began >= WHOLE_S:
            return Answer(False, _late(began))
        return Answer(False, f"{_reason(error)}.")
    took_ms = 1000 * (time.monotonic() - began)
    return _answer(status, said, took_ms)


def _answer(status: int, said: bytes, took_ms: float) -> Answer:
    response = said.decode("utf-8", "replace").replace("\0", "�")
    words = f"HTTP {status} {_phrase(status)}".strip() + f" in {took_ms:.0f} ms"
    if 200 <= status < 300:
        return Answer(True, words, response=response)
    if 300 <= status < 400:
        return Answer(False, f"{words}. Redirects are not followed: give the address itself.", True, response)
    return Answer(False, words, 400 <= status < 500 and status not in WORTH_A_REPEAT, response)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _late(began: float) -> str:
    return f"No answer within {time.monotonic() - began:.0f} s."


def _reason(error: Exception) -> str:
    if isinstance(error, http.client.RemoteDisconnected):
        return "It closed the connection without an answer"
    if isinstance(error, http.client.HTTPException):
        return "What it answered is not HTTP"
    return (error.strerror if isinstance(error, OSError) else None) or "The connection broke"


def _post(parts: SplitResult, secret: str, key: str, body: bytes) -> tuple[int, bytes]:
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT_S)
    sent = {
        "Content-Type": "application/json",
        "User-Agent": "Streamlab",
        "Idempotency-Key": key,
        **headers(secret, key, int(time.time()), body),
    }
    if parts.port is None:
        sent["Host"] = f"[{host}]" if ":" in host else host
    try:
        plain = _connect(reach(host, port), port)
        with Deadline(plain, WHOLE_S):
            connection.sock = _tls().wrap_socket(plain, server_hostname=host) if secure else plain
            connection.request(
                "POST", parts._replace(scheme="", netloc="", fragment="").geturl() or "/", body, sent
            )
            reply = connection.getresponse()
            return reply.status, reply.read(MOST_READ)
    finally:
        connection.close()


def _connect(addresses: list[str], port: int) -> socket.socket:
    """To the first of these that takes it, within CONNECT_S for all."""
    until = time.monotonic() + CONNECT_S
    trouble: OSError = OSError("It has no address")
    for address in addresses:
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        try:
            return socket.create_connection((address, port), timeout=left_s)
        except OSError as error:
            trouble = error
    raise trouble


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
