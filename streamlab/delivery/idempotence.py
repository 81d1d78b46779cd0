"""Run a handler's effect once per event, with Redis as the memory of what was done.

    once = Once(broker.connection, "mailer")

    def handle(record, context):
        once.run(record_id(record), lambda: send_mail(record.value))

What becomes of one event id:

    absent ──claim──▶ claimed ──the effect returned──▶ done ──TTL──▶ absent
                         │ └────the effect raised────▶ absent: the next attempt may begin
                         └──────lease over, no word──▶ in doubt: did it happen before the process died?

A claim lives for `lease_s`. While it runs, others that come with the same id are told to wait (`InProgressError`, to be
retried). When it has run out without a word, the effect is in doubt, and `in_doubt` decides: "repeat" runs it again (at
least once; the default), "skip" takes it for done (at most once), "raise" asks a person (`InDoubtError`).

No store but the one that holds the effect can promise more than this: between an effect elsewhere and the note of it
there is always a moment. Where the effect is a row in your own SQL database, write the note in its transaction instead
(docs/idempotence.md): then there is no doubt.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from .. import keys
from ..connection import Connection
from ..errors import IllegalArgumentError, RetriableError, StreamlabError
from ..model import ConsumerRecord
from .dead_letter import record_id
from .verdicts import Release

T = TypeVar("T")

TTL_S = 7 * 86_400.0
"""How long a finished id is remembered; as long as a record may come again (retention, retries, replays)."""
LEASE_S = 60.0
"""How long an effect may take; after that a silent claim is in doubt."""
_LOOK_AGAIN_S = 5.0


class InDoubt(StrEnum):
    """What to do with an effect that may have happened or not."""

    REPEAT = "repeat"
    SKIP = "skip"
    RAISE = "raise"


class Seen(StrEnum):
    """What a claim found."""

    CLAIMED = "claimed"  # nobody had it, or in doubt: this caller runs the effect
    DONE = "done"
    IN_PROGRESS = "in progress"  # somebody else runs it now
    IN_DOUBT = "in doubt"


class InProgressError(Release, RetriableError):
    """Raised when somebody else runs the effect of this event right now, or died while it did. A worker gives the
    record back for a while and counts no attempt: the lease may be longer than all that a retry policy would wait."""


class InDoubtError(StreamlabError):
    """Raised when an effect was begun and nobody said how it ended. Find out, then `settle` or `forget` the id."""


class Once:
    """The memory of one consumer: ids of another are others. Safe to share between threads and processes."""

    def __init__(
        self,
        connection: Connection,
        consumer: str,
        *,
        ttl_s: float = TTL_S,
        lease_s: float = LEASE_S,
        in_doubt: InDoubt | str = InDoubt.REPEAT,
    ):
        """`consumer` names whose effect it is, such as the group. Raises IllegalArgumentError."""
        if ttl_s <= 0 or lease_s <= 0:
            raise IllegalArgumentError("ttl_s and lease_s must be more than 0 seconds.")
        self._connection = connection
        self._consumer = consumer
        self._ttl_ms, self._lease_ms = round(ttl_s * 1000), round(lease_s * 1000)
        try:
            self._in_doubt = InDoubt(in_doubt)
        except ValueError:
            raise IllegalArgumentError(f"in_doubt is repeat, skip or raise, not {in_doubt!r}.") from None

    def run(self, event_id: str, effect: Callable[[], T]) -> T | None:
        """Run `effect` unless it was done for this id; None when it was (or is taken for done).

        Raises InProgressError, InDoubtError, another StreamlabError when the memory cannot be reached (the effect has
        not run then, or has run and is in doubt), and what the effect raises.
        """
        token = secrets.token_hex(8)
        seen = self.claim(event_id, token)
        if seen is Seen.DONE:
            return None
        if seen is Seen.IN_PROGRESS:
            said = f"{event_id!r} of {self._consumer!r} is being handled by somebody else."
            raise InProgressError(said, seconds=min(_LOOK_AGAIN_S, self._lease_ms / 1000))
        if seen is Seen.IN_DOUBT:  # with "repeat" the claim has taken it over
            if self._in_doubt is InDoubt.SKIP:
                return None
            raise InDoubtError(
                f"The effect of {event_id!r} for {self._consumer!r} was begun and nobody said how it ended."
            )
        try:
            result = effect()
        except BaseException:
            self._release(event_id, token)
            raise
        self.settle(event_id)
        return result

    def handler(self, handle: Callable[..., T]) -> Callable[..., T | None]:
        """A handler of records that runs once per record id: `handler=once.handler(handle)`."""

        @functools.wraps(handle)
        def wrapped(record: ConsumerRecord, *more: Any, **named: Any) -> T | None:
            return self.run(record_id(record), lambda: handle(record, *more, **named))

        return wrapped

    def claim(self, event_id: str, token: str) -> Seen:
        """Take the id, or see what is known of it. Raises StreamlabError; the id may then be claimed or not."""
        repeat = "1" if self._in_doubt is InDoubt.REPEAT else "0"
        args = [token, self._lease_ms, self._ttl_ms, repeat]
        reply: bytes = self._connection.run("idempotence/claim", [self._key(event_id)], args)
        return Seen(reply.decode())

    def settle(self, event_id: str) -> None:
        """It is done. Raises StreamlabError: the effect has happened all the same, and is in doubt."""
        self._connection.execute_many([("SET", self._key(event_id), "done", "PX", self._ttl_ms)])

    def forget(self, event_id: str) -> None:
        """It is to be done again when it comes again. Raises StreamlabError."""
        self._connection.execute_many([("DEL", self._key(event_id))])

    def _release(self, event_id: str, token: str) -> None:
        """The effect failed: the next attempt may begin at once. Where that cannot be noted, its lease runs out."""
        try:
            self._connection.run("idempotence/release", [self._key(event_id)], [token])
        except StreamlabError:
            pass

    def _key(self, event_id: str) -> str:
        return keys.once(self._consumer, event_id)
