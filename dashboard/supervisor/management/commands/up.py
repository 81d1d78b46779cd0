"""`manage.py up [--demo] [--port 8000] [--host 127.0.0.1]`: all of Streamlab with one command."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from dashboard.supervisor import boot
from dashboard.supervisor.journal import Terminal
from dashboard.supervisor.parts import Plan
from dashboard.supervisor.problem import Problem
from dashboard.supervisor.supervisor import Supervisor


class Command(BaseCommand):
    help = "Start every part of Streamlab, keep it running, stop it whole."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="with the simulated shop as the load")
        parser.add_argument("--port", default=os.environ.get("PORT") or "8000")
        parser.add_argument("--host", default=os.environ.get("STREAMLAB_HOST") or "127.0.0.1")

    def handle(self, *args: Any, demo: bool, port: str, host: str, **options: Any) -> None:
        try:
            plan = Plan(
                directory=settings.VAR_DIR,
                host=host,
                port=boot.port_number(port),
                demo=demo,
                data_url=os.environ.get("STREAMLAB_URL") or None,
                control_url=os.environ.get("REDIS_URL") or None,
                host_header=next(
                    (name for name in settings.ALLOWED_HOSTS if name[:1] not in "*."), "localhost"
                ),
            )
            Supervisor(plan, settings.BASE_DIR, settings.STATIC_ROOT, Terminal(sys.stdout)).run()
        except Problem as problem:
            print(problem, file=sys.stderr)
            sys.exit(1)
