#!/usr/bin/env python3
"""Django's door to Streamlab: `manage.py up` starts everything, `manage.py signin_link` lets you in."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))  # our settings say in one sentence what is wrong


if __name__ == "__main__":
    main()
