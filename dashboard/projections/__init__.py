"""The broker's history as SQL tables: what pages filter, search and page through.

The events on `__streamlab.events` are the truth; these tables are a view of them that can be thrown away and made
again (`manage.py rebuild_projections`). `manage.py project` keeps them up.

    a record of the topic → Recorded → rows (rows.py, letters.py: pure) → one transaction a batch (apply.py)

The same events in any order, and however often, give the same tables: every row is keyed by what it speaks of, and of
two sayings about one thing the later counts. How far the topic was applied stands in the same database and is
written in the same transaction, so a crash anywhere repeats nothing and skips nothing.
"""

GROUP = "streamlab-projections"
"""The consumer group that the projector reads as."""
