"""WhiteNoise with answers that an event loop can wait for.

By itself it hands out plain iterators, which Django reads to their end first, with a warning.
"""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware

from dashboard.streaming import BLOCK_BYTES, body


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> FileResponse:
        response: FileResponse = WhiteNoiseMiddleware.serve(static_file, request)
        response.block_size = BLOCK_BYTES
        response.streaming_content = body(request, response.streaming_content)  # type: ignore[arg-type]
        return response
