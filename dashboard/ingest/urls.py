from django.urls import path

from .views import ingest

urlpatterns = [path("<str:topic>", ingest)]
