"""The address of a sign-in link is a secret: whoever reads it in a log before it is used comes in."""

from __future__ import annotations

import logging
import re

_LINK = re.compile(r"(/sign-in/)[^\s/?\"'<>]+")


class WithoutLinks(logging.Filter):
    """Changes what is written, and lets everything through."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if "/sign-in/" in said:
            record.msg, record.args = _LINK.sub(r"\1…", said), ()
        return True
