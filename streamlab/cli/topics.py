"""`streamlab topics`: list, create, describe, delete; what changes a topic stands in topics_change.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import complete, topic_offsets, topics_change
from .options import Json, TopicName, Url, broker_at
from .output import moment, note, print_columns, print_json, safe, size
from .undisturbed import Force, require_undisturbed

if TYPE_CHECKING:
    from ..metrics.snapshot import TopicSnapshot

app = typer.Typer(
    help="List topics; create, describe, configure, grow, purge and delete them.", rich_markup_mode=None
)

CREATE_EXAMPLES = """\b
Examples:
  streamlab topics create orders --partitions 6
  streamlab topics create prices -c cleanup.policy=compact -c min.cleanable.dirty.ratio=0.3
"""


@app.callback(invoke_without_command=True)
def topics(context: typer.Context, url: Url = None, json: Json = False, all: bool = False) -> None:
    """List topics; create, describe, configure, grow, purge and delete them."""
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


@app.command(epilog=CREATE_EXAMPLES)
def create(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    partitions: Annotated[
        int | None,
        typer.Option(
            "--partitions", "-p", min=1, help="Default: num.partitions of the server, 1 unless set."
        ),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            "-c",
            metavar="NAME=VALUE",
            autocompletion=complete.settings,
            help="For example retention.ms=86400000. As often as needed.",
        ),
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Make a topic."""
    configs = dict(topics_change.pair(text, "--config") for text in config or [])
    with broker_at(url, may_start=True) as broker:
        options = {"num_partitions": -1 if partitions is None else partitions, "configs": configs}
        made = broker.admin().create_topics({topic: options})["topics"][0]["num_partitions"]
        own = broker.admin().describe_topics([topic])[0]["configs"]
    if json:
        print_json({"topic": topic, "partitions": made, "configs": own})
    note(f"Topic {topic} has been made with {made} partition{'s' if made != 1 else ''}.")


@app.command()
def describe(topic: TopicName, url: Url = None, json: Json = False) -> None:
    """Its settings and where each is from; its partitions: where each begins and ends, and what it holds."""
    from . import snapshots

    with broker_at(url) as broker:
        found = snapshots.topic_of(snapshots.take(broker), topic)
        configs = broker.admin().describe_topic_configs(topic)
    if json:
        import msgspec

        print_json(msgspec.to_builtins(found) | {"configs": configs})
        return
    print(f"{found.topic}: {found.records} records, {size(found.size_bytes)}.")
    if found.skew:
        print(f"The fullest partition has {found.skew.max_over_mean:.2f} times the mean.")
    print(f"Read by {', '.join(map(safe, found.groups)) or 'no group'}.\n")
    print_columns(("SETTING", "VALUE", "FROM"), [(c["name"], str(c["value"]), c["source"]) for c in configs])
    print()
    _print_partitions(found)


def _print_partitions(found: TopicSnapshot) -> None:
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
    topic: TopicName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Force = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Remove a topic with all its records and what groups committed on it."""
    from . import snapshots

    with broker_at(url) as broker:
        found = snapshots.topic_of(snapshots.take(broker), topic)
        require_undisturbed(broker, force, f"topic {topic}")
        if not yes:
            typer.confirm(f"Delete {topic} with its {found.records} records for ever?", abort=True, err=True)
        broker.admin().delete_topics([topic])
    if json:
        print_json(_deleted(found))
    note(f"Topic {topic} with {found.records} records has been deleted.")


def _deleted(found: TopicSnapshot) -> dict[str, Any]:
    return {
        "topic": found.topic,
        "deleted": True,
        "partitions": len(found.partitions),
        "records": found.records,
    }


app.command("offsets", epilog=topic_offsets.OFFSETS_EXAMPLES)(topic_offsets.offsets)
app.command("configure", epilog=topics_change.CONFIGURE_EXAMPLES)(topics_change.configure)
app.command("add-partitions", epilog=topics_change.GROW_EXAMPLES)(topics_change.add_partitions)
app.command("delete-records", epilog=topics_change.PURGE_EXAMPLES)(topics_change.delete_records)
