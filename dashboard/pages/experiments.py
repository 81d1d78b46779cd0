"""Experiments: what was tried, what came of it, and what runs now."""

from __future__ import annotations

from typing import Any

from dashboard.broker import broker
from dashboard.presenters import experiments
from dashboard.presenters.words import plural
from streamlab.errors import StreamlabError
from streamlab.lab.experiments import notes

from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import Column, listing

COLUMNS = (
    Column("lever", "Lever", lambda row: f"{row.lever} {row.entity}", numeric=False),
    Column("values", "Values", lambda row: row.values, numeric=False),
    Column("state", "State", lambda row: row.status.word, numeric=False),
    Column("verdict", "Verdict", lambda row: row.verdict, numeric=False),
    Column("by", "By", lambda row: row.by, numeric=False, secondary=True),
    Column("started", "Begun", lambda row: row.started.value),
    Column("took", "Took", lambda row: row.took, secondary=True),
)


def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        note, found = notes.current(broker().connection), notes.results(broker().connection)
    except StreamlabError as error:
        return {"failed": str(error), "summary": "", "rows": [], "choices": []}
    rows = [experiments.row(outcome, note, moment.read_at_ms) for outcome in found.values()]
    listed = listing(
        rows,
        address,
        COLUMNS,
        text=lambda row: f"{row.id} {row.lever} {row.entity} {row.topic} {row.by} {row.verdict}",
        default_sort="-started",
    )
    return {
        "list": listed,
        "rows": listed.rows,
        "choices": [(row.id, f"{row.lever} of {row.entity}, {row.started.text}") for row in rows],
        "now": next((row for row in rows if note is not None and row.id == note.id), None),
        "summary": plural(len(rows), "experiment"),
    }


PAGE = Page(
    name="experiments",
    pattern="lab/experiments/",
    title=lambda address: "Experiments",
    parts=("summary", "now", "list"),
    context=context,
    measured=False,
    menu=MenuEntry("Experiments", "Lab", "x", "experiments"),
)
