"""What an API token may do. A scope is a word, or a word with a topic behind it.

schemas:read     read subjects, schemas, levels; check a candidate
schemas:write    also register, delete, and set levels and modes
ingest:<topic>   send events to that topic; ingest:* to any that is not internal
api:read         read figures
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SCHEMAS_READ, SCHEMAS_WRITE, API_READ = "schemas:read", "schemas:write", "api:read"
INGEST = "ingest:"

_INGEST = re.compile(r"ingest:(\*|[A-Za-z0-9._-]{1,249})")
_IMPLIED = {SCHEMAS_WRITE: {SCHEMAS_READ}}


def is_scope(text: str) -> bool:
    """
    >>> is_scope("ingest:orders"), is_scope("ingest:"), is_scope("admin")
    (True, False, False)
    """
    return text in (SCHEMAS_READ, SCHEMAS_WRITE, API_READ) or _INGEST.fullmatch(text) is not None


def allows(scopes: Iterable[str], wanted: str) -> bool:
    """
    >>> allows(["schemas:write"], "schemas:read"), allows(["ingest:*"], "ingest:orders"), allows([], "api:read")
    (True, True, False)
    """
    held = set(scopes)
    held |= {implied for scope in held for implied in _IMPLIED.get(scope, ())}
    anywhere = wanted.startswith(INGEST) and not wanted.startswith(f"{INGEST}__") and f"{INGEST}*" in held
    return wanted in held or anywhere
