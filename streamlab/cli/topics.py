"""`streamlab topics`: list, create, describe, delete."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import Json, Url, broker_at, usage_error
from .output import moment, note, print_columns, print_json, size

app = typer.Typer(help="List topics; create, describe and delete them.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="TOPIC")]


@app.callback(invoke_without_command=True)
def topics(context: typer.Context, url: Url = None, json: Json = False, all: bool = False) -> None:
    """List topics; create, describe and delete them."""
    if context.invoked_subcommand is None:
        list_topics(url, json, all)


@app.command("list")
def list_topics(
    url: Url = None,
    json: Json = False,
    all: Annotated[bool, typer.Option("--all", help="Internal topics (__...) too.")] = False,
) -> None:
    """Every topic with what it holds. The rate is known while a sampler runs."""
    from . import snapshots

    with broker_at(url) as broker:
        now, sampled = snapshots.take(broker), snapshots.sampled(broker)
    rates = {name: topic.rate for name, topic in sampled.topics.items()} if sampled else {}
    shown = [topic for _, topic in sorted(now.topics.items()) if all or not topic.internal]
    if json:
        for topic in shown:
            print_json(
                {
                    "topic": topic.topic,
                    "partitions": len(topic.partitions),
                    "records": topic.records,
                    "size_bytes": topic.size_bytes,
                    "rate": rates.get(topic.topic),
                    "groups": topic.groups,
                }
            )
        return
    rows = [(t.topic, len(t.partitions), t.records, size(t.size_bytes), rates.get(t.topic)) for t in shown]
    print_columns(("TOPIC", "PARTITIONS", "RECORDS", "SIZE", "RECORDS/S"), rows)


@app.command()
def create(
    topic: Name,
    partitions: Annotated[int, typer.Option("--partitions", "-p", min=1)] = 1,
    config: Annotated[
        list[str] | None,
        typer.Option("--config", "-c", metavar="NAME=VALUE", help="For example retention.ms=86400000."),
    ] = None,
    url: Url = None,
) -> None:
    """Make a topic."""
    configs = dict(_pair(text) for text in config or [])
    with broker_at(url, may_start=True) as broker:
        broker.admin().create_topics({topic: {"num_partitions": partitions, "configs": configs}})
    note(f"Topic {topic} has been made with {partitions} partition{'s' if partitions != 1 else ''}.")


@app.command()
def describe(topic: Name, url: Url = None, json: Json = False) -> None:
    """Its partitions: where each begins and ends, what it holds, when it was last written to."""
    from . import snapshots

    with broker_at(url) as broker:
        found = snapshots.topic_of(snapshots.take(broker), topic)
        configs = _configs(broker, topic)
    if json:
        import msgspec

        print_json(msgspec.to_builtins(found) | {"configs": configs})
        return
    settings = (
        ", ".join(f"{name}={value}" for name, value in sorted(configs.items())) or "all at their defaults"
    )
    print(f"{found.topic}: {found.records} records, {size(found.size_bytes)}; settings {settings}")
    if found.skew:
        print(f"The fullest partition has {found.skew.max_over_mean:.2f} times the mean.")
    print(f"Read by {', '.join(found.groups) or 'no group'}.\n")
    print_columns(
        ("PARTITION", "LOG-START-OFFSET", "LOG-END-OFFSET", "RECORDS", "SIZE", "LAST-APPEND"),
        [
            (
                p.partition,
                p.log_start,
                p.log_end,
                p.log_end - p.log_start,
                size(p.size_bytes),
                moment(p.last_append_ms),
            )
            for p in found.partitions
        ],
    )


@app.command()
def delete(
    topic: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
) -> None:
    """Remove a topic with all its records and what groups committed on it."""
    from . import snapshots

    with broker_at(url) as broker:
        found = snapshots.topic_of(snapshots.take(broker), topic)
        if not yes:
            typer.confirm(f"Delete {topic} with its {found.records} records for ever?", abort=True, err=True)
        broker.admin().delete_topics([topic])
    note(f"Topic {topic} with {found.records} records has been deleted.")


def _configs(broker: Any, topic: str) -> dict[str, Any]:
    """What differs from the defaults."""
    from ..topics import Topics

    return dict(Topics(broker.connection).require(topic).configs)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise usage_error(f"--config takes NAME=VALUE, not {text!r}.")
    return name, value
