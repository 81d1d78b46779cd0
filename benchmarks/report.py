"""The result, as a table for the terminal and as RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .findings import Figure, Finding, Outcome

RESULTS = Path(__file__).with_name("RESULTS.md")
_VERDICTS = {True: "met", False: "MISSED", None: "–"}

MEANINGS = """\
All contestants ran on one Redis in one go and took turns (A B C A B C …), each turn on an empty server with an
empty AOF. A ratio divides the two turns of the same round; shown are the median of the rounds and, in brackets, the
lowest and the highest. A target is met when the median meets it.

**produce** – records of 107 bytes (7-byte key, 100 random bytes) through `send()` from one process, until `flush()`
returns; default settings: `batch_size` 16384, `linger_ms` 5, `acks` 1, idempotent, no compression. 10,000 distinct
keys; with *every key new* each record's key is hashed afresh. Against redis-py adding one record an entry, 500
commands a pipeline, to one stream, and against `redis-benchmark -P 100` with its 50 clients doing the same. Our
records share stream entries, theirs have one each: it is that design which is measured, not `XADD`.

**consume** – the same records from 6 partitions through `poll()` with default settings in a group, from making the
consumer until everything is committed. Against redis-py `XREADGROUP` with 500 entries a read and one `XACK` with all
their ids.

**latency** – from when a record was due to be sent until `poll()` had returned it, at 1,000 records a second, sender
and receiver in two processes. An open loop: a record that could not be sent in time counts from its due time. Each
figure is the median of the rounds, so "max" is the median of their worst records; the worst of all is in the last
column.

**groups** – 12 partitions, 4 members, each polled by a thread of its own in one process, 200 records a second.
*join*: from making the fourth member until all partitions are owned again, three by each. *standstill*: from a
partition's release until it was taken, as the group records it; a partition that does not move keeps its owner epoch,
which shows that it was never let go. *takeover*: a member in a process of its own is killed with SIGKILL; until the
others own everything, less the session timeout of 2 s. It is negative when the last heartbeat was a while ago.

**worker** – the records of *consume* through a worker whose handler does nothing, one thread, from making the worker
until everything is committed; beside a loop over `poll()` that calls the same handler. *one poison record*: the
handler always fails at one of the records, which is tried four times and ends as a dead letter.

**schemas** – orders of eight fields, from dict to dict: serialised with their schema, sent, polled and deserialised in
one process, until the last one is back. *held*: on a topic with `schema.validation` = `reject`, which decodes each
value once more before it is sent.

**replay** – 10,000 dead letters of 1 kB, each with its traceback and two attempts, in 6 partitions: from counting them
until the job is done; with a worker that handles them in the same process until all are recovered. *at 500/s*: letters
over the time that the job took, its first and last chunk included.

**memory** – what a record adds to the server's data (`used_memory_dataset`), by redis-py's `XADD` of one record an
entry with two fields, and by `send()` with each codec. Records are orders as JSON with a 7-byte key and a value of
exactly 100 or 1,000 bytes; their text is well compressible, so the codecs show what they can save, not what they will.

**projections** – 50,000 events of the broker's history (attempts, deaths, replays, recoveries) from the topic into the
tables of the dashboard on SQLite, in a process of its own; the start of the process is not counted.

**snapshot** – one look of the sampler at everything: the edges, sizes and rates of all partitions, the lag and time
lag of 5 groups on each. *first*: nothing is known yet; *moving*: every group moved on every partition since the last
look; *idle*: none did.

**pages** – whole answers of every page over loopback, one after the other, by somebody who is signed in, from one real
web process; topics of 10 partitions, each read by 10 groups, and a real sampler that looks at them each second.

**sockets** – open browsers' live feeds on one web process, spread over five pages. *delay*: from the moment that the
snapshot is of until a browser has the frame that it made, taken for each browser and frame. Some of them never read.
*web process*: its CPU over the time, of one core.

**browser** – a real Chromium. *first paint*: from the click to the page's figures on the screen, each time in a browser
that has stored nothing but who is signed in; 50 topics of 10 partitions, each read by 10 groups. *dead letter*: from
the moment that its letter says that the record died until its error stands on the open page of dead letters.
"""


def as_text(outcomes: Mapping[str, Outcome]) -> str:
    """The findings in columns."""
    rows = [_finding_row(finding) for finding in _findings(outcomes)]
    table = [("part", "what", "measured", "target", ""), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[4]]).rstrip() for row in table]
    return "\n".join([*lines, *_remarks(outcomes), verdict(outcomes)])


def verdict(outcomes: Mapping[str, Outcome]) -> str:
    """
    >>> verdict({})
    'No targets.'
    """
    judged = [finding for finding in _findings(outcomes) if finding.target]
    missed = [finding for finding in judged if finding.met is False]
    unknown = [finding for finding in judged if finding.met is None]
    if not judged:
        return "No targets."
    parts = [f"{len(judged) - len(missed) - len(unknown)} of {len(judged)} targets met"]
    parts += [f"{len(missed)} missed"] if missed else []
    parts += [f"{len(unknown)} not measured"] if unknown else []
    return ", ".join(parts) + "."


def as_markdown(
    outcomes: Mapping[str, Outcome], machine: Mapping[str, str], conditions: Sequence[str]
) -> str:
    """RESULTS.md. `conditions` are sentences about the run."""
    findings = [_finding_row(finding) for finding in _findings(outcomes)]
    figures = [_figure_row(figure) for outcome in outcomes.values() for figure in outcome.figures]
    sections = [
        "# Benchmark results",
        "Written by `make bench` (or `python -m benchmarks`), which measures all of it anew on your machine.",
        verdict(outcomes),
        _table(("part", "what", "median (lowest–highest)", "target", ""), findings),
        *_remarks(outcomes),
        "## The machine",
        _table(("", ""), machine.items()),
        " ".join(conditions),
        "## What was measured",
        _table(("part", "who", "unit", "median", "lowest", "highest"), figures),
        "## What the rows mean",
        MEANINGS.strip(),
    ]
    return "\n\n".join(sections) + "\n"


def _findings(outcomes: Mapping[str, Outcome]) -> list[Finding]:
    return [finding for outcome in outcomes.values() for finding in outcome.findings]


def _remarks(outcomes: Mapping[str, Outcome]) -> list[str]:
    return [remark for outcome in outcomes.values() for remark in outcome.remarks]


def _finding_row(finding: Finding) -> tuple[str, str, str, str, str]:
    verdict = _VERDICTS[finding.met] if finding.target else ""
    return finding.part, finding.what, finding.figure, finding.target, verdict


def _figure_row(figure: Figure) -> tuple[str, ...]:
    digits = 0 if figure.unit == "rec/s" else 1 if figure.unit == "B/record" else 2
    return figure.part, figure.who, figure.unit, *(f"{value:,.{digits}f}" for value in figure.measured)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
