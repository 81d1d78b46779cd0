"""`manage.py watch_alerts`: judge the alert rules and tell who wants to know, until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.alerts.watchman import Watch


class Command(BaseCommand):
    help = "Judge the alert rules and tell who wants to know, until it is stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        watch = Watch()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: watch.stop.set())
        watch.run()
