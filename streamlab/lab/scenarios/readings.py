"""The figures that a scenario speaks of, as they are now: whoever tells its story waits for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...connection import Connection
from ...metrics.snapshot import Snapshot
from ..loads.figures import (
    ClientFigures,
    LoadFigures,
    RecentFigures,
    client_figures_of,
    figures_of,
    recent_figures_of,
)
from ..loads.load import Load
from .scenario import RECENT, TOLD_BY_CLIENTS, Scenario

Values = Mapping[str, float | None]
"""Name in `FIGURES` -> its value now, in the unit that stands there; None: not known."""


class Readings(NamedTuple):
    figures: LoadFigures
    values: Values


NOTHING = Readings(LoadFigures(), {})
"""Of a load that does not run."""


def read(
    connection: Connection, scenario: Scenario, load: Load, snapshot: Snapshot, lag_change: float | None
) -> Readings:
    """Of `load`, the scenario's as it runs. `lag_change`: records/s by which its lag rises; None: not known.

    Clients and the last seconds are only asked where the scenario speaks of what they tell. Raises StreamlabError.
    """
    asked = {sight.figure for sight in scenario.sights}
    figures = figures_of(connection, load, snapshot)
    clients = client_figures_of(connection, load) if asked & TOLD_BY_CLIENTS else ClientFigures()
    recent = recent_figures_of(connection, load, snapshot) if asked & RECENT else RecentFigures()
    group = snapshot.groups.get(load.group_id)
    return Readings(
        figures,
        {
            "rate": figures.rate,
            "consumed_rate": figures.consumed_rate,
            "lag": figures.lag,
            "lag_change": lag_change,
            "time_lag": None if figures.time_lag_ms is None else figures.time_lag_ms / 1000,
            "members": figures.members,
            "partitions": figures.partitions,
            "skew": figures.max_over_mean,
            "epoch": group.epoch if group else None,
            "record_bytes": _record_bytes(load, snapshot),
            "request_ms": clients.request_ms,
            "poll_ms": clients.poll_ms,
            "vain": clients.vain,
            "batch_records": clients.batch_records,
            "dying": recent.dying,
            "rebalances": recent.rebalances,
            "retrying": figures.retrying,
            "dead": figures.dead,
            "lost": figures.lost,
        },
    )


def _record_bytes(load: Load, snapshot: Snapshot) -> float | None:
    """None: not known, or nothing comes in."""
    topic = snapshot.topics.get(load.topic_name)
    if topic is None or topic.byte_rate is None or not topic.rate:
        return None
    return topic.byte_rate / topic.rate
