"""`manage.py person deactivate|activate NAME`: on the machine itself, for when no Admin is at hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.access import people
from dashboard.access.management.whom import whom
from dashboard.access.people import NotPossible
from dashboard.audit.trail import Actor

ACTOR = Actor(None, channel="command line")


class Command(BaseCommand):
    help = "Deactivate a person, which ends their sessions and tokens for good, or activate them again."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, says in (
            ("deactivate", "end all that lets them in"),
            ("activate", "let them sign in again"),
        ):
            verbs.add_parser(verb, help=says).add_argument("name", help="whom")

    def handle(self, *args: Any, verb: str, name: str, **options: Any) -> None:
        try:
            held = people.set_active(whom(name), verb == "activate", ACTOR)
        except NotPossible as reason:
            raise CommandError(str(reason)) from None
        state = "active" if verb == "activate" else "deactivated"
        ended = f" {held.ended}." if held is not None and held.ended else ""
        self.stdout.write(f"{name} is {state}.{ended}")
