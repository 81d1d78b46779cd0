"""Rules and channels with what is counted of them: as many queries for a thousand as for one."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from .models import Channel, Notice, NoticeState, Rule


def counted_rules() -> Any:
    """Rules by name with channels and owners, each with `firing`: for how many subjects it fires now."""
    firing = Count("firings", filter=Q(firings__cleared_at=None))
    return (
        Rule.objects.select_related("owner")
        .prefetch_related("channels")
        .annotate(firing=firing)
        .order_by("name")
    )


def counted_channels() -> Any:
    """Channels by name, each with `waiting`: notices that it has not been told yet."""
    unsettled = Notice.objects.filter(
        channel=OuterRef("pk"), state__in=(NoticeState.WAITING, NoticeState.SENDING)
    )
    number = unsettled.order_by().values("channel").annotate(n=Count("pk")).values("n")
    return Channel.objects.annotate(waiting=Coalesce(Subquery(number), 0)).order_by("name")


def used_channels() -> list[tuple[Any, Notice | None]]:
    """Likewise, each with `used_by`, how many rules tell it, and the newest notice of which an attempt was made."""
    tried = Notice.objects.filter(channel=OuterRef("pk")).exclude(attempts=0).order_by("-id").values("pk")
    found = list(counted_channels().annotate(used_by=Count("rules"), newest=Subquery(tried[:1])))
    notices = Notice.objects.in_bulk([channel.newest for channel in found if channel.newest])
    return [(channel, notices.get(channel.newest)) for channel in found]
