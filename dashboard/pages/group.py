"""One group: its members, who owns which partition, and how far each one is."""

from __future__ import annotations

from typing import Any

from dashboard.charts import Chart, Legend, Line
from dashboard.presenters import commands, groups, rebalances
from dashboard.presenters.figures import count
from dashboard.projections.models import Rebalance
from streamlab.metrics.snapshot import GroupSnapshot

from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page

MOST_REBALANCES = 20


def _group(moment: Moment, address: Address) -> GroupSnapshot:
    name = address.args["group"]
    try:
        return moment.snapshot.groups[name]
    except KeyError:
        raise Gone(f"There is no group “{name}”.") from None


def _rebalances(moment: Moment, group: str) -> Any:
    found = Rebalance.objects.filter(group=group)
    if moment.past:
        found = found.filter(at_ms__lte=moment.as_of_ms)
    return found.order_by("-at_ms", "-pk")[:MOST_REBALANCES]


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    group = _group(moment, address)
    row = groups.row(group, moment.trends([group.group])[group.group])
    return {
        "group": row,
        "epoch": count(group.epoch, "changes of membership or subscription so far"),
        "start_command": commands.start_again(group.group),
        "assignor": group.assignor,
        "lost": groups.lost(group),
        "members": groups.member_rows(group),
        "matrices": groups.matrices(group),
        "rows": groups.partition_rows(group, moment.as_of_ms),
        "rebalances": rebalances.rows(
            _rebalances(moment, group.group),
            moment.read_at_ms,
        ),
        "lag_legend": [Legend("lag", row.lag, 0)],
        "time_lag_legend": [Legend("time lag", row.time_lag, 0)],
    }


def charts(moment: Moment, address: Address) -> list[Chart]:
    name = _group(moment, address).group
    return [
        Chart(
            "lag",
            "Lag",
            "records",
            (Line("lag", "group", name, "lag"),),
            f"Records that {name} has not read yet, over the last 15 minutes.",
            area=True,
            floor=10,
        ),
        Chart(
            "time-lag",
            "Time lag",
            "s",
            (Line("time lag", "group", name, "time_lag_ms", 0.001),),
            f"Age in seconds of the oldest record that {name} has not read yet, over the last 15 minutes.",
            area=True,
            floor=1,
        ),
    ]


PAGE = Page(
    name="group",
    pattern="groups/<path:group>/",
    title=lambda address: address.args["group"],
    parts=("figures", "lag-legend", "time-lag-legend", "members", "partitions", "rebalances"),
    context=context,
    winds=True,
    charts=charts,
    under="groups",
)
