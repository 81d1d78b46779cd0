"""`manage.py masking add|list|remove`: hide fields of records, on the machine itself."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.audit.trail import Actor
from dashboard.masking import rules
from dashboard.masking.models import MaskingRule

ACTOR = Actor(None, channel="command line")


class Command(BaseCommand):
    help = "Add, list and remove masking rules."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, says in (("add", "hide a field"), ("remove", "show it again")):
            one = verbs.add_parser(verb, help=says)
            one.add_argument("topics", help="a name, or a pattern like shop.*")
            one.add_argument(
                "field", help="a field's name, a JSON path like $.customer.email, @key or @value"
            )
        verbs.add_parser("list", help="every rule")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        if verb == "list":
            for rule in MaskingRule.objects.order_by("topics", "field"):
                self.stdout.write(f"{rule.topics}  {rule.field}")
        elif verb == "add":
            try:
                rules.add(options["topics"], options["field"], ACTOR)
            except ValidationError as reason:
                raise CommandError(reason.message) from None
        else:
            unwanted = MaskingRule.objects.filter(topics=options["topics"], field=options["field"]).first()
            if unwanted is None:
                raise CommandError("There is no such rule.")
            rules.remove(unwanted, ACTOR)
