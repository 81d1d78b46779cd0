from django.apps import AppConfig


class IdempotenceConfig(AppConfig):
    name = "dashboard.idempotence"
    label = "idempotence"
    default_auto_field = "django.db.models.BigAutoField"
