"""A socket is opened by our own pages only: same scheme, host and port, as a form is sent by our own pages only.

A browser sends cookies along with any page's socket and tells who opened it in `Origin`. The same host on another port
is somebody else: cookies do not tell ports apart.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

TRY_AGAIN_LATER = 1013
_PORTS = {"http": 80, "https": 443}


class OurOrigin:
    """In front of everything that a WebSocket may ask for."""

    def __init__(self, application: Any):
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        inside = self._application if is_ours(scope) else WebsocketDenier()
        try:
            return await inside(scope, receive, send)
        except RedisError as error:  # of the sessions: without them nobody knows who asks
            log.warning("A live feed is refused until Redis answers: %s", error)
            with suppress(RuntimeError):  # it is closed already
                await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})


def is_ours(scope: dict[str, Any]) -> bool:
    """Whether one of our pages asks, by a name that is ours."""
    origins, hosts = _named(scope, b"origin"), _named(scope, b"host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    name, _ = split_domain_port(hosts[0])
    if not name or not validate_host(name, settings.ALLOWED_HOSTS):
        return False
    asking = _parsed(origins[0])
    return asking is not None and (asking == _parsed(f"{scheme}://{hosts[0]}") or _trusted(asking))


def _named(scope: dict[str, Any], wanted: bytes) -> list[str]:
    return [value.decode("latin1") for name, value in scope.get("headers", []) if name == wanted]


def _parsed(origin: str) -> tuple[str, str, int] | None:
    """(scheme, host, port).

    >>> _parsed("https://Lab.example"), _parsed("http://[::1]:8000"), _parsed("null"), _parsed("https://a/b")
    (('https', 'lab.example', 443), ('http', '::1', 8000), None, None)
    """
    try:
        parts = urlsplit(origin)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port


def _trusted(asking: tuple[str, str, int]) -> bool:
    """By CSRF_TRUSTED_ORIGINS, where https://*.example means every name below it."""
    scheme, host, port = asking
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        known = _parsed(origin.replace("*", "", 1))
        if known and (known[0], known[2]) == (scheme, port) and is_same_domain(host, known[1]):
            return True
    return False
