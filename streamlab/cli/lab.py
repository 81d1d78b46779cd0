"""`streamlab lab`: scenarios and loads, started, changed while they run, stopped, shared as files."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import FAILED, complete, lab_experiment
from .lab_text import print_load, print_scenario
from .options import Json, Url, broker_at
from .output import duration, note, print_columns, print_json
from .undisturbed import Force, require_undisturbed

if TYPE_CHECKING:
    from ..lab.loads.desired import Desired
    from ..lab.loads.load import Load

app = typer.Typer(
    help="Start a scenario or a load of your own, and turn its knobs while it runs.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(lab_experiment.app, name="experiment")
ScenarioName = Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete.scenarios)]
LoadName = Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete.loads)]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Another value than the scenario's; may stand often."),
]


@app.command("run")
def run_lab(url: Url = None) -> None:
    """Run the lab's supervisor until Ctrl-C: it starts and stops what `lab start` and `lab stop` ask for."""
    import logging

    from ..lab.loads import manager

    logging.basicConfig(level=logging.WARNING, format="lab: %(message)s")
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    with broker_at(url, may_start=True) as broker:
        note("The lab is open; `streamlab lab start NAME` starts a load. Ctrl-C ends it and all loads.")
        manager.run(broker, stop)
    note("The lab is closed.")


@app.command("list")
def list_scenarios(json: Json = False) -> None:
    """The library of scenarios."""
    from ..lab.scenarios import SCENARIOS

    if json:
        for scenario in SCENARIOS.values():
            print_json({"scenario": scenario.name, "title": scenario.title, "about": scenario.about})
        return
    rows = [(s.name, s.title, s.about.partition(". ")[0].rstrip(".") + ".") for s in SCENARIOS.values()]
    print_columns(("SCENARIO", "TITLE", "WHAT GOES ON"), rows)


@app.command()
def show(name: ScenarioName, json: Json = False) -> None:
    """One scenario: its load, what to look at, what should be seen, and which lever helps."""
    import msgspec

    from ..lab.scenarios import scenario

    found = scenario(name)
    if json:
        print_json(msgspec.to_builtins(found))
    else:
        print_scenario(found)


@app.command()
def start(name: ScenarioName, change: Changes = None, url: Url = None, json: Json = False) -> None:
    """Start a scenario. It ends by itself after 30 minutes; --set minutes=N says otherwise."""
    from ..lab.loads.files import changed, parsed
    from ..lab.scenarios import scenario

    _start(changed(scenario(name).load, parsed(change or [])), url, json)


@app.command("import")
def import_load(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `lab export` writes it.")],
    change: Changes = None,
    name: Annotated[str | None, typer.Option("--name", help="Another name than the file's.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is a load.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Start the load that a file describes."""
    from ..lab.loads.files import changed, imported, parsed, renamed

    load = imported(file.read_bytes())
    load = changed(renamed(load, name) if name else load, parsed(change or []))
    if check:
        note(f"{file} is a load: {load.name}.")
        return
    _start(load, url, json)


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a load that runs, else of a scenario.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: stdout.")] = None,
    url: Url = None,
) -> None:
    """Write a load as a file: to keep it, change it in an editor, give it to somebody."""
    from ..lab.loads.files import exported
    from ..lab.scenarios import SCENARIOS

    found = _running(name, url)
    if found is None and name not in SCENARIOS:
        from ..lab.scenarios import scenario

        scenario(name)  # says which there are
    text = exported(found.load if found else SCENARIOS[name].load)
    if output is None:
        print(text, end="")
    else:
        output.write_text(text)
        note(f"{output} is the load {name}.")


@app.command()
def stop(
    name: Annotated[str | None, typer.Argument(metavar="NAME", autocompletion=complete.loads)] = None,
    all: Annotated[bool, typer.Option("--all", help="Every load that runs.")] = False,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Stop a load. Its topic and its group's commits stay, to be looked at."""
    from ..errors import IllegalStateError
    from ..lab.loads.desired import Loads
    from .options import usage_error

    if (name is None) != all:
        raise usage_error("Say which load, or --all.")
    with broker_at(url) as broker:
        loads = Loads(broker.connection)
        wanted = loads.names() if name is None else [name]
        require_undisturbed(broker, force, *(f"load {each}" for each in wanted))
        stopped = [each for each in wanted if loads.stop(each)]
        if name is not None and not stopped:
            raise IllegalStateError(f"No load {name!r} runs.")
    if json:
        print_json({"stopped": stopped})
    note(f"Stopped: {', '.join(stopped) or 'nothing, because nothing ran'}.")


@app.command()
def change(
    name: LoadName,
    changes: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE…", help="producers.rate=400 consumers.count=4")
    ],
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Change a load while it runs; it follows within a second."""
    from ..lab.loads.desired import Loads
    from ..lab.loads.files import changed, parsed

    with broker_at(url) as broker:
        loads = Loads(broker.connection)
        now = loads.require(name)
        require_undisturbed(broker, force, f"load {name}")
        after = loads.change(changed(now.load, parsed(changes)), now.version)
    if json:
        print_json(_plain(after))
    note(f"{name} is at version {after.version}.")


@app.command()
def status(url: Url = None, json: Json = False) -> None:
    """What runs, and what comes of it."""
    import msgspec

    from ..lab.loads.desired import Loads
    from ..lab.loads.figures import figures_of
    from . import snapshots

    with broker_at(url) as broker:
        loads = Loads(broker.connection)
        wanted, lab = loads.all(), loads.status()
        snapshot = (snapshots.sampled(broker) or snapshots.take(broker)) if wanted else None
        figures = {n: figures_of(broker.connection, d.load, snapshot) for n, d in wanted.items() if snapshot}
    if json:
        print_json(
            {
                "lab": {"pid": lab.pid, "host": lab.host} if lab else None,
                "loads": [
                    _plain(d)
                    | {"figures": msgspec.to_builtins(figures[name])}
                    | {"status": msgspec.to_builtins(lab.loads.get(name)) if lab else None}
                    for name, d in wanted.items()
                ],
            }
        )
    if lab is None:
        note(NO_LAB)
        if not wanted:
            raise typer.Exit(FAILED)
    if json:
        return
    if not wanted:
        print("Nothing runs.")
    for name, desired in wanted.items():
        print_load(desired, figures[name], lab.loads.get(name) if lab else None)


NO_LAB = "No lab runs, so nothing starts: `streamlab lab run` opens one; `make demo` has one."


def _start(load: Load, url: str | None, json: bool) -> None:
    from ..lab.experiments import guard
    from ..lab.loads.desired import Loads

    with broker_at(url) as broker:
        loads = Loads(broker.connection)
        desired = loads.start(load, by="cli")
        if warning := guard.look(broker.connection, f"load {load.name}").warning:
            note(warning)
        lab = loads.status()
    if json:
        print_json(_plain(desired))
    note(
        f"{load.name} starts: topic {load.topic_name}, group {load.group_id}, for {duration(load.minutes * 60_000)}."
    )
    if lab is None:
        note(NO_LAB)


def _plain(desired: Desired) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.to_builtins(desired))


def _running(name: str, url: str | None) -> Desired | None:
    """None as well where no server answers: a scenario can be written without one."""
    from ..errors import StreamlabError
    from ..lab.loads.desired import Loads

    try:
        with broker_at(url) as broker:
            return Loads(broker.connection).get(name)
    except StreamlabError:
        return None
