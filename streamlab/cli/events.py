"""`streamlab events` and `streamlab trace`: the broker's own history."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import FAILED
from .options import Json, Url, broker_at, usage_error
from .output import duration, moment, note, print_json, safe
from .reset_arguments import duration_ms, moment_ms

if TYPE_CHECKING:
    from ..events.history import Query, Way
    from ..events.reading import Recorded

_ENVELOPE = {"at_ms", "group", "topic", "partition", "offset", "record_id"}


def events(
    type: Annotated[
        list[str] | None,
        typer.Option(
            "--type", help="Such as record.dead_lettered, or `record.` for all that begin so; repeatable."
        ),
    ] = None,
    group: Annotated[str | None, typer.Option("--group", "-g", help="Of this group only.")] = None,
    topic: Annotated[str | None, typer.Option("--topic", "-t", help="Of this topic only.")] = None,
    record: Annotated[str | None, typer.Option("--record", metavar="ID", help="Of this record only.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="A moment, or PT1H for the last hour.")
    ] = None,
    max: Annotated[int, typer.Option("--max", "-n", min=1, help="The newest so many.")] = 1_000,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones until Ctrl-C.")] = False,
    json: Json = False,
    url: Url = None,
) -> None:
    """What happened in the broker: retries, dead letters, rebalances, changes of configuration, and more."""
    from ..events import history

    query = history.Query(_types(type), group, topic, record, _since(since))
    show = _print_json if json else _print
    with broker_at(url) as broker:
        found = history.find(broker, query, newest=max)
        for recorded in found:
            show(recorded)
        if follow:
            _follow(broker, query, show)
        elif not found:
            note("No event.")
        elif len(found) == max:
            note(f"The newest {max}; --max shows more.")


def trace(
    record_id: Annotated[str, typer.Argument(metavar="RECORD_ID", help="CloudEvents id, or orders/3@41.")],
    json: Json = False,
    url: Url = None,
) -> None:
    """The whole way of one record: produced, attempts, dead, replayed, recovered, with times."""
    from ..events import history

    with broker_at(url) as broker:
        ways = history.trace(broker, record_id)
    for way in ways:
        _print_way_json(record_id, way) if json else _print_way(record_id, way)
    if not ways:
        note(_nothing_known(safe(record_id), history.place_of(record_id) is not None))
        raise typer.Exit(FAILED)


def _nothing_known(record_id: str, is_a_place: bool) -> str:
    if is_a_place:
        return f"There is no record {record_id} (any more), and no event tells of one."
    return f"Nothing is known of {record_id}: a record that never failed is known by its place, orders/3@41."


def _types(given: list[str] | None) -> frozenset[str] | None:
    """Raises BadParameter for a type that there is not."""
    from difflib import get_close_matches

    from ..events import TYPES
    from ..events.base import PREFIX

    names = [type.removeprefix(PREFIX) for type in TYPES]
    for type in given or ():
        name = type.removeprefix(PREFIX)
        if name not in names and not any(n.startswith(name) and name.endswith(".") for n in names):
            meant = get_close_matches(name, names, 1)
            hint = f"Did you mean {meant[0]}?" if meant else f"There are: {', '.join(names)}."
            raise usage_error(f"--type {type!r}: no event is called so. {hint}")
    return frozenset(given) if given else None


def _since(text: str | None) -> int | None:
    if text is None:
        return None
    now_ms = time.time_ns() // 1_000_000
    return now_ms - duration_ms(text, "--since") if text[:1] in "Pp" else moment_ms(text, "--since")


def _follow(broker: Any, query: Query, show: Any) -> None:
    from ..events import history

    stopped: list[int] = []
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda number, _frame: stopped.append(number))
    sys.stdout.flush()
    for found in history.follow(broker, query):
        for recorded in found:
            show(recorded)
        sys.stdout.flush()
        if stopped:
            return


def _print(recorded: Recorded) -> None:
    data = recorded.data
    where = [f"{name}={safe(str(data[name]))}" for name in ("group", "topic", "record_id") if data.get(name)]
    more = [
        f"{name}={_short(value)}"
        for name, value in data.items()
        if name not in _ENVELOPE and value not in (None, [], "", {}) and value is not False
    ]
    sys.stdout.write(f"{moment(recorded.at_ms)} {safe(recorded.name)} {' '.join(where + more)}\n")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else _compact(value)
    return safe(text if len(text) <= 120 else text[:117] + "...")


def _compact(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _print_json(recorded: Recorded) -> None:
    print_json({"id": recorded.id, "type": recorded.type, "source": recorded.source, **recorded.data})


def _print_way(record_id: str, way: Way) -> None:
    sys.stdout.write(f"{safe(record_id)}: {safe(way.topic)}/{way.partition}@{way.offset}\n")
    if way.produced is None:
        sys.stdout.write("  produced: not in the log any more\n")
    else:
        sys.stdout.write(f"  {moment(way.produced.timestamp)} produced key={safe(way.produced.key)}\n")
    for step in way.steps:
        sys.stdout.write(f"  {moment(step.at_ms)} {_step(step)}\n")


def _step(step: Recorded) -> str:
    """One line of a record's way.

    >>> from streamlab.events.reading import Recorded
    >>> _step(Recorded("i", "streamlab.record.recovered", 0, "s", "x", None, {"group": "revenue", "attempt": 3}))
    'recovered in revenue, attempt 3'
    """
    data = step.data
    said = [f"{safe(step.name.partition('.')[2].replace('_', ' '))} in {safe(str(data.get('group', '?')))}"]
    if data.get("attempt") and step.name.startswith("record."):
        said.append(f"attempt {data['attempt']}")
    planned, started = data.get("planned_ms"), data.get("started_ms")
    if planned is not None and started is not None:
        said.append(f"{duration(max(0, started - planned))} after it was due")
    if data.get("exception"):
        said.append(f"{safe(data['exception'])}: {_short(data.get('message') or '')}")
    said += [
        f"{name} {safe(str(data[name]))}" for name in ("cause", "reason", "to_topic", "by") if data.get(name)
    ]
    if step.name == "record.dead_lettered" and data.get("dlq_offset") is not None:
        said.append(f"lies at {safe(data['dlq_topic'])}/{data['dlq_partition']}@{data['dlq_offset']}")
    if data.get("due_ms"):
        said.append(f"next at {moment(data['due_ms'])}")
    return ", ".join(said)


def _print_way_json(record_id: str, way: Way) -> None:
    produced = way.produced
    print_json(
        {
            "record_id": record_id,
            "topic": way.topic,
            "partition": way.partition,
            "offset": way.offset,
            "produced_ms": None if produced is None else produced.timestamp,
            "steps": [{"id": s.id, "type": s.type, **s.data} for s in way.steps],
        }
    )
