"""The Celery application: operators' jobs, the worker's heartbeat, the advisor's looks."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.config.settings")

app = Celery("streamlab")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
for module in ("heartbeat", "advice"):
    app.autodiscover_tasks(["dashboard"], related_name=module)
