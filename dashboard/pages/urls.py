"""The pages' addresses. `topics/` stands before `topics/<topic>/`, as in the registry."""

from django.urls import path

from .downloads import value
from .experiment_files import result
from .find import find
from .registry import PAGES
from .reveal import letter, record
from .schema_check import check
from .views import view_of

urlpatterns = [
    path("find/", find, name="find"),
    path("topics/<path:topic>/records/<int:partition>/<int:offset>/value", value, name="record-value"),
    path("topics/<path:topic>/records/<int:partition>/<int:offset>/reveal/", record, name="record-reveal"),
    path("dead-letters/<path:dlq>/<int:partition>/<int:offset>/reveal/", letter, name="letter-reveal"),
    path("schemas/<path:subject>/check/", check, name="schema-check"),
    path("lab/experiments/<slug:id>/result.<str:ending>", result, name="experiment-file"),
    *(path(page.pattern, view_of(page), name=page.name) for page in PAGES),
]
