"""An experiment as a file: everything as JSON, its windows as CSV."""

from __future__ import annotations

import csv
import io

import msgspec
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.operations.kinds.experiment import shown
from streamlab.errors import StreamlabError
from streamlab.lab.experiments.measuring import MEASURES
from streamlab.lab.experiments.notes import Outcome

from .experiment import found
from .moments import Gone


@require_safe
def result(request: HttpRequest, id: str, ending: str) -> HttpResponse:
    """`ending` is json or csv."""
    try:
        outcome, _ = found(id)
    except (Gone, StreamlabError) as reason:
        raise Http404(str(reason)) from reason
    if ending == "json":
        whole = {"measures": [m._asdict() for m in MEASURES.values()], **msgspec.to_builtins(outcome)}
        answer = HttpResponse(msgspec.json.encode(whole), content_type="application/json")
    elif ending == "csv":
        answer = HttpResponse(as_csv(outcome), content_type="text/csv; charset=utf-8")
    else:
        raise Http404("An experiment is kept as json or csv.")
    answer.headers["Content-Disposition"] = f'attachment; filename="experiment-{id}.{ending}"'
    return answer


def as_csv(outcome: Outcome) -> str:
    """A line for each window."""
    text, each = io.StringIO(), len(outcome.plan.values)
    lines = csv.writer(text)
    measures = [f"{measure.name} ({measure.unit})" for measure in MEASURES.values()]
    lines.writerow(["round", harmless(outcome.plan.setting_name), "started_ms", "ended_ms", *measures])
    for number, run in enumerate(outcome.runs):
        figures = [run.figures.get(name) for name in MEASURES]
        value = harmless(shown(outcome.plan.values[run.value]))
        lines.writerow([number // each + 1, value, run.started_ms, run.ended_ms, *figures])
    return text.getvalue()


def harmless(cell: str) -> str:
    """A cell that a spreadsheet takes for text, whatever somebody wrote into it.

    >>> harmless("=HYPERLINK(1)"), harmless("-1.5"), harmless("lz4")
    ("'=HYPERLINK(1)", '-1.5', 'lz4')
    """
    if cell[:1] not in ("=", "+", "-", "@", "\t", "\r") or not cell:
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
