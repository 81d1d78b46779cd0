"""The pages' addresses. `topics/` stands before `topics/<topic>/`, as in the registry."""

from django.urls import path

from .registry import PAGES
from .views import view_of

urlpatterns = [path(page.pattern, view_of(page), name=page.name) for page in PAGES]
