"""The process that looks every two seconds and tells. One at a time looks; others stand by and take over within 15 s.

What it remembers is in the database, so one that was killed is followed by one that goes on where it stopped. When
nobody looked for half a minute, whatever waits to fire or to clear begins anew: what nobody saw did not hold.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.db.models import Q
from django.utils import timezone

from .gather import Gatherer
from .look import Looked, look
from .models import Firing, Notice, NoticeState, Watchman
from .teller import Teller

LOOK_EVERY_S = 2.0
SHARE = 0.1
"""Looking takes no more than this part of the time, however much there is to see."""
LEASE = timedelta(seconds=15)
BROKEN_AFTER = timedelta(seconds=30)
PRUNE_EVERY_S = 3_600.0

log = logging.getLogger("streamlab.alerts")


class Watch:
    """`stop` may be set by any thread."""

    def __init__(self, gatherer: Gatherer | None = None):
        self.stop = threading.Event()
        self.name = uuid.uuid4().hex
        self._gatherer = gatherer or Gatherer()
        self._pruned = -PRUNE_EVERY_S

    def run(self) -> None:
        """Until `stop` is set. A database that is away is asked again every two seconds, and said once."""
        telling = threading.Thread(target=Teller(self.stop).run, name="teller")
        telling.start()
        told = ""
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                close_old_connections()
                self.turn()
                told = ""
            except DatabaseError as error:
                if str(error) != told:
                    log.warning("Alerts wait for the database: %s", error)
                told = str(error)
                connection.close()
            except Exception:
                log.exception("A look failed in a way that was not foreseen")
            took_s = time.monotonic() - began
            self.stop.wait(max(LOOK_EVERY_S, took_s / SHARE) - took_s)
        telling.join()
        self._release()

    def turn(self) -> Looked | None:
        """Look, if it is this process's turn. Raises DatabaseError."""
        now = timezone.now()
        before = self._hold(now)
        if before is None:
            return None
        began = time.monotonic()
        looked = look(self._gatherer, unbroken=now - before < BROKEN_AFTER)
        for firing in looked.opened:
            log.info("%s: %s", firing.rule_name, firing.opened_says)
        for firing in looked.cleared:
            log.info("%s cleared: %s", firing.rule_name, firing.cleared_says)
        Watchman.objects.filter(pk=Watchman.THE_ONE, holder=self.name).update(
            looked_at=now,
            took_ms=1000 * (time.monotonic() - began),
            trouble=" ".join(looked.trouble)[:300],
        )
        if began - self._pruned > PRUNE_EVERY_S:
            self._pruned = began
            prune(now, settings.HISTORY_DAYS)
        return looked

    def _hold(self, now: datetime) -> datetime | None:
        """Have or keep the lease; when somebody last looked, or None while another has it."""
        row, _ = Watchman.objects.get_or_create(pk=Watchman.THE_ONE)
        free = Q(holder=self.name) | Q(held_until=None) | Q(held_until__lt=now)
        held = Watchman.objects.filter(free, pk=Watchman.THE_ONE).update(
            holder=self.name, held_until=now + LEASE
        )
        return (row.looked_at or datetime.fromtimestamp(0, now.tzinfo)) if held else None

    def _release(self) -> None:
        try:
            Watchman.objects.filter(pk=Watchman.THE_ONE, holder=self.name).update(holder="", held_until=None)
        except DatabaseError:
            pass  # it ends by itself
        connection.close()


def prune(now: datetime, days: int) -> None:
    """Forget what cleared, and was told, longer ago than this; 0 days: nothing."""
    if days:
        since = now - timedelta(days=days)
        settled = (NoticeState.TOLD, NoticeState.GIVEN_UP)
        Notice.objects.filter(created_at__lt=since, state__in=settled).delete()
        Firing.objects.filter(cleared_at__lt=since).delete()
