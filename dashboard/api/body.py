"""Bodies of requests: JSON, and nothing in it that cannot be stored."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from dashboard.unwritable import unwritable

from .problems import AskedWrongly


class BodyParser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        """Raises AskedWrongly, JSONDecodeError."""
        body = super().parse_body(request)
        if why := unwritable(body):
            raise AskedWrongly({"body": [why]})
        return body
