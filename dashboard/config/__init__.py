"""Wiring only: settings, addresses, the ASGI door, Celery. Nothing here knows what a page shows."""

from dashboard.config.celery import app as celery_app

__all__ = ["celery_app"]
