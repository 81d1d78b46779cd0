"""A paused group: its members stay members, finish what they have, commit, give up all partitions and take none."""

from __future__ import annotations

import uuid

from ..connection import Connection
from ..errors import (
    GroupIdNotFoundError,
    GroupPausedError,
    ResetUnderWayError,
    StalePlanError,
    StreamlabError,
    reply_code,
)
from . import describe
from .words import GroupState, group_keys


def pause(
    connection: Connection, group_id: str, by: str = "an operator", reason: str = "", for_ms: int = 0
) -> str:
    """Pause the group until resume(), or for that time unless it is renewed. Returns the pause's token.

    Raises GroupPausedError when it is paused already, GroupIdNotFoundError.
    """
    if describe.describe(connection, group_id).state is GroupState.DEAD:
        raise GroupIdNotFoundError(f"There is no group {group_id!r}.")
    token = uuid.uuid4().hex
    _run(connection, group_id, [token, by, reason, for_ms, "new"])
    return token


def renew(connection: Connection, group_id: str, token: str, by: str, reason: str, for_ms: int) -> None:
    """Go on with one's own pause. Raises StalePlanError when it is over."""
    _run(connection, group_id, [token, by, reason, for_ms, "renew"])


def resume(
    connection: Connection,
    group_id: str,
    by: str = "an operator",
    reason: str = "",
    token: str = "",
    did: bytes = b"",
) -> bool:
    """End a pause: that one, or whoever's it is. `did`: what a reset did meanwhile. False when it was over already.

    Raises ResetUnderWayError, without `did`, when a reset has begun to commit: it would be left half done.
    """
    try:
        return bool(
            connection.run("groups/resume", group_keys(group_id), [token, by, reason or "resumed", did])
        )
    except StreamlabError as error:
        if reply_code(error) == "RESETTING":
            raise ResetUnderWayError(
                f"Group {group_id!r} is being reset and reads on afterwards. Should whoever resets it have died, one "
                "of its members finishes that within seconds."
            ) from error
        raise


def _run(connection: Connection, group_id: str, arguments: list[object]) -> None:
    try:
        connection.run("groups/pause", group_keys(group_id), arguments)
    except StreamlabError as error:
        if reply_code(error) == "PAUSED":
            who = str(error.__cause__).partition(" ")[2]
            raise GroupPausedError(
                f"Group {group_id!r} is paused already, {who}. Resume it first."
            ) from error
        if reply_code(error) == "NOT_PAUSED":
            raise StalePlanError(f"The pause of group {group_id!r} is over.") from error
        raise
