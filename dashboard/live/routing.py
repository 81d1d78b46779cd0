"""Where the live sockets are."""

from typing import Any

websocket_urlpatterns: list[Any] = []
