"""`manage.py signin_link [--user NAME] [--base http://host:port]`: print a link that signs in once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard import address
from dashboard.access import signin_link
from dashboard.access.management.whom import whom


class Command(BaseCommand):
    help = "Print a fresh one-time sign-in link. It lives for 15 minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="whom it signs in; without it: admin, made if there is none yet")
        parser.add_argument("--base", help="what the link begins with; without it: where `up` runs here")

    def handle(self, *args: Any, user: str | None, base: str | None, **options: Any) -> None:
        person = whom(user)
        if not person.is_active:
            raise CommandError(f"{person.username} is deactivated.")
        self.stdout.write(
            (base or address.known()).rstrip("/") + signin_link.path_of(signin_link.create(person))
        )
