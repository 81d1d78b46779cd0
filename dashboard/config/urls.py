"""Every address. A page needs a sign-in unless its view says otherwise."""

from django.urls import include, path

from dashboard.api.docs import docs
from dashboard.audit.views import export
from dashboard.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("", include("dashboard.access.urls")),
    path("", include("dashboard.operations.urls")),
    path("", include("dashboard.alerts.urls")),
    path("audit/export.jsonl", export, name="audit-export"),
    path("", include("dashboard.masking.urls")),
    path("api/", docs, name="api-docs"),
    path("api/v1/", include("dashboard.api.urls")),
    path("ingest/", include("dashboard.ingest.urls")),
    path("schema-registry/", include("dashboard.schema_registry.urls")),
    path("", include("dashboard.pages.urls")),
]
