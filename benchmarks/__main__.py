"""`python -m benchmarks [PART …] [--quick]`. A missed target is said, never an exit code."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime

from . import (
    browser,
    cluster,
    consume,
    groups,
    latency,
    machine,
    memory,
    pages,
    produce,
    projections,
    replay,
    report,
    schemas,
    snapshot,
    sockets,
    worker,
)
from .findings import Outcome
from .scale import FULL, QUICK
from .server import own_server

PARTS = {
    module.PART: module.run
    for module in (
        produce,
        consume,
        latency,
        memory,
        groups,
        worker,
        replay,
        projections,
        schemas,
        snapshot,
        pages,
        sockets,
        browser,
        cluster,
    )
}


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    scale = QUICK if asked.quick else FULL
    names = [name for name in PARTS if name in asked.parts or not asked.parts]
    load_at_start = machine.load()
    if machine.busy(load_at_start):
        _say(f"The machine is busy (load average {load_at_start:.2f}): expect the figures to be off.")
    outcomes: dict[str, Outcome] = {}
    with own_server() as server:
        facts = machine.facts(server.version)
        for name in names:
            started = time.monotonic()
            _say(f"{name} …")
            outcomes[name] = PARTS[name](server, scale)
            _say(f"{name} took {time.monotonic() - started:.0f} s")
    print(report.as_text(outcomes))
    if asked.quick or len(names) < len(PARTS):
        print("Not kept: benchmarks/RESULTS.md is written by a full run of all parts.")
        return 0
    report.RESULTS.write_text(report.as_markdown(outcomes, facts, _conditions(load_at_start)))
    print(f"Written to {report.RESULTS}.")
    return 0


def _conditions(load_at_start: float) -> list[str]:
    said = [
        f"Run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        f"Load average {load_at_start:.2f} at the start, {machine.load():.2f} at the end.",
    ]
    if machine.busy(load_at_start):
        said.append("**The machine was busy with something else: the figures are not to be trusted.**")
    return said


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Streamlab.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="small counts: shows only that it runs")
    return parser


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
