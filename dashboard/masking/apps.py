from django.apps import AppConfig


class MaskingConfig(AppConfig):
    name = "dashboard.masking"
    label = "masking"
