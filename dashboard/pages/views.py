"""A page's view: first paint as HTML; the same parts as JSON for browsers that cannot hold a WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.presenters import figures

from . import moments
from .frame import draw, series
from .moments import Gone, Moment, NoMeasurements
from .page import Address, Page
from .registry import menu

FRAME_TYPE = "application/vnd.streamlab.frame+json"
NO_MEASUREMENTS_STATUS = 503


def view_of(page: Page) -> Callable[..., HttpResponse]:
    """The view function of a page. It carries the page as `view.page`, where the live feed finds it."""

    @require_safe
    def view(request: HttpRequest, **args: str) -> HttpResponse:
        address = Address(request.path, args, request.GET)
        wants_frame = FRAME_TYPE in request.headers.get("Accept", "")
        try:
            moment = moments.current() if page.measured else moments.current_or_bare()
            response = (
                _frame(page, moment, address, request)
                if wants_frame
                else _paint(page, moment, address, request)
            )
        except NoMeasurements as reason:
            response = _unavailable(page, address, request, str(reason), wants_frame)
        except Gone as gone:
            raise Http404(str(gone)) from gone
        response.headers["Vary"] = "Accept, Cookie"
        return response

    view.page = page  # type: ignore[attr-defined]
    view.__name__ = f"{page.name}_page"
    return view


def _shell(page: Page, address: Address) -> dict[str, Any]:
    """What the frame around every page needs: title, menu, and the key to subscribe to."""
    current = page.name if page.menu else page.under
    return {
        "page": page,
        "title": page.title(address),
        "menu": menu(),
        "current": current,
        "live_key": address.key if page.live(address) else "",
        "here": address,
    }


def _paint(page: Page, moment: Moment, address: Address, request: HttpRequest) -> HttpResponse:
    charts = page.charts(moment, address)
    context = {
        **_shell(page, address),
        **page.context(moment, address),
        "as_of_ms": moment.as_of_ms,
        "as_of": figures.moment(moment.as_of_ms),
        "stale": moment.stale,
        "charts": {chart.id.replace("-", "_"): chart for chart in charts},
        "chart_data": [
            {**chart.spec, **chart.points(moment.series, moment.window_start_ms)} for chart in charts
        ],
        "part": {part.replace("-", "_"): page.part_template(part) for part in page.parts},
    }
    return render(request, page.template, context)


def _frame(page: Page, moment: Moment, address: Address, request: HttpRequest) -> HttpResponse:
    since = request.headers.get("X-Since-Ms", "")
    since_ms = (
        int(since) if since.isascii() and since.isdigit() and len(since) < 16 else moment.window_start_ms
    )
    since_ms = max(since_ms, moment.window_start_ms)
    return JsonResponse(
        {
            "as_of": moment.as_of_ms,
            "full": since_ms <= moment.window_start_ms,
            "html": draw(page, moment, address),
            "series": series(page, moment, address, since_ms),
        }
    )


def _unavailable(
    page: Page, address: Address, request: HttpRequest, reason: str, wants_frame: bool
) -> HttpResponse:
    if wants_frame:
        return JsonResponse({"error": reason}, status=NO_MEASUREMENTS_STATUS)
    context = {**_shell(page, address), "reason": reason}
    return render(request, "pages/unavailable.html", context, status=NO_MEASUREMENTS_STATUS)
