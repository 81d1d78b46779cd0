from django.apps import AppConfig


class ProjectionsConfig(AppConfig):
    name = "dashboard.projections"
    label = "projections"
