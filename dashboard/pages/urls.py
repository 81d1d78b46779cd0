"""The pages' addresses."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def overview(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Streamlab")


urlpatterns = [path("", overview, name="overview")]
