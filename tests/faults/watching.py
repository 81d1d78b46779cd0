"""The watchman in a process of its own, in a hurry, to be killed: `python -m tests.faults.watching`.

As `manage.py watch_alerts`, but leases and claims of the dead run out within a second or two instead of half a minute.
"""

from __future__ import annotations

from datetime import timedelta

import django

if __name__ == "__main__":
    django.setup()
    from django.core.management import call_command

    from dashboard.alerts import teller, watchman

    watchman.LOOK_EVERY_S, watchman.LEASE = 0.1, timedelta(seconds=1)
    teller.LOOK_EVERY_S, teller.CLAIM = 0.05, timedelta(seconds=2)
    call_command("watch_alerts")
