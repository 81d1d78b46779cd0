"""What came of an operation after it ended: a replay's letters recover, or fail again, when it is long over."""

from __future__ import annotations

from dashboard.broker import broker
from streamlab.errors import StreamlabError

from .kind import Since
from .models import Operation
from .registry import KINDS


def since(operation: Operation) -> Since | None:
    """As the broker knows it now; None where the operation's result says all that is known."""
    kind = KINDS.get(operation.kind)
    if kind is None or not operation.over or not operation.result:
        return None
    try:
        return kind.since(broker(), operation.progress)
    except StreamlabError:
        return None
