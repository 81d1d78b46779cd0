"""One alert: what it saw, since when, and who was told with which answer."""

from __future__ import annotations

from typing import Any

from dashboard.alerts.conditions import CONDITIONS, described
from dashboard.alerts.models import Firing
from dashboard.presenters import alerts
from dashboard.presenters.figures import moment as moment_figure
from dashboard.presenters.payload import visible

from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        firing = Firing.objects.select_related("rule", "acknowledged_by").get(pk=int(address.args["number"]))
    except (Firing.DoesNotExist, OverflowError):
        raise Gone(f"There is no alert {address.args['number']}.") from None
    now_ms = moment.read_at_ms
    notices = list(firing.notices.order_by("id"))
    rule = firing.rule
    return {
        "alert": firing,
        "row": alerts.firing_row(firing, [n for n in notices if n.event == "opened"], now_ms),
        "rule": rule,
        "cleared_says": visible(firing.cleared_says),
        "looks_for": described(rule) if rule and rule.condition in CONDITIONS else "",
        "cleared": moment_figure(alerts.ms(firing.cleared_at), now_ms, "It still fires"),
        "acknowledged": moment_figure(alerts.ms(firing.acknowledged_at), now_ms, "Nobody is at it yet"),
        "notices": [alerts.notice_row(notice, now_ms) for notice in notices],
    }


PAGE = Page(
    name="alert",
    pattern="alerts/<int:number>/",
    title=lambda address: f"Alert {address.args['number']}",
    parts=("headline", "told"),
    context=context,
    measured=False,
    under="alerts",
)
