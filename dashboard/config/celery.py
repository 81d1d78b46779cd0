"""The Celery application: operators' jobs and the worker's heartbeat."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.config.settings")

app = Celery("streamlab")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["dashboard"], related_name="heartbeat")
