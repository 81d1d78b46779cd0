"""`manage.py project`: bring the broker's history into the database, until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.broker import broker
from dashboard.projections.projector import Projector
from streamlab.errors import StreamlabError


class Command(BaseCommand):
    help = "Bring the broker's history into the database, until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="stop when all there is was applied")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        try:
            projector = Projector(broker(), **({"group_id": None} if once else {}))
            if once:
                applied = projector.catch_up()
                projector.close()
                self.stdout.write(f"{applied} events applied.")
                return
        except StreamlabError as error:
            raise CommandError(str(error)) from error
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: projector.stop.set())
        projector.run()
