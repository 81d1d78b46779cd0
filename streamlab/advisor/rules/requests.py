"""Requests that take long: the server, its disk, or the way to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ...metrics.telemetry import ClientTelemetry
from .. import words
from ..finding import Experiment, Finding, Lever, Number
from ..limits import Limit
from ..world import MOST_SLOW, SLOW_WINDOW_MS, SlowCommand, Standing, World, mean, sent

NAME = "slow-requests"
MEDIAN = Limit("request time", 20, 10, "ms", "the median of a producer's round trips in the last half minute")
TAIL = Limit(
    "request tail",
    50,
    25,
    "ms",
    "the 95th percentile of them, while slow commands take a fifth of the server's time",
)
CPU = Limit("server's processor", 0.8, 0.8, "share", "of one core, by the server")
MEMORY = Limit("server's memory", 0.9, 0.9, "share", "of maxmemory")
LIMITS = (MEDIAN, TAIL, CPU, MEMORY)
HELD_UP = 0.2
"""Slow commands explain slow requests only when they take so much of the time together."""
ENOUGH = 0.5
"""Requests a second: with fewer a median says nothing."""


def find(world: World, standing: Standing) -> Iterator[Finding]:
    asking = [
        client
        for client in world.clients.values()
        if (sent(client, "request-rate") or 0) >= ENOUGH and sent(client, "request-latency-p50") is not None
    ]
    stands = standing(NAME, "broker")
    held = held_up(world.server.slow) >= HELD_UP
    slow = [
        c
        for c in asking
        if MEDIAN.beyond(sent(c, "request-latency-p50"), stands)
        or (held and TAIL.beyond(sent(c, "request-latency-p95"), stands))
    ]
    if not slow:
        return
    if held or len(slow) * 2 > len(asking):
        yield _finding(world, slow, asking)
        return
    for client_id in sorted({client.client_id for client in slow}):
        of_client = [client for client in slow if client.client_id == client_id]
        yield _finding(world, of_client, asking, client_id)


def _finding(
    world: World, slow: list[ClientTelemetry], asking: list[ClientTelemetry], client_id: str = ""
) -> Finding:
    """`client_id`: only this one is slow; "": most are."""
    median = mean([sent(c, "request-latency-p50") for c in slow]) or 0.0
    others = mean([sent(c, "request-latency-p50") for c in asking if c not in slow])
    cause, levers = _of_one(slow[0], others) if client_id else _of_server(world, slow)
    server = world.snapshot.server
    who = f"Requests of {client_id}" if client_id else "Requests to the server"
    tail = mean([sent(c, "request-latency-p95") for c in slow])
    # while a slow command runs next to nothing is sent, so that the median may know nothing of it
    by_tail = tail is not None and median < MEDIAN.enter and held_up(world.server.slow) >= HELD_UP
    takes = (
        f"one in twenty takes {words.time(tail or 0)}"
        if by_tail
        else f"the median takes {words.time(median)}"
    )
    return Finding(
        rule=NAME,
        subject=f"client:{client_id}" if client_id else "broker",
        weight=median,
        title=f"{who}: {takes}",
        symptom=f"Of the round trips of {words.listed(sorted({c.client_id for c in slow}))} {takes}; "
        f"{words.time(MEDIAN.leave)} is much on one network.",
        cause=cause,
        judged=f"The median of a producer's round trips over half a minute is {MEDIAN.enter:g} ms or more; gone at "
        f"{MEDIAN.leave:g} ms. Or their 95th percentile is {TAIL.enter:g} ms or more and slow commands take "
        f"{words.percent(HELD_UP)} of the server's time. When most producers are slow it is the server or the network, "
        "else the one.",
        numbers=(
            Number("median round trip", median, "ms", None if by_tail else MEDIAN.enter),
            Number("of the others", others, "ms"),
            Number("95th percentile", tail, "ms", TAIL.enter if by_tail else None),
            _held("server's processor", server.cpu_share, CPU),
            _held("server's memory", _memory(world), MEMORY),
            Number("slow commands in a minute", len(world.server.slow), "commands"),
            Number("syncs that were late", world.server.fsyncs_delayed, "since the last look"),
        ),
        not_causes=_not(world),
        levers=levers,
    )


def _held(name: str, value: float | None, limit: Limit) -> Number:
    """With its limit where it is beyond it."""
    return Number(name, value, limit.unit, limit.enter if limit.beyond(value, False) else None)


def held_up(slow: Sequence[SlowCommand]) -> float:
    """The share of the last minute that slow commands took; where the server keeps no more of them, since the oldest.

    >>> held_up([SlowCommand(0, 6_000, "KEYS"), SlowCommand(30_000, 6_000, "KEYS")])
    0.2
    >>> round(held_up([SlowCommand(n * 150, 75, "KEYS") for n in range(MOST_SLOW)]), 1)
    0.5
    """
    over_ms = float(SLOW_WINDOW_MS)
    if len(slow) >= MOST_SLOW:
        begun = [command.at_ms for command in slow]
        over_ms = max(1_000.0, max(begun) - min(begun))  # their times are whole seconds
    return min(1.0, sum(command.took_ms for command in slow) / over_ms)


def _memory(world: World) -> float | None:
    server = world.snapshot.server
    return server.used_memory_bytes / server.max_memory_bytes if server.max_memory_bytes else None


def _not(world: World) -> tuple[str, ...]:
    server, cpu, said = world.server, world.snapshot.server.cpu_share, []
    if cpu is not None and cpu < CPU.enter / 2:
        said.append(f"Not the server's processor: {words.percent(cpu)} of a core.")
    if not server.slow and server.slower_than_ms is not None:
        said.append(
            f"Not one slow command: none took more than {words.time(server.slower_than_ms)} in the last minute."
        )
    if server.fsyncs_delayed == 0 and not server.rewriting:
        said.append("Not the disk: no sync was late, and nothing is rewritten.")
    return tuple(said)


def _of_one(client: ClientTelemetry, others: float | None) -> tuple[str, tuple[Lever, ...]]:
    beside = f"; the others' takes {words.time(others)}" if others is not None else ""
    return (
        f"Only this client is slow{beside}: its machine is busy, or its way to the server is long.",
        (
            Lever("Look at its machine", f"It runs on {client.host}, process {client.pid}."),
            Lever(
                "Larger batches",
                "As many records in fewer round trips: what a record waits for stays, throughput rises.",
                _larger_batches(client),
            ),
        ),
    )


def _larger_batches(client: ClientTelemetry) -> Experiment:
    now = str(client.values.get("linger_ms", "-"))
    return Experiment(f"client:{client.client_id}", "linger_ms", (now, "50"))


def _of_server(world: World, slow: list[ClientTelemetry]) -> tuple[str, tuple[Lever, ...]]:
    """The first reason that the server itself gives."""
    server, cpu, memory = world.server, world.snapshot.server.cpu_share, _memory(world)
    if server.write_error:
        return "The server could not write to its disk.", (
            Lever("Make room on the disk, see its log", "Writes are acknowledged at their usual pace."),
        )
    if memory is not None and memory >= MEMORY.enter:
        return (
            f"The server's memory is {words.percent(memory)} full: it looks for what to give up, or refuses writes.",
            (Lever("Shorter retention, or more maxmemory", "Room for what comes in."),),
        )
    if server.slow and held_up(server.slow) >= HELD_UP:
        names = Counter(command.name for command in server.slow).most_common(1)[0]
        worst = max(command.took_ms for command in server.slow)
        return (
            f"Some commands hold up all others: {names[0]} stands {names[1]} times in the slow log of the last minute, "
            f"the worst took {words.time(worst)}."
        ), (
            Lever(
                "See who sends it", "`SLOWLOG GET` names the client; everybody waits while one command runs."
            ),
        )
    if cpu is not None and cpu >= CPU.enter:
        return f"The server is busy: {words.percent(cpu)} of the one core that runs commands.", (
            Lever(
                "Larger batches",
                "A batch costs about the same whatever it holds: linger_ms, batch_size.",
                _larger_batches(slow[0]),
            ),
            Lever("More servers", "A cluster has one such core a master (docs/scaling.md)."),
        )
    if server.fsyncs_delayed or server.rewriting:
        what = "rewrites its append-only file or dumps" if server.rewriting else "waits for its disk to sync"
        return f"The server {what}.", (
            Lever("A quicker disk, or appendfsync everysec", "The disk is waited for less often."),
        )
    if any(client.values.get("acks") in (-1, "all") for client in slow):
        return "The server itself has time: acks=all waits for replicas and disk.", (
            Lever(
                "acks=1 where a loss can be borne",
                "One round trip less; records of the last moments can be lost with the server.",
                Experiment(f"client:{slow[0].client_id}", "acks", ("all", "1")),
            ),
        )
    if server.slow and cpu is not None and cpu < CPU.enter / 2:
        worst = max(command.took_ms for command in server.slow)
        return (
            f"The server's machine gives it no time: ordinary commands take up to {words.time(worst)}, and "
            "yet it uses only "
            f"{words.percent(cpu)} of a core."
        ), (
            Lever(
                "See what else runs there",
                "Redis needs a core when it needs it; nothing else should compete for it.",
            ),
        )
    return (
        "The server gives no reason: the network between, or the machines of the clients, are slow. On one "
        "machine: others use its processors."
    ), (
        Lever(
            "Measure the way",
            "`redis-cli --latency` from a client's machine: what it says, nobody can go below.",
        ),
    )
