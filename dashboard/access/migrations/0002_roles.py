"""The three roles exist in every installation."""

from typing import Any

from django.db import migrations

ROLES = ("Viewer", "Operator", "Admin")


def make_roles(apps: Any, schema_editor: Any) -> None:
    group = apps.get_model("auth", "Group")
    for name in ROLES:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial")]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
