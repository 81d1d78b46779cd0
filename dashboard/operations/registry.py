"""All kinds of operations. A new one is one module and one line here."""

from __future__ import annotations

from .kind import Kind
from .kinds import (
    configure,
    discarded_letters,
    experiment,
    groups,
    letters,
    loads,
    partitions,
    produce,
    purge,
    reset_offsets,
    scale,
    schema,
    topics,
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        letters.REPLAY,
        discarded_letters.DISCARD,
        discarded_letters.RESTORE,
        configure.KIND,
        reset_offsets.KIND,
        groups.REBALANCE,
        groups.PAUSE,
        groups.RESUME,
        partitions.KIND,
        purge.KIND,
        topics.CREATE,
        topics.DELETE,
        schema.KIND,
        produce.KIND,
        scale.KIND,
        loads.START,
        loads.CHANGE,
        loads.STOP,
        experiment.KIND,
    )
}
