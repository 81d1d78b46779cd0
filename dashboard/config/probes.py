"""A health probe that finds something down is an answer, not an error to log each time."""

from __future__ import annotations

import logging


class NotAProbe(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(getattr(record, "request", None), "path", None) != "/healthz"
