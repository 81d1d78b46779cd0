"""`streamlab doctor`: whether a server is fit for Streamlab, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from . import FAILED
from .options import Json, Url, broker_at
from .output import print_json, safe

if TYPE_CHECKING:
    from ..doctor import Finding


def doctor(url: Url = None, json: Json = False) -> None:
    """Check the server: version, persistence, memory, rights, clock and more. Says what to change.

    Exit code 1 when there is a problem; warnings and what is unknown leave it at 0.
    """
    from ..doctor import Level
    from ..doctor.ask import findings_of

    with broker_at(url) as broker:
        findings = findings_of(broker.connection)
    for finding in findings:
        if json:
            print_json(finding._asdict())
        else:
            _show(finding)
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(FAILED)


def _show(finding: Finding) -> None:
    indent = " " * 27
    print(f"{finding.level:<8} {finding.check:<17} {safe(finding.says)}")
    if finding.means:
        print(indent + safe(finding.means))
    if finding.change:
        print(f"{indent}→ {safe(finding.change)}")
