"""`python -m benchmarks.stories [SCENARIO …]`: is what a story of the lab says really seen when somebody plays it?

Each is played on real processes as a presenter plays it: started, looked at, waited for step by step, every lever
pulled, stopped. What a step waits for is judged by the functions of the story's page. The table says how long each step
took from when it was come to, and what the advisor named meanwhile.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboard.pages.moments import Moment
from dashboard.presenters import story
from streamlab.broker import Broker
from streamlab.lab.loads.desired import Desired, Loads
from streamlab.lab.loads.files import changed
from streamlab.lab.loads.load import Load
from streamlab.lab.scenarios import SCENARIOS, Scenario, Sight
from streamlab.lab.scenarios.readings import Values, read
from streamlab.metrics.history import History
from streamlab.metrics.newest import Newest

from . import lab

LOOK_EVERY_S = 1.0
READ_S = 10.0
"""So long a step is read aloud that waits for nothing, or says what a lever did."""
PATIENCE_S = 180.0


@dataclass
class Step:
    """One step as it was played."""

    says: str
    took_s: float | None = None  # None: it waits for nothing
    seen: bool = True
    now: str = ""  # the figure when it was seen, or given up
    between: bool = False  # no step of its own: the wait for the fault before a remedy
    named: list[str] = field(default_factory=list)  # rules that the advisor named during it, in their order

    @property
    def in_short(self) -> str:
        waited = "–" if self.took_s is None else f"{self.took_s:.0f}" if self.seen else "not seen"
        return f"{waited} {self.now}".strip()


class Player:
    """Of one story."""

    def __init__(self, broker: Broker, scenario: Scenario):
        self._broker, self._scenario, self._loads = broker, scenario, Loads(broker.connection)
        self._newest, self._history = Newest(broker.connection), History(broker.connection)
        self._named: list[str] = []
        self.steps: list[Step] = []

    def play(self) -> list[Step]:
        for scene in story.scenes(self._scenario):
            self.steps.append(step := Step(scene.says))
            self._named = step.named
            if scene.starts:
                self._loads.start(self._scenario.load, by="benchmark")
            elif scene.lever is not None:
                self._pull(step, scene)
            elif scene.sight is not None:
                self._wait(step, scene.sight)
            elif scene.stops:
                self._loads.stop(self._scenario.name)
                continue
            self._read()
        return self.steps

    def _pull(self, step: Step, scene: story.Scene) -> None:
        back = story.taken_back(self._scenario, scene, self._load)
        if back:
            self._change(back)
        if scene.afresh:
            fault = Step(f"{scene.says}: first the fault again", between=True)
            self.steps.insert(-1, fault)
            self._wait(fault, story.FAULT)
        lever = self._scenario.levers[scene.lever or 0]
        self._change(lever.changes)
        if scene.sight is not None:
            self._wait(step, scene.sight, pulled=True)
        if lever.role == "no help":
            self._read(12.0)
            step.now = f"{step.now} lag {self._values().get('lag_change') or 0:+.0f}/s".strip()

    @property
    def _load(self) -> Load:
        return self._loads.require(self._scenario.name).load

    def _change(self, changes: dict[str, str]) -> Desired:
        return self._loads.change(changed(self._load, changes))

    def _wait(self, step: Step, sight: Sight, pulled: bool = False) -> None:
        started = time.monotonic()
        while True:
            found = story.seen(sight, self._values(), pulled)
            step.took_s, step.seen, step.now = time.monotonic() - started, found.yes, f"({found.now.plain})"
            if found.yes or step.took_s > PATIENCE_S:
                return
            time.sleep(LOOK_EVERY_S)

    def _read(self, for_s: float = READ_S) -> None:
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            self._values()
            time.sleep(LOOK_EVERY_S)

    def _values(self) -> Values:
        """As the page has them; and asks the advisor, too. {}: nothing is measured yet."""
        snapshot = self._newest.get()
        if snapshot is None:
            return {}
        for finding in lab.findings(self._broker, [self._scenario.name]).get(self._scenario.name, []):
            if finding.rule not in self._named:
                self._named.append(finding.rule)
        load = self._load
        trends = Moment(snapshot, self._history).trends([load.group_id])
        change = trends[load.group_id].change_per_s
        return read(self._broker.connection, self._scenario, load, snapshot, change).values


def as_markdown(played: dict[str, list[Step]]) -> str:
    """A line for each step that waited for something, or during which the advisor named something."""
    lines = ["| scenario | step | seen after, s | the advisor named |", "|---|---|---|---|"]
    for name, steps in played.items():
        number = 0
        for step in steps:
            number += not step.between
            named = ", ".join(step.named) or "–"
            if step.now or step.named:
                lines.append(f"| {name} | {number + step.between}. {step.says} | {step.in_short} | {named} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = lab.parser("stories", __doc__ or "", SCENARIOS, together=2)
    asked = lab.parsed(parser, SCENARIOS, arguments)
    played: dict[str, list[Step]] = {}
    with lab.told_how_busy():
        for names in asked.groups:
            played |= _play(names)
        print(as_markdown(played))
    return 0


def _play(names: Sequence[str]) -> dict[str, list[Step]]:
    """Some stories side by side."""
    with lab.opened() as broker:
        players = {name: Player(broker, SCENARIOS[name]) for name in names}
        threads = [threading.Thread(target=player.play, daemon=True) for player in players.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for name, player in players.items():
        print(as_markdown({name: player.steps}), file=sys.stderr, flush=True)
    return {name: player.steps for name, player in players.items()}


if __name__ == "__main__":
    sys.exit(main())
