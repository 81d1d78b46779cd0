"""`streamlab schemas`: list, show, register, check, delete, config."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, Url, broker_at, usage_error
from .output import moment, note, print_columns, print_json, safe

if TYPE_CHECKING:
    from ..schemas import Incompatibility, Schema, SchemaRegistry, Version

app = typer.Typer(help="Subjects and versions of the schema registry.", rich_markup_mode=None)

Subject = Annotated[str, typer.Argument(metavar="SUBJECT", help="By custom <topic>-value or <topic>-key.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="The schema; - reads it from stdin.")]
VersionNumber = Annotated[int | None, typer.Option("--version", "-v", min=1, help="Without it the latest.")]
Type = Annotated[str, typer.Option("--type", "-t", help="AVRO or JSON.")]
References = Annotated[
    list[str] | None,
    typer.Option("--reference", metavar="NAME=SUBJECT:VERSION", help="A schema that this one uses."),
]


@app.callback(invoke_without_command=True)
def schemas(context: typer.Context, url: Url = None, json: Json = False) -> None:
    """Subjects and versions of the schema registry."""
    if context.invoked_subcommand is None:
        list_subjects(url, json)


@app.command("list")
def list_subjects(
    url: Url = None,
    json: Json = False,
    deleted: Annotated[bool, typer.Option("--deleted", help="Softly deleted subjects too.")] = False,
) -> None:
    """Every subject with its latest version."""
    with _registry(url) as registry:
        names = registry.subjects(deleted=deleted)
        rows = [(registry.versions(name, deleted), registry.level(name)) for name in names]
    if json:
        for versions, level in rows:
            print_json(_words(versions[-1]) | {"versions": [v.version for v in versions], "level": level})
        return
    print_columns(
        ("SUBJECT", "TYPE", "VERSIONS", "LATEST", "ID", "LEVEL", "REGISTERED"),
        [
            (
                v[-1].subject,
                v[-1].schema.type,
                len(v),
                v[-1].version,
                v[-1].id,
                level,
                moment(v[-1].registered_ms or None),
            )
            for v, level in rows
        ],
    )


@app.command()
def show(
    subject: Subject,
    version: VersionNumber = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Softly deleted versions too.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """One version: its schema, laid out."""
    with _registry(url) as registry:
        found = registry.version(subject, version, deleted)
    if json:
        print_json(_words(found) | {"schema": found.schema.text, "fingerprint": found.fingerprint})
        return
    note(f"{safe(found.subject)} version {found.version}, id {found.id}, {found.schema.type}")
    sys.stdout.write(_laid_out(found.schema.text) + "\n")


@app.command()
def register(
    subject: Subject,
    file: File,
    type: Type = "AVRO",
    reference: References = None,
    normalize: Annotated[bool, typer.Option("--normalize", help="Store it in canonical spelling.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Add a version, unless the subject has this schema already."""
    schema = _schema(file, type, reference)
    with _registry(url, may_start=True) as registry:
        made = registry.register(subject, schema, normalize)
    if json:
        print_json(_words(made))
    else:
        note(f"{safe(subject)} version {made.version} has id {made.id}.")


@app.command()
def check(
    subject: Subject,
    file: File,
    type: Type = "AVRO",
    reference: References = None,
    version: VersionNumber = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Say whether the subject would take a schema, and every reason why not. Exit code 1 when not."""
    schema = _schema(file, type, reference)
    with _registry(url) as registry:
        level = registry.level(subject)
        found = registry.check(subject, schema, version)
    if json:
        print_json(
            {"compatible": not found, "level": level, "incompatibilities": [_reason(one) for one in found]}
        )
    elif found:
        print_columns(
            ("VERSION", "WHAT", "WHERE", "WHY"),
            [(one.version, one.kind, one.path, one.message) for one in found],
        )
    else:
        note(f"{safe(subject)} would take it ({level}).")
    if found:
        raise typer.Exit(1)


@app.command()
def delete(
    subject: Subject,
    version: VersionNumber = None,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="For good. Records written with it cannot be read any more.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Remove a version, or without --version the subject: softly, so that its ids are still read, or for good."""
    what = f"{safe(subject)} version {version}" if version else safe(subject)
    with _registry(url) as registry:
        if not yes:
            how = " for ever; records written with it cannot be read any more" if permanent else ""
            typer.confirm(f"Delete {what}{how}?", abort=True, err=True)
        if version:
            registry.delete_version(subject, version, permanent)
        else:
            registry.delete_subject(subject, permanent)
    if json:
        print_json({"subject": subject, "version": version, "deleted": True, "permanent": permanent})
    note(f"{what} has been deleted{' permanently' if permanent else ''}.")


@app.command()
def config(
    subject: Annotated[
        str | None,
        typer.Argument(metavar="[SUBJECT]", help="Without it: all that have nothing of their own."),
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", help="BACKWARD, FULL_TRANSITIVE, …; `default` takes it back.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option("--mode", help="READWRITE or READONLY; `default` takes it back.")
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Compatibility level and mode: show them, or set them."""
    from ..schemas import Level, Mode

    with _registry(url, may_start=level is not None or mode is not None) as registry:
        if level == "default":
            registry.unset_level(subject)
        elif level is not None:
            registry.set_level(_one_of(Level, level, "--level"), subject)
        if mode == "default":
            registry.unset_mode(subject)
        elif mode is not None:
            registry.set_mode(_one_of(Mode, mode, "--mode"), subject)
        now = {"subject": subject, "level": registry.level(subject), "mode": registry.mode(subject)}
    if json:
        print_json(now)
    else:
        print_columns(("SUBJECT", "LEVEL", "MODE"), [(subject or "(all)", now["level"], now["mode"])])


@contextmanager
def _registry(url: str | None, *, may_start: bool = False) -> Iterator[SchemaRegistry]:
    from ..schemas import SchemaRegistry

    with broker_at(url, may_start=may_start) as broker, SchemaRegistry(broker.connection) as registry:
        yield registry


def _schema(file: str, type: str, references: list[str] | None) -> Schema:
    from ..schemas import Schema, SchemaType

    text = sys.stdin.read() if file == "-" else Path(file).read_text()
    kind = _one_of(SchemaType, type, "--type")
    return Schema(text, kind, tuple(_referred(references)))


def _referred(given: list[str] | None) -> Iterator[Any]:
    from ..schemas import Reference

    for text in given or ():
        name, equals, target = text.partition("=")
        subject, _, version = target.rpartition(":")
        if not (equals and name and subject and version.isdigit()):
            raise usage_error(f"--reference takes NAME=SUBJECT:VERSION, not {text!r}.")
        yield Reference(name, subject, int(version))


def _one_of(kind: Any, text: str, option: str) -> Any:
    found = next((one for one in kind if one == text.upper()), None)
    if found is None:
        raise usage_error(f"{option} is one of {', '.join(kind)}, not {text!r}.")
    return found


def _words(version: Version) -> dict[str, Any]:
    return {
        "subject": version.subject,
        "version": version.version,
        "id": version.id,
        "type": version.schema.type,
        "deleted": version.deleted,
        "registered_ms": version.registered_ms or None,
        "references": [f"{r.name}={r.subject}:{r.version}" for r in version.schema.references],
    }


def _reason(one: Incompatibility) -> dict[str, Any]:
    return {"version": one.version, "kind": one.kind, "path": one.path, "message": one.message}


def _laid_out(text: str) -> str:
    """Indented JSON in ASCII: whatever strangers wrote into a schema is escaped."""
    import json

    return json.dumps(json.loads(text), indent=2)
