"""`manage.py api_token create|list|revoke`: tokens for programs, made on the machine itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from dashboard.access import api_token
from dashboard.access.management.whom import whom
from dashboard.access.models import ApiToken
from streamlab.cli.output import safe


class Command(BaseCommand):
    help = "Make, list and revoke API tokens."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a token and print it, once")
        create.add_argument("--user", help="whom it acts for; without it: admin, made if there is none yet")
        create.add_argument("--name", default="", help="what it is for")
        create.add_argument(
            "--scope",
            action="append",
            required=True,
            help="such as api:read, schemas:write, ingest:TOPIC or ingest:*; several times for several",
        )
        create.add_argument("--days", type=int, help="how long it lives; without it: until it is revoked")
        verbs.add_parser("list", help="every token in force, without its secret")
        revoke = verbs.add_parser("revoke", help="end a token")
        revoke.add_argument("prefix", help="how it begins, as `list` shows it")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        {"create": self._create, "list": self._list, "revoke": self._revoke}[verb](options)

    def _create(self, options: dict[str, Any]) -> None:
        expires_at = None
        if options["days"] is not None:
            if options["days"] < 1:
                raise CommandError("--days must be at least 1.")
            expires_at = timezone.now() + timedelta(days=options["days"])
        try:
            _, token = api_token.create(whom(options["user"]), options["name"], options["scope"], expires_at)
        except (api_token.NoSuchScope, api_token.NotMade) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(token)

    def _list(self, options: dict[str, Any]) -> None:
        for row in api_token.in_force().select_related("owner").order_by("created_at"):
            used = f"{row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never"
            until = f"{row.expires_at:%Y-%m-%d %H:%M}" if row.expires_at else "revoked"
            scopes = ",".join(row.scopes)
            name = safe(row.name)
            self.stdout.write(f"{row.prefix}  {row.owner}  {scopes}  used {used}  until {until}  {name}")

    def _revoke(self, options: dict[str, Any]) -> None:
        rows = list(ApiToken.objects.filter(api_token.alive(), prefix=options["prefix"]))
        if len(rows) != 1:
            raise CommandError(f"{len(rows)} tokens in force begin with {options['prefix']!r}.")
        for ended in api_token.revoke(rows[0]):
            self.stdout.write(f"{ended.prefix} is revoked.")
