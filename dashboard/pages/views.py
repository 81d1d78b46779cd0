"""A page's view: first paint as HTML; the same parts as JSON for browsers that cannot hold a WebSocket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.presenters import figures
from dashboard.presenters.payload import visible

from . import moments, winding
from .frame import draw, points, series
from .moments import Gone, Moment, NoMeasurements, NotKept
from .page import Address, Page
from .registry import menu
from .table import link

FRAME_TYPE = "application/vnd.streamlab.frame+json"
NO_MEASUREMENTS_STATUS = 503


def view_of(page: Page) -> Callable[..., HttpResponse]:
    """The view function of a page. It carries the page as `view.page`, where the live feed finds it."""

    @require_safe
    def view(request: HttpRequest, **args: str) -> HttpResponse:
        address = Address(request.path, args, request.GET)
        wants_frame = FRAME_TYPE in request.headers.get("Accept", "")
        try:
            moment = _moment(page, address)
            response = (
                _frame(page, moment, address, request)
                if wants_frame
                else paint(page, moment, address, request)
            )
        except NotKept as reason:
            response = _not_kept(page, address, request, reason)
        except NoMeasurements as reason:
            response = _unavailable(page, address, request, reason, wants_frame)
        except Gone as gone:
            raise Http404(str(gone)) from gone
        response.headers["Vary"] = "Accept, Cookie"
        return response

    view.page = page  # type: ignore[attr-defined]
    view.__name__ = f"{page.name}_page"
    return view


def _moment(page: Page, address: Address) -> Moment:
    """The one that the page is drawn from. Raises NoMeasurements."""
    if page.winds and address.at_ms is not None:
        return moments.at(address.at_ms)
    return moments.current() if page.measured else moments.current_or_bare()


def _shell(page: Page, address: Address) -> dict[str, Any]:
    """What the frame around every page needs: title, menu, and the key to subscribe to."""
    current = page.name if page.menu else page.under
    return {
        "page": page,
        "title": page.title(address),
        "menu": menu(),
        "current": current,
        "live_key": address.key if page.moves(address) else "",
        "here": address,
        "no_time": visible(address.no_time) if page.winds else "",
    }


def paint(page: Page, moment: Moment, address: Address, request: HttpRequest) -> HttpResponse:
    """The whole page as HTML."""
    charts = page.charts(moment, address)
    context = {
        **_shell(page, address),
        **page.context(moment, address),
        "as_of_ms": moment.as_of_ms,
        "as_of": figures.moment(moment.as_of_ms),
        "stale": moment.stale,
        "charts": {chart.id.replace("-", "_"): chart for chart in charts},
        "chart_data": [{**chart.spec, **points(chart, moment)} for chart in charts],
        "wound": _wound(page, address, moment.as_of_ms, moment.now_ms),
        "part": {part.replace("-", "_"): page.part_template(part) for part in page.parts},
    }
    return _kept_at(page, address, render(request, page.template, context))


def _wound(page: Page, address: Address, shown_ms: int | None, now_ms: int) -> winding.Wound | None:
    if not page.winds or address.at_ms is None:
        return None
    return winding.wound(address, address.at_ms, shown_ms, now_ms)


def _kept_at(page: Page, address: Address, response: HttpResponse) -> HttpResponse:
    """A page that was wound back leads to others of that moment."""
    if page.winds and address.at_ms is not None:
        response.content = winding.keep_in_links(response.content.decode(), address.at_ms).encode()
    return response


def _not_kept(page: Page, address: Address, request: HttpRequest, reason: NotKept) -> HttpResponse:
    nearest = reason.nearest_ms
    context = {
        **_shell(page, address),
        "reason": str(reason),
        "wound": _wound(page, address, None, time.time_ns() // 1_000_000),
        "nearest": winding.readable(nearest) if nearest else "",
        "nearest_href": link(address, at=winding.stamp(nearest + 999)) if nearest else "",
        "now_href": link(address, at=None),
    }
    return _kept_at(page, address, render(request, "pages/not-kept.html", context, status=404))


def _frame(page: Page, moment: Moment, address: Address, request: HttpRequest) -> HttpResponse:
    since = request.headers.get("X-Since-Ms", "")
    since_ms = int(since) if since.isascii() and since.isdigit() and len(since) < 16 else None
    if since_ms is not None and since_ms <= moment.window_start_ms:
        since_ms = None
    return JsonResponse(
        {
            "as_of": moment.as_of_ms,
            "full": since_ms is None,
            "html": draw(page, moment, address),
            "series": series(page, moment, address, since_ms),
        }
    )


def _unavailable(
    page: Page, address: Address, request: HttpRequest, reason: NoMeasurements, wants_frame: bool
) -> HttpResponse:
    if wants_frame:
        return JsonResponse({"error": str(reason)}, status=NO_MEASUREMENTS_STATUS)
    context = {**_shell(page, address), "reason": str(reason), "command": reason.command}
    return render(request, "pages/unavailable.html", context, status=NO_MEASUREMENTS_STATUS)
