"""`manage.py rebuild_projections`: throw the tables of history away and make them again from the topic of events."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.broker import broker
from dashboard.projections.projector import Projector
from dashboard.projections.rebuild import begin, lost_by_rebuilding
from streamlab.errors import StreamlabError

SAY_EVERY_S = 2.0


class Command(BaseCommand):
    help = (
        "Empty the tables of history and make them again from the events that the broker still has. "
        "A running projector goes on; pages show what is there already."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--accept-loss",
            action="store_true",
            help="also when events that were applied are gone from the topic",
        )

    def handle(self, *args: Any, accept_loss: bool, **options: Any) -> None:
        try:
            self._rebuild(accept_loss)
        except StreamlabError as error:
            raise CommandError(str(error)) from error

    def _rebuild(self, accept_loss: bool) -> None:
        lost = lost_by_rebuilding(broker())
        if lost and not accept_loss:
            raise CommandError(
                f"{lost} events are gone from the topic (its retention is over) and would be missing afterwards. "
                "--accept-loss rebuilds all the same."
            )
        total = begin(broker())
        projector = Projector(broker(), group_id=None)
        started = said = time.monotonic()
        for applied in projector.catching_up():
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                self.stdout.write(f"{applied} of {total} events")
        projector.close()
        self.stdout.write(f"Rebuilt from {total} events in {time.monotonic() - started:.1f} s.")
