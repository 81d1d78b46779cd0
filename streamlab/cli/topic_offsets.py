"""`streamlab topics offsets`: the time of an offset, the offset of a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, TopicName, Url, broker_at, usage_error
from .output import moment, print_columns, print_json
from .reset_arguments import moment_ms

if TYPE_CHECKING:
    from ..broker import Broker
    from ..model import TopicPartition

    Row = tuple[TopicPartition, int | None, int | None]

OFFSETS_EXAMPLES = """\b
Examples:
  streamlab topics offsets orders                              the first and the last record of each partition
  streamlab topics offsets orders --time 2026-01-31T08:00:00   the first record appended then or later
  streamlab topics offsets orders --offset 41 --partition 3    when that record was appended
"""


def offsets(
    topic: TopicName,
    time: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="The first record appended then or later.")
    ] = None,
    offset: Annotated[
        int | None, typer.Option("--offset", metavar="N", min=0, help="When that record was appended.")
    ] = None,
    partition: Annotated[
        list[int] | None, typer.Option("--partition", metavar="N", min=0, help="May be repeated; else all.")
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """The offset of a time, or the time of an offset, in each partition; without either the first and last record."""
    if time is not None and offset is not None:
        raise usage_error("Choose one of --time and --offset.")
    at_ms = moment_ms(time, "--time") if time is not None else None
    with broker_at(url) as broker:
        rows = _rows(broker, topic, partition, at_ms, offset)
    if json:
        for place, found, appended in rows:
            print_json(
                {
                    "topic": topic,
                    "partition": place.partition,
                    "offset": found,
                    "append_ms": appended,
                }
            )
        return
    cells = [(*place, found, moment(appended)) for place, found, appended in rows]
    print_columns(("TOPIC", "PARTITION", "OFFSET", "APPENDED"), cells)


def _rows(
    broker: Broker, topic: str, numbers: list[int] | None, at_ms: int | None, offset: int | None
) -> list[Row]:
    """Raises UnknownTopicOrPartitionError."""
    from ..model import TopicPartition

    admin = broker.admin()
    wanted = (
        [TopicPartition(topic, n) for n in numbers] if numbers else list(admin.list_partition_offsets(topic))
    )
    if at_ms is not None:
        later = admin.offsets_for_times(dict.fromkeys(wanted, max(0, at_ms)))
        return [
            (p, found.offset, found.timestamp) if found else (p, None, None) for p, found in later.items()
        ]
    edges = admin.partition_offsets(wanted)
    if offset is not None:
        asked = [dict.fromkeys(wanted, offset)]
    else:
        there = [p for p in wanted if edges[p].log_end > edges[p].log_start]
        asked = [{p: edges[p].log_start for p in there}, {p: edges[p].log_end - 1 for p in there}]
    times = [admin.times_for_offsets(positions) for positions in asked]
    found: list[Row] = [
        (p, at[p], when[p]) for p in wanted for at, when in zip(asked, times, strict=True) if p in at
    ]
    return found + [(p, None, None) for p in wanted if p not in asked[0]]
