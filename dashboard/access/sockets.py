"""Tells the open sockets of a person, in whatever process, to look at once whether they may go on.

They listen on the channel layer. It promises nothing: who misses the message looks by themselves within half a minute
(`dashboard/live/socket.py`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from dashboard.access.models import User

PATIENCE_S = 2.0
"""Nobody waits longer than this for the channel layer."""

log = logging.getLogger("streamlab.access")


def group_of(person: int) -> str:
    """The channel layer's group of a person's sockets."""
    return f"person.{person}"


def look_again(person: int) -> None:
    """Once what was changed about the person can be seen."""
    transaction.on_commit(lambda: async_to_sync(_tell)(person))


async def _tell(person: int) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        await asyncio.wait_for(layer.group_send(group_of(person), {"type": "look.again"}), PATIENCE_S)
    except Exception as error:  # whatever the layer's server does, the change itself is made
        log.warning("Open sockets were not told of a change; they look within half a minute: %s", error)


def listen() -> None:
    """From now on whatever changes a person or their roles tells their sockets."""
    post_save.connect(_saved, sender=User, dispatch_uid="sockets of a person that was saved")
    post_delete.connect(_deleted, sender=User, dispatch_uid="sockets of a person that was deleted")
    m2m_changed.connect(
        _roles_changed, sender=User.groups.through, dispatch_uid="sockets of a person whose roles changed"
    )


def _saved(
    instance: User, created: bool = False, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    if not created and update_fields != frozenset({"last_login"}):
        look_again(instance.pk)


def _deleted(instance: User, **_: Any) -> None:
    look_again(instance.pk)


def _roles_changed(instance: User | Group, action: str, pk_set: set[int] | None = None, **_: Any) -> None:
    if not action.startswith("post_"):
        return
    for person in [instance.pk] if isinstance(instance, User) else pk_set or ():
        look_again(person)
