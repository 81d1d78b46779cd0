"""The door: HTTP goes to Django, WebSockets to the live feed, for our own pages only."""

from __future__ import annotations

import gc
import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.config.settings")
# WhiteNoise says so when nothing is collected yet; files then come straight from their source folders.
warnings.filterwarnings("ignore", message="No directory at:")
http_application = get_asgi_application()  # before the imports below: they need the apps loaded

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from dashboard.live.origin import OurOrigin  # noqa: E402
from dashboard.live.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": OurOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)

# What is loaded by now stays: collections need not walk it (40 ms, in which no page is drawn and no frame sent).
gc.collect()
gc.freeze()
# A large page makes some ten thousand objects and drops them all: looked through once, not every 700.
gc.set_threshold(50_000, 10, 10)
