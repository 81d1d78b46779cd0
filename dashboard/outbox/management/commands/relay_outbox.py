"""`manage.py relay_outbox`: send the events of the outbox, until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.broker import broker
from dashboard.outbox.relay import Relay
from streamlab.errors import StreamlabError


class Command(BaseCommand):
    help = "Send the events of the outbox, until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", default="outbox", help="tells the outboxes of several databases apart")
        parser.add_argument("--once", action="store_true", help="stop when nothing waits any more")

    def handle(self, *args: Any, name: str, once: bool, **options: Any) -> None:
        try:
            relay = Relay(broker(), name)
            if once:
                sent = 0
                while now := relay.turn():
                    sent += now
                self.stdout.write(f"{sent} events sent.")
                return
        except StreamlabError as error:
            raise CommandError(str(error)) from error
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: relay.stop.set())
        relay.run()
