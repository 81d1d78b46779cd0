"""The live feed's address. Origin and session are checked in front of it, in dashboard/config/asgi.py."""

from django.urls import path

from .socket import LiveSocket

websocket_urlpatterns = [path("ws/live/", LiveSocket.as_asgi())]
