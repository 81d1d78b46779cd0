"""A scenario told to a room: one caption a step beside the live charts, moved on by keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dashboard.broker import broker
from dashboard.charts import Chart, Legend, Line
from dashboard.operations.kinds.loads import NO_LAB
from dashboard.presenters import loads, story
from dashboard.presenters.commands import LAB
from streamlab.delivery.dead_letter_topics import dlq_topic
from streamlab.errors import StreamlabError
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.load import Load
from streamlab.lab.scenarios import SCENARIOS, Scenario
from streamlab.lab.scenarios.readings import NOTHING, Values, read

from . import load_marks, marks
from .database import fresh_connection
from .load import charts_of, legend, nothing
from .moments import Gone, Moment
from .page import Address, Page
from .table import link

STORY_MS = 5 * 60_000
"""So much of the past is drawn: a room looks at what happens now."""


def _scenario(address: Address) -> Scenario:
    """Raises Gone."""
    found = SCENARIOS.get(address.args["name"])
    if found is None:
        raise Gone(f"There is no scenario “{address.args['name']}”, so there is no story to tell.")
    return found


def _step(address: Address, many: int) -> int:
    """From 1; what is not there is read as the nearest."""
    asked = address.query.get("step", "1")
    return min(max(1, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 1), many)


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    scenario = _scenario(address)
    scenes = story.scenes(scenario)
    number = _step(address, len(scenes))
    scene = scenes[number - 1]
    desired, failed, no_lab = None, "", ""
    now = NOTHING
    try:
        store = Loads(broker().connection)
        desired, no_lab = store.get(scenario.name), "" if store.status() else f"{NO_LAB} {LAB}"
        load = desired.load if desired else scenario.load
        if desired is not None:
            now = read(broker().connection, scenario, load, moment.snapshot, _lag_change(moment, load))
    except StreamlabError as error:
        failed, load = str(error), scenario.load
    lever = scenario.levers[scene.lever] if scene.lever is not None else None
    button = loads.lever_button(lever, load) if lever else None
    row = loads.row(desired, now.figures, None, moment.read_at_ms) if desired else None
    pulled = bool(desired and button and button.done)
    back = {} if pulled else story.taken_back(scenario, scene, load)
    return {
        "scenario": scenario,
        "scene": scene,
        "number": number,
        "many": len(scenes),
        "steps": [
            (n, link(address, step=str(n)), n == number, n < number) for n in range(1, len(scenes) + 1)
        ],
        "previous_href": link(address, step=str(number - 1)) if number > 1 else "",
        "next_href": link(address, step=str(number + 1)) if number < len(scenes) else "",
        "runs": desired is not None,
        "failed": failed,
        "no_lab": no_lab,
        "starting": story.plain_start(load),
        "lever": lever,
        "pulled": pulled,
        "back": back,
        "look": loads.look_link(scene.look, load) if scene.look else None,
        "seen": _seen(scene, now.values, pulled, bool(back)),
        "levers": [
            (n, loads.lever_button(one, load), scenario.taken_back(n))
            for n, one in enumerate(scenario.levers)
        ],
        "recall": story.recall(scenario),
        "told": story.told(scenario, now.values),
        "rate_legend": legend(("in", row.rate if row else None), ("out", row.consumed if row else None)),
        "lag_legend": _lag_legend(scenario, row),
        "marks": load_marks.of_load(scenario.name, moment.read_at_ms - STORY_MS),
        "experiment_marks": marks.of_experiments(moment, topic=load.topic_name),
    }


def _lag_change(moment: Moment, load: Load) -> float | None:
    """Records/s. Raises StreamlabError."""
    if load.group_id not in moment.snapshot.groups:
        return None
    return moment.trends([load.group_id])[load.group_id].change_per_s


def _lag_legend(scenario: Scenario, row: loads.LoadRow | None) -> list[Legend]:
    if _is_of_deaths(scenario):
        return legend(("dead letters", row.dead if row else None))
    return legend(("lag", row.lag if row else None))


def _seen(scene: story.Scene, values: Values, pulled: bool, back: bool) -> story.Seen | None:
    """Before a lever that needs the fault is pulled: whether the fault is there (again)."""
    if scene.lever is not None and not pulled:
        return story.seen(story.FAULT, values) if scene.afresh and not back else None
    return story.seen(scene.sight, values, pulled) if scene.sight else None


def charts(moment: Moment, address: Address) -> list[Chart]:
    """Empty until the load runs; then they fill by themselves."""
    load = Load(name=_scenario(address).name)
    source = None if load.topic_name in moment.snapshot.topics else nothing
    rates, lag = charts_of(load, "story", window_ms=STORY_MS, source=source)
    if not _is_of_deaths(_scenario(address)):
        return [rates, lag]
    line = Line("dead letters", "topic", dlq_topic(load.topic_name, load.group_id), "records")
    letters = replace(
        lag, title="Dead letters", unit="letters", lines=(line,), about="Dead letters that are kept."
    )
    return [rates, letters]


def _is_of_deaths(scenario: Scenario) -> bool:
    """Whether the story speaks of dead letters and not of lag: then they are drawn in its place."""
    figures = {sight.figure for sight in scenario.sights}
    return "dying" in figures and not figures & {"lag", "lag_change"}


PAGE = Page(
    name="story",
    pattern="lab/<slug:name>/story/",
    title=lambda address: (
        SCENARIOS[address.args["name"]].title if address.args["name"] in SCENARIOS else address.args["name"]
    ),
    parts=("caption", "steps", "figures", "rate-legend", "lag-legend", "marks"),
    context=context,
    charts=charts,
    measured=False,
    under="lab",
)
