"""How each kind of channel is told. `tell` never raises: whatever happens is an answer."""

from __future__ import annotations

from typing import Any

from ..models import Channel, ChannelKind
from . import mail, webhook
from .answer import Answer

__all__ = ["Answer", "tell"]


def tell(channel: Channel, key: str, body: dict[str, Any]) -> Answer:
    """One attempt, a few seconds at most."""
    if channel.kind == ChannelKind.WEBHOOK:
        return webhook.send(channel.url, channel.secret, key, body)
    return mail.send(channel.addresses, key, body)
