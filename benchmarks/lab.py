"""What is measured on the lab: a server of its own with sampler and lab, and scenarios on it, some at a time."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import streamlab
from streamlab.advisor import NothingMeasured, advise
from streamlab.advisor.finding import Finding
from streamlab.broker import Broker
from streamlab.processes import dies_with_parent

from . import machine
from .server import own_server


def parser(module: str, about: str, scenarios: Collection[str], together: int) -> argparse.ArgumentParser:
    """Of a command that takes some of these scenarios, `together` at a time unless told otherwise."""
    found = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=about)
    found.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(scenarios))
    found.add_argument(
        "--together", type=int, default=together, help="scenarios at a time (the lab runs 3 at most)"
    )
    return found


def parsed(
    parser: argparse.ArgumentParser, scenarios: Collection[str], arguments: Sequence[str] | None
) -> argparse.Namespace:
    """With `groups`: names of the scenarios that were asked for, else of all, some together.

    >>> asked = parsed(parser("x", "", ["a", "b", "c"], together=2), ["a", "b", "c"], [])
    >>> asked.groups
    [['a', 'b'], ['c']]

    Ends the program with a sentence where there is no such scenario.
    """
    asked = parser.parse_args(arguments)
    if unknown := set(asked.scenarios) - set(scenarios):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    names = [name for name in scenarios if name in asked.scenarios or not asked.scenarios]
    asked.groups = [names[first : first + asked.together] for first in range(0, len(names), asked.together)]
    return asked


@contextmanager
def told_how_busy() -> Iterator[None]:
    """Around all of it: says on stderr what else the machine did. Who is terminated leaves no process behind."""
    logging.disable(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"Load average {machine.load():.2f} at the start.", file=sys.stderr)
    yield
    print(f"\nLoad average {machine.load():.2f} at the end.", file=sys.stderr)


@contextmanager
def opened() -> Iterator[Broker]:
    """An empty server with a sampler and a lab, until the block ends."""
    with own_server() as server, _running(server.url), streamlab.connect(server.url) as broker:
        yield broker


@contextmanager
def _running(url: str) -> Iterator[None]:
    environment = os.environ | {"STREAMLAB_URL": url}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "streamlab", *command],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=dies_with_parent(),
        )
        for command in (["sampler"], ["lab", "run"])
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def findings(broker: Broker, names: Sequence[str]) -> dict[str, list[Finding]]:
    """What the advisor says of each scenario; of the whole server it says it of all. {}: nothing is measured yet."""
    try:
        found = advise(broker.connection).findings
    except NothingMeasured:
        return {}
    return {name: [finding for finding in found if _is_about(finding, name)] for name in names}


def _is_about(finding: Finding, name: str) -> bool:
    named = f"{finding.subject} {finding.group} {finding.topic}"
    return f"lab-{name}" in named or finding.subject == "broker"
