"""`manage.py watch_alerts`: judge the alert rules and tell who wants to know, until SIGTERM or SIGINT.

`--check` only says whether some process does so: for health checks.
"""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.alerts.awake import ASLEEP_MS, looked_ago_ms
from dashboard.alerts.watchman import Watch


class Command(BaseCommand):
    help = "Judge the alert rules and tell who wants to know, until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="only say whether somebody watches; 1: nobody"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            self._check()
        else:
            self._watch()

    def _watch(self) -> None:
        watch = Watch()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: watch.stop.set())
        watch.run()

    def _check(self) -> None:
        ago_ms = looked_ago_ms()
        if ago_ms is None or ago_ms > ASLEEP_MS:
            since = "nobody ever has" if ago_ms is None else f"the last look was {ago_ms // 1000} s ago"
            raise CommandError(f"Nobody watches: {since}.")
        self.stdout.write(f"Watched: the last look was {ago_ms} ms ago.")
