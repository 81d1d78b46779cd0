"""Compaction: of each key the newest record stays. Offsets never change, and the log end stays.

    before   0 a=1 · 1 b=1 · 2 a=2 · 3 a=None · 4 c=1 · 5 b=2     6 = log end
    after                            3 a=None · 4 c=1 · 5 b=2     and a day later 4, 5

A pass goes over one partition:

    map      read what is new since the last pass, up to the edge: key → its newest offset
    thin     walk from the log start to the edge; drop records that the map knows a newer one for. Entries that change
             are written, the others copied inside the server, into a second stream under the same ids
    finish   copy what was appended meanwhile, and put the second stream in the place of the first, in one script

Nobody sees anything until the last step, and readers and producers use the same key before and after it. A pass that
dies leaves a second stream behind, which the next one removes; a pass that comes back after another one began, or that
a failover took a step from, is refused (`CLEANER_FENCED`), and one that retention overtook is given up (`FRONT_MOVED`).

A tombstone (a record without a value) stays for `delete.retention.ms` after the first pass over it, so that a reader
who saw the value before sees its end too. Records without a key go, as in Kafka. docs/adr/0006-compaction.md argues it.
"""

from .cleaner import Compacted, compact
from .edge import Edge, due, edges

__all__ = ["Compacted", "Edge", "compact", "due", "edges"]
