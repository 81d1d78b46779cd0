"""All kinds of operations. A new one is one module and one line here."""

from __future__ import annotations

from .kind import Kind
from .kinds import letters, partitions, produce, purge, reset_offsets, scale, topics

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        letters.REPLAY,
        letters.DISCARD,
        letters.RESTORE,
        reset_offsets.KIND,
        partitions.KIND,
        purge.KIND,
        topics.CREATE,
        topics.DELETE,
        produce.KIND,
        scale.KIND,
    )
}
