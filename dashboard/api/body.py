"""Bodies of requests: JSON, and nothing in it that cannot be stored."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Schema
from ninja.parser import Parser
from pydantic import ConfigDict

from dashboard.unwritable import unwritable

from .problems import AskedWrongly


class Body(Schema):
    """What a request holds. A slip in a field's name is told: left out, it would mean something else unnoticed."""

    model_config = ConfigDict(extra="forbid")


class BodyParser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        """Raises AskedWrongly, JSONDecodeError."""
        body = super().parse_body(request)
        if why := unwritable(body):
            raise AskedWrongly({"body": [why]})
        return body
