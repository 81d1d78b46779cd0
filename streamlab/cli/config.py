"""`streamlab config`: settings that change while everything runs."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import FAILED
from .options import Json, Url, broker_at, usage_error
from .output import moment, note, print_columns, print_json, safe
from .undisturbed import Force, require_undisturbed

if TYPE_CHECKING:
    from ..configs.entity import Entity
    from ..configs.preview import Preview
    from ..configs.store import Change, Changed
    from ..connection import Connection

app = typer.Typer(
    help="Settings that running producers and consumers take within a second: describe, set, unset, history.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

AnyEntity = Annotated[
    str | None,
    typer.Option("--entity", metavar="ENTITY", help="broker, topic:NAME, group:NAME or client:ID."),
]
Topic = Annotated[str | None, typer.Option("--topic", metavar="NAME", help="Short for --entity topic:NAME.")]
Group = Annotated[str | None, typer.Option("--group", metavar="NAME", help="Short for --entity group:NAME.")]
Client = Annotated[str | None, typer.Option("--client", metavar="ID", help="Short for --entity client:ID.")]
Broker = Annotated[
    bool, typer.Option("--broker-default", help="Short for --entity broker: what holds for all.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="WHY", help="Kept in the history.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what it would mean for whom.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until every running client has applied it.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="S", min=0, help="How long --wait waits.")]
Version = Annotated[
    int | None,
    typer.Option(
        "--if-version", metavar="N", help="Refuse when the entity was changed since `describe` said N."
    ),
]


@app.command()
def describe(
    entity: AnyEntity = None,
    topic: Topic = None,
    group: Group = None,
    client: Client = None,
    broker_default: Broker = False,
    all: Annotated[bool, typer.Option("--all", help="Settings at their defaults, too.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """What an entity has of its own; without one, everything that anybody has."""
    from ..configs.settings import TABLES, as_text
    from ..configs.store import Configs

    asked = _asked(entity, topic, group, client, broker_default)
    if asked is None and all:
        raise usage_error("--all needs an entity.")
    with broker_at(url) as broker:
        configs = Configs(broker.connection)
        found = [configs.get(who) for who in ([asked] if asked else configs.entities())]
    if json:
        for settings in found:
            print_json(
                {"entity": str(settings.entity), "version": settings.version, "values": settings.values}
            )
        return
    rows = []
    for settings in found:
        table = TABLES[settings.entity.kind]
        for name in sorted(table if all else settings.values):
            stored = name in settings.values
            value = as_text(settings.values[name]) if stored else "-"
            meaning = table[name]
            rows.append(
                (settings.entity, name, value, as_text(meaning.default), meaning.unit or "", meaning.meaning)
            )
    print_columns(("ENTITY", "SETTING", "VALUE", "DEFAULT", "UNIT", "MEANING"), rows)
    if asked:
        note(f"Version {found[0].version} of {safe(str(asked))}.")


@app.command("set")
def set_(
    settings: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="For example linger_ms=20.")],
    entity: AnyEntity = None,
    topic: Topic = None,
    group: Group = None,
    client: Client = None,
    broker_default: Broker = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    wait: Wait = False,
    timeout: Timeout = 10.0,
    if_version: Version = None,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Give settings a value, over what programs gave their clients."""
    values = dict(_pair(text) for text in settings)
    who = _required(entity, topic, group, client, broker_default)
    _change(who, values, [], reason, dry_run, wait, timeout, if_version, force, url, json)


