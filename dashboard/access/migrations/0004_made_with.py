from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0003_api_token"),
    ]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="made_with",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="made",
                to="access.apitoken",
            ),
        ),
    ]
