from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def make_roles(**_: Any) -> None:
    """The roles are there in every database, also in one that was emptied."""
    from django.contrib.auth.models import Group

    from .roles import Role

    for role in Role:
        Group.objects.get_or_create(name=role)


class AccessConfig(AppConfig):
    name = "dashboard.access"
    label = "access"

    def ready(self) -> None:
        from . import sockets

        sockets.listen()
        post_migrate.connect(make_roles, sender=self, dispatch_uid="access roles")
