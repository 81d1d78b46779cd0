"""How scenarios and running loads look in a terminal."""

from __future__ import annotations

import time
from textwrap import fill
from typing import TYPE_CHECKING

from .output import UNKNOWN, duration, print_columns

if TYPE_CHECKING:
    from ..lab.loads.desired import Desired, LoadStatus
    from ..lab.loads.figures import LoadFigures
    from ..lab.loads.load import Load
    from ..lab.scenarios import Scenario


def print_scenario(scenario: Scenario) -> None:
    print(f"{scenario.title} ({scenario.name})\n")
    print(fill(scenario.about, 100))
    print("\n" + summary(scenario.load))
    print("\nLook at")
    for look in scenario.look:
        print(_item(f"{look.page}: {look.at}"))
    print("\nWhat should be seen")
    for expect in scenario.expect:
        print(_item(expect.says))
    for title, wanted in (("What can happen", ("happens",)), ("Levers", ("no help", "helps"))):
        levers = [lever for lever in scenario.levers if lever.role in wanted]
        print(f"\n{title}" if levers else "", end="\n" if levers else "")
        for lever in levers:
            print(_item(f"{lever.says}: {lever.then}"))
            changes = " ".join(f"{field}={value}" for field, value in lever.changes.items())
            print(f"      streamlab lab change {scenario.name} {changes}")
    print(f"\nStart it with: streamlab lab start {scenario.name}")


def _item(text: str) -> str:
    return fill(text, 100, initial_indent="  - ", subsequent_indent="    ")


def summary(load: Load) -> str:
    """One line: what it sends and who reads it.

    >>> from streamlab.lab.scenarios import SCENARIOS
    >>> summary(SCENARIOS["full-speed"].load)
    'As fast as it goes, records of 100 B (no keys) into 2 partitions; 1 consumer, 0 ms a record.'
    """
    sends, reads = load.producers, load.consumers
    what = f"rows of {sends.file}" if sends.file else f"{sends.size_bytes} B"
    burst = f", {sends.burst.times:g} times that for {sends.burst.for_s:g} s" if sends.burst else ""
    pace = "As fast as it goes, records" if sends.full_speed else f"{sends.rate:g} records/s"
    keyed = "no keys" if sends.keys.kind == "none" else f"{sends.keys.kind} keys"
    readers = reads.kind if reads.count == 1 else f"{reads.kind}s"
    return (
        f"{pace} of {what} ({keyed}){burst} into {load.partitions} partitions; "
        f"{reads.count} {readers}, {reads.handler_ms:g} ms a record."
    )


def print_load(desired: Desired, figures: LoadFigures, status: LoadStatus | None) -> None:
    load = desired.load
    left_ms = max(0, desired.until_ms - time.time() * 1000)
    print(f"{load.name}, version {desired.version}, ends in {duration(left_ms)}")
    print(summary(load))
    if status is not None and status.problem:
        print(f"It cannot run: {status.problem}")
    print_columns(
        ("RATE", "CONSUMED", "LAG", "TIME LAG", "RETRYING", "DEAD", "LOST"),
        [
            (
                *(figures.rate, figures.consumed_rate, figures.lag, duration(figures.time_lag_ms)),
                *(figures.retrying, figures.dead, figures.lost),
            )
        ],
    )
    if status is not None:
        runs = [f"{p.name} ({p.pid or UNKNOWN}, restarted {p.restarts} times)" for p in status.processes]
        print("Processes: " + ", ".join(runs))
    print()
