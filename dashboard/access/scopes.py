"""What an API token may do. A scope is a word, or a word with a topic behind it.

schemas:read     read subjects, schemas, levels; check a candidate
schemas:write    also register, delete, and set levels and modes
ingest:<topic>   send events to that topic; ingest:* to any that is not internal
api:read         read figures, operations, dead letters and the audit trail, but nothing that records hold
records:read     read records, retries and dead letters, masked where rules say so
records:reveal   read them as they are; each look is audited, and its owner must be an Admin
operations:write draft, confirm, cancel and take back operations
alerts:write     make, change and mute alert rules, say that somebody is at an alert; of an Admin's, channels too
masking:write    add and remove masking rules; its owner must be an Admin
people:write     add people, change their roles, end and restore their access; its owner must be an Admin
tokens:write     make tokens of its owner that may no more than itself, and revoke them; of an Admin's, anybody's
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dashboard.access.roles import Role

SCHEMAS_READ, SCHEMAS_WRITE, API_READ = "schemas:read", "schemas:write", "api:read"
RECORDS_READ, RECORDS_REVEAL, OPERATIONS_WRITE = "records:read", "records:reveal", "operations:write"
ALERTS_WRITE, MASKING_WRITE = "alerts:write", "masking:write"
PEOPLE_WRITE, TOKENS_WRITE = "people:write", "tokens:write"
SCOPES: Mapping[str, str] = {
    API_READ: "Figures, groups, operations, dead letters, audit",
    RECORDS_READ: "What records hold, masked where rules say so",
    RECORDS_REVEAL: "What records hold, as it is; audited",
    OPERATIONS_WRITE: "Draft, confirm, cancel and take back operations",
    ALERTS_WRITE: "Make and mute alert rules; an Admin's: channels too",
    MASKING_WRITE: "Add and remove masking rules",
    PEOPLE_WRITE: "Add people, change roles, deactivate and activate",
    TOKENS_WRITE: "Make and revoke tokens of your own; an Admin's: revoke anybody's",
    SCHEMAS_READ: "Read the schema registry",
    SCHEMAS_WRITE: "Register and delete schemas, set levels",
}
"""Every scope that is one word, and what it lets a token do."""
INGEST = "ingest:"
_ROLES: Mapping[str, Role] = {
    API_READ: Role.VIEWER,
    RECORDS_READ: Role.VIEWER,
    RECORDS_REVEAL: Role.ADMIN,
    OPERATIONS_WRITE: Role.OPERATOR,
    ALERTS_WRITE: Role.OPERATOR,
    MASKING_WRITE: Role.ADMIN,
    PEOPLE_WRITE: Role.ADMIN,
    TOKENS_WRITE: Role.VIEWER,
    SCHEMAS_READ: Role.VIEWER,
    SCHEMAS_WRITE: Role.OPERATOR,
    INGEST: Role.OPERATOR,
}

_INGEST = re.compile(r"ingest:(\*|[A-Za-z0-9._-]{1,249})")
_IMPLIED = {
    SCHEMAS_WRITE: {SCHEMAS_READ},
    RECORDS_REVEAL: {RECORDS_READ},
    OPERATIONS_WRITE: {API_READ},
    ALERTS_WRITE: {API_READ},
    MASKING_WRITE: {API_READ},
    PEOPLE_WRITE: {API_READ},
    TOKENS_WRITE: {API_READ},
}


def is_scope(text: str) -> bool:
    """
    >>> is_scope("ingest:orders"), is_scope("ingest:"), is_scope("admin")
    (True, False, False)
    """
    return text in SCOPES or _INGEST.fullmatch(text) is not None


def least_role(scope: str) -> Role:
    """The lowest role that a token's owner needs for this scope to open anything.

    >>> least_role("api:read").value, least_role("ingest:orders").value
    ('Viewer', 'Operator')
    """
    return _ROLES[INGEST if scope.startswith(INGEST) else scope]


def allows(scopes: Iterable[str], wanted: str) -> bool:
    """
    >>> allows(["schemas:write"], "schemas:read"), allows(["ingest:*"], "ingest:orders"), allows([], "api:read")
    (True, True, False)
    >>> allows(["operations:write"], "api:read"), allows(["api:read"], "records:read")
    (True, False)
    """
    held = set(scopes)
    held |= {implied for scope in held for implied in _IMPLIED.get(scope, ())}
    anywhere = wanted.startswith(INGEST) and not wanted.startswith(f"{INGEST}__") and f"{INGEST}*" in held
    return wanted in held or anywhere
