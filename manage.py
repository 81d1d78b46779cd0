#!/usr/bin/env python3
"""Django's door to Streamlab: `manage.py up` starts everything, `manage.py signin_link` lets you in."""

import os
import sys


def main() -> None:
    """Run one command. Ctrl-C ends it without a traceback, also while the libraries are still being read."""
    try:
        run()
    except KeyboardInterrupt:
        if sys.argv[1:2] != ["up"]:
            sys.exit(130)
        print("Stopping.", flush=True)


def run() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.config.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        command = " ".join(["manage.py", *sys.argv[1:]])
        sys.exit(f"This Python has no Django; use .venv/bin/python {command} (make setup makes .venv).")

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))  # our settings say in one sentence what is wrong


if __name__ == "__main__":
    main()
