"""Telling: every notice to its receiver, until it answers.

A channel is told in the order in which things happened, one notice at a time. One that does not answer is tried again
after 1, 2, 4 … 60 s for a day; what it is to be told meanwhile waits behind. A receiver that refuses a notice (4xx, a
redirect) gets it five times and then the next one. Other channels never wait for it.

A notice is claimed for half a minute. Whoever dies between sending and noting that it was told leaves a claim that runs
out; the notice is then sent once more under the same key.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import DatabaseError, close_old_connections, connection
from django.db.models import F, Max, Min
from django.utils import timezone

from .channels import Answer, tell
from .models import Notice, NoticeState

CLAIM = timedelta(seconds=30)
"""Longer than any attempt takes."""
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0
GIVE_UP_AFTER = timedelta(days=1)
MOST_REFUSALS = 5
AT_ONCE = 32
"""Channels: as many that hang hold nobody else up."""
LOOK_EVERY_S = 0.5

log = logging.getLogger(__name__)
Now = Callable[[], datetime]


def pause_s(attempts: int) -> float:
    """Before the next attempt, after so many.

    >>> [pause_s(n) for n in (1, 2, 3, 7, 50)]
    [1.0, 2.0, 4.0, 60.0, 60.0]
    """
    return float(min(LAST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempts - 1, 10)))


def claim(now: datetime, channel: int) -> Notice | None:
    """The oldest that a channel has not been told, if its time has come and nobody else has it."""
    unsettled = Notice.objects.filter(
        channel=channel, state__in=(NoticeState.WAITING, NoticeState.SENDING)
    ).order_by("id")
    oldest = unsettled.first()
    if oldest is None or oldest.due_at > now:
        return None
    token = uuid.uuid4().hex
    taken = Notice.objects.filter(pk=oldest.pk, state=oldest.state, claim=oldest.claim, due_at=oldest.due_at)
    if not taken.update(
        state=NoticeState.SENDING, claim=token, due_at=now + CLAIM, attempts=F("attempts") + 1
    ):
        return None
    return Notice.objects.select_related("channel").get(pk=oldest.pk)


def settle(notice: Notice, answer: Answer, now: datetime) -> NoticeState | None:
    """Note what came of an attempt; None when the claim had run out and somebody else has it."""
    changes: dict[str, object] = {"answer": answer.words[:300], "response": answer.response, "claim": ""}
    if answer.told:
        changes |= {"state": NoticeState.TOLD, "told_at": now}
    elif _hopeless(notice, answer, now):
        changes |= {"state": NoticeState.GIVEN_UP}
    else:
        due_at = now + timedelta(seconds=pause_s(notice.attempts))
        changes |= {"state": NoticeState.WAITING, "due_at": due_at}
    mine = Notice.objects.filter(pk=notice.pk, state=NoticeState.SENDING, claim=notice.claim)
    return NoticeState(str(changes["state"])) if mine.update(**changes) else None


def _hopeless(notice: Notice, answer: Answer, now: datetime) -> bool:
    if answer.final and notice.attempts >= MOST_REFUSALS:
        return True
    return now - notice.created_at > GIVE_UP_AFTER


def attempt(channel: int, now: Now = timezone.now) -> NoticeState | None:
    """Tell a channel the next thing, if there is one; what became of it. Raises DatabaseError."""
    notice = claim(now(), channel)
    if notice is None:
        return None
    if notice.channel is None or not notice.channel.enabled:
        answer = Answer(False, "The channel was switched off.", final=True)
        Notice.objects.filter(pk=notice.pk).update(state=NoticeState.GIVEN_UP, answer=answer.words)
        return NoticeState.GIVEN_UP
    answer = tell(notice.channel, notice.key, notice.body)
    state = settle(notice, answer, now())
    if state is not NoticeState.TOLD:
        log.warning("%s was not told: %s", notice.channel, answer.words)
    return state


class Teller:
    """Some threads that tell. `stop` may be set by anybody; what is being told is then told to its end."""

    def __init__(self, stop: threading.Event):
        self._stop = stop
        self._busy: set[int] = set()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Until `stop` is set. A database that is away is asked again."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tell") as threads:
            while not self._stop.wait(LOOK_EVERY_S):
                try:
                    for channel in self._due():
                        threads.submit(self._tell, channel)
                except DatabaseError as error:
                    log.warning("Notices wait: %s", error)
                    connection.close()
        connection.close()

    def _due(self) -> list[int]:
        close_old_connections()
        now = timezone.now()
        due = (
            Notice.objects.filter(
                state__in=(NoticeState.WAITING, NoticeState.SENDING), due_at__lte=now, channel__isnull=False
            )
            .values_list("channel")
            .annotate(tried=Max("attempts"), first=Min("id"))
            .order_by("tried", "first")  # who answers goes before who did not
        )
        with self._lock:
            found = [channel for channel, _, _ in due if channel not in self._busy]
            self._busy.update(found)
        return found

    def _tell(self, channel: int) -> None:
        """All that it is due, one after the other."""
        try:
            close_old_connections()
            while not self._stop.is_set() and attempt(channel) in (NoticeState.TOLD, NoticeState.GIVEN_UP):
                pass
        except Exception:
            log.exception("Telling channel %d failed in a way that was not foreseen", channel)
        finally:
            connection.close()
            with self._lock:
                self._busy.discard(channel)
