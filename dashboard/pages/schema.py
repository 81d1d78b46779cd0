"""One subject: its versions, what changed between them, and a place to try the next one."""

from __future__ import annotations

from typing import Any

from dashboard.presenters import schemas
from dashboard.schema_registry.core import registry
from streamlab.errors import StreamlabError
from streamlab.schemas.errors import SubjectNotFoundError

from .moments import Gone, Moment
from .page import Address, Page


def context(moment: Moment, address: Address) -> dict[str, Any]:
    subject = address.args["subject"]
    known = registry()
    try:
        versions = known.versions(subject)
        level, mode = known.level(subject), known.mode(subject)
        used_by = [f"{v.subject} version {v.version}" for v in known.referenced_by(subject)]
    except SubjectNotFoundError:
        raise Gone(f"There is no subject “{subject}”.") from None
    except StreamlabError as error:
        return {"failed": str(error), "subject": subject}
    return {
        "subject": subject,
        "type": str(versions[-1].schema.type),
        "versions": schemas.version_rows(versions, moment.read_at_ms),
        "level": str(level),
        "mode": str(mode),
        "used_by": used_by,
    }


PAGE = Page(
    name="schema",
    pattern="schemas/<path:subject>/",
    title=lambda address: address.args["subject"],
    parts=(),
    context=context,
    measured=False,
    live=lambda address: False,
    under="schemas",
)