@app.command()
def unset(
    names: Annotated[list[str], typer.Argument(metavar="NAME...")],
    entity: AnyEntity = None,
    topic: Topic = None,
    group: Group = None,
    client: Client = None,
    broker_default: Broker = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    wait: Wait = False,
    timeout: Timeout = 10.0,
    if_version: Version = None,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Take settings back, so that what is less near, and in the end the program's own value, holds again."""
    who = _required(entity, topic, group, client, broker_default)
    _change(who, {}, names, reason, dry_run, wait, timeout, if_version, force, url, json)


@app.command()
def history(
    entity: AnyEntity = None,
    topic: Topic = None,
    group: Group = None,
    client: Client = None,
    broker_default: Broker = False,
    most: Annotated[int, typer.Option("--max", metavar="N", min=1, help="How many changes.")] = 50,
    url: Url = None,
    json: Json = False,
) -> None:
    """Who changed what, when and why; the newest first."""
    from ..configs.store import Configs

    asked = _asked(entity, topic, group, client, broker_default)
    with broker_at(url) as broker:
        found = Configs(broker.connection).history(asked, most)
    if json:
        import msgspec

        for change in found:
            print_json(msgspec.to_builtins(change))
        return
    print_columns(
        ("AT", "VERSION", "ENTITY", "SETTING", "BEFORE", "AFTER", "BY", "REASON"), [_told(c) for c in found]
    )


def _told(change: Change) -> tuple[Any, ...]:
    who = f"{change.entity_type}:{change.entity}" if change.entity else change.entity_type
    moved = (change.name, change.before, change.after, change.by, change.reason)
    return (moment(change.at_ms), change.revision, who, *moved)


def _change(
    who: Entity,
    values: dict[str, str],
    gone: list[str],
    reason: str,
    dry_run: bool,
    wait: bool,
    timeout: float,
    if_version: int | None,
    force: bool,
    url: str | None,
    json: bool,
) -> None:
    from ..configs.preview import preview
    from ..configs.store import Configs

    with broker_at(url, may_start=not dry_run) as broker:
        if dry_run:
            _show(preview(broker.connection, who, values, gone), json)
            return
        require_undisturbed(broker, force, str(who))
        done = Configs(broker.connection).change(who, values, gone, _me(), reason, if_version)
        if not done.names:
            note(f"{safe(str(who))} has that already; nothing was changed.")
        _report(broker.connection, done, wait, timeout, json)


def _report(connection: Connection, done: Changed, wait: bool, timeout: float, json: bool) -> None:
    """What was changed, and with `wait` who has applied it; fails when somebody has not."""
    from ..configs.applied import wait_until_applied

    said = wait_until_applied(connection, done, timeout) if wait and done.names else None
    if json:
        import msgspec

        answer = {"entity": str(done.entity), "version": done.version or None, "changed": done.names}
        print_json(answer | ({"acknowledged": msgspec.to_builtins(said)} if said else {}))
    elif done.names:
        print(f"{safe(str(done.entity))}: {', '.join(done.names)} changed; version {done.version}.")
    if said is None:
        return
    note(f"{str(said).capitalize()}.")
    for state in said.refused:
        for name in done.names:
            if name in state.refused:
                note(f"{safe(state.instance)} refuses it: {safe(state.refused[name])}.")
    if said.refused or said.waiting:
        raise typer.Exit(FAILED)


def _show(shown: Preview, json: bool) -> None:
    from ..configs.settings import as_text

    if json:
        import msgspec

        print_json(msgspec.to_builtins(shown))
        return
    if not shown.changes:
        print(f"{safe(shown.entity)} has that already: nothing would be changed.")
    for name, step in shown.changes.items():
        before = "not set" if step.before is None else as_text(step.before)
        after = "not set" if step.after is None else as_text(step.after)
        print(f"{safe(shown.entity)}: {name}: {before} -> {safe(after)}")
    rows: list[tuple[str, ...]] = []
    for effect in shown.effects:
        client = effect.client
        about = (client.client_id, client.kind, client.group or "-", client.host, str(client.pid))
        for name, step in effect.takes.items():
            rows.append((*about, name, f"{as_text(step.before)} -> {as_text(step.after)}"))
        for name, other in effect.hidden.items():
            rows.append((*about, name, f"keeps that of {other}"))
        rows += [(*about, name, f"refuses: {why}") for name, why in effect.refuses.items()]
    touched = sum(bool(effect.takes) for effect in shown.effects)
    print(f"Of {len(shown.effects)} running clients with these settings, {touched} would run otherwise.\n")
    if rows:
        print_columns(("CLIENT-ID", "KIND", "GROUP", "HOST", "PID", "SETTING", "EFFECT"), rows)
    note(f"Nothing was changed. To do just this: --if-version {shown.version}, without --dry-run.")


def _asked(
    entity: str | None, topic: str | None, group: str | None, client: str | None, broker_default: bool
) -> Entity | None:
    """The one entity that was named; None for none."""
    from ..configs.entity import entity as parse
    from ..errors import IllegalArgumentError

    named = [entity] if entity is not None else []
    named += [
        f"{kind}:{name}" for kind, name in (("topic", topic), ("group", group), ("client", client)) if name
    ]
    named += ["broker"] if broker_default else []
    if len(named) > 1:
        raise usage_error("Name one entity: --entity, --topic, --group, --client or --broker-default.")
    try:
        return parse(named[0]) if named else None
    except IllegalArgumentError as error:
        raise usage_error(str(error)) from None


def _required(
    entity: str | None, topic: str | None, group: str | None, client: str | None, broker_default: bool
) -> Entity:
    found = _asked(entity, topic, group, client, broker_default)
    if found is None:
        raise usage_error("Whose? Name --topic, --group, --client, --broker-default or --entity.")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise usage_error(f"Settings are NAME=VALUE, not {text!r}.")
    return name, value


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return f"uid {os.getuid()}"
