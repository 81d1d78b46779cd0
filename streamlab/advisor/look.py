"""Reading the evidence: first what is always needed, then what only the suspicious needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple, TypeVar
from weakref import ref

import msgspec
import zstandard

from .. import key_sample, keys
from ..connection import Connection
from ..errors import StreamlabError
from ..groups.rebalances import Rebalance
from ..key_sample import Budget
from ..metrics import telemetry
from ..metrics.history import History
from ..metrics.snapshot import Snapshot, decode
from ..schemas.store import SCHEMAS_TOPIC
from . import asking_server, flows, parsing
from .asking_server import Counters
from .memory import Memory, Total
from .onset import Failed
from .parsing import NothingMeasured
from .rules import behind, burst, hot, rebalances
from .working import attempts_since, failures_since
from .world import Attempts, Happened, HeavyKey, Letters, Server, World

T = TypeVar("T")

MOST_CLIENTS = 500
"""Of more running clients those heard of last are looked at."""
PAST_MS = 65_000
HISTORY_MS = 15 * 60_000
"""Kept second by second."""
CHANGES_MS = HISTORY_MS - 2 * 60_000
"""Of older changes it is not known what was before."""
MOST_CHANGES = 100
MOST_REBALANCES = 100
MOST_SUSPECTS = 5
"""Topics whose keys, or whose letters, are sampled at one look."""
A_SAMPLE = Budget(entries=30, records=5_000, bytes=4 << 20, seconds=0.3, entries_a_partition=1_000)
SURE_RECORDS = 1_000
"""So many of a partition's records tell a key's share to one or two hundredths; thirty would to a tenth."""
LETTERS_A_PARTITION = 2
STALE_MS = 10_000


class Looked(NamedTuple):
    """What one look brought."""

    world: World
    totals: dict[str, list[Total]]  # to be remembered
    counters: dict[str, Counters]  # likewise
    failures: dict[str, list[Failed]]  # likewise
    missing: list[str]  # sentences about what could not be read


class Looker:
    """Reads the evidence. Safe to share between threads; remembers the past snapshots that it has unpacked."""

    def __init__(self, connection: Connection):
        self._of = ref(connection)  # whoever has the connection keeps the looker, not the other way round
        self._past: dict[bytes, Snapshot] = {}
        self._lock = threading.Lock()

    @property
    def _connection(self) -> Connection:
        connection = self._of()
        assert connection is not None
        return connection

    def look(self, before: Memory | None) -> Looked:
        """Raises NothingMeasured, StreamlabError."""
        missing: list[str] = []
        world = self._always(missing)
        standing = {f.group for f in before.advice.findings} if before else set()
        rebalanced = self._rebalances(world, standing)
        told = before.totals if before else {}
        totals, attempts = attempts_since(world.clients, told)
        failures = failures_since(
            totals, world.clients, told, before.failures if before else {}, world.now_ms - HISTORY_MS
        )
        server, counters = self._server(world, before, missing)
        world = replace(world, rebalances=rebalanced, attempts=attempts, server=server)
        late = _late(world)
        letters = _growing_letters(world)
        schemas: list[Happened] = []
        if letters or _fails(attempts):
            schemas = _try(missing, schemas, self._schemas)
        world = replace(
            world,
            calm_rates=_try(missing, {}, lambda: self._calm(world, late)),
            heavy_keys=_try(missing, {}, lambda: self._heavy(world, late)),
            letters=_try(missing, {}, lambda: self._letters(world, letters)),
            changes=sorted([*world.changes, *schemas], key=lambda change: -change.at_ms),
            failures=failures,
        )
        world = replace(world, deaths=_try(missing, {}, lambda: self._deaths(world, letters)))
        return Looked(world, totals, counters, failures, missing)

    # -- always ---------------------------------------------------------------------------------------------------

    def _always(self, missing: list[str]) -> World:
        stored, past, letters, topics, changes, defaults = self._connection.execute_many(
            [
                ("GET", keys.SNAPSHOT),
                ("XREVRANGE", keys.past("10s"), "+", "-", "COUNT", PAST_MS // 10_000 + 1),
                ("HGETALL", keys.DEAD_LETTER_TOPICS),
                ("HGETALL", keys.TOPICS),
                ("XREVRANGE", keys.CONFIG_EVENTS, "+", "-", "COUNT", MOST_CHANGES),
                ("HGETALL", keys.config_of("broker")),
            ]
        )
        snapshot = parsing.snapshot_of(stored)
        now_ms = self._connection.server_time_ms()
        if now_ms - snapshot.as_of_ms > STALE_MS:
            raise NothingMeasured("The sampler has stopped: its newest snapshot is too old to be judged.")
        clients = telemetry.read_figures(self._connection, MOST_CLIENTS)
        if len(clients) == MOST_CLIENTS:
            missing.append(
                f"Of more than {MOST_CLIENTS} running clients, those heard of last were looked at."
            )
        return World(
            now_ms=snapshot.as_of_ms,
            snapshot=snapshot,
            past=self._unpacked(past, snapshot.as_of_ms),
            clients={i: c for i, c in clients.items() if not c.away(now_ms)},
            dead_letters=parsing.letter_topics(letters, snapshot),
            kept=parsing.retentions(topics, defaults),
            changes=parsing.changes_since(changes, now_ms - CHANGES_MS),
        )

    def _unpacked(self, packed: Sequence[Any], now_ms: int) -> list[Snapshot]:
        """Snapshots of the last minute, oldest first; one of another version is passed over."""
        with self._lock:
            known, self._past = self._past, {}
            for id, fields in packed:
                at_ms = int(id.partition(b"-")[0])
                if not 0 < now_ms - at_ms <= PAST_MS:
                    continue
                data = fields[b"z"] if isinstance(fields, Mapping) else fields[1]
                try:
                    self._past[id] = known.get(id) or decode(zstandard.ZstdDecompressor().decompress(data))
                except (msgspec.DecodeError, zstandard.ZstdError):
                    continue
            return sorted(self._past.values(), key=lambda snapshot: snapshot.as_of_ms)

    def _rebalances(self, world: World, standing: Iterable[str]) -> dict[str, list[Rebalance]]:
        """Of the groups whose epoch has risen fast enough, and of those where something stood before."""
        then = world.past[0].groups if world.past else {}
        groups = world.snapshot.groups
        moved = [
            name
            for name, group in groups.items()
            if group.epoch - (then[name].epoch if name in then else 0) >= rebalances.REBALANCES.leave
            or name in standing
        ]
        since = f"{world.now_ms - rebalances.WINDOW_S * 1000}"
        asked = [("XREVRANGE", keys.group_events(n), "+", since, "COUNT", MOST_REBALANCES) for n in moved]
        replies = self._connection.execute_many(asked) if asked else []
        return {name: parsing.rebalanced(reply) for name, reply in zip(moved, replies, strict=True)}

    def _server(
        self, world: World, before: Memory | None, missing: list[str]
    ) -> tuple[Server, dict[str, Counters]]:
        known = before.counters if before else {}
        nothing: tuple[Server, dict[str, Counters]] = Server(), {}
        return _try(missing, nothing, lambda: asking_server.ask(self._connection, world.now_ms, known))

    # -- where something is suspicious -----------------------------------------------------------------------------

    def _calm(self, world: World, late: list[behind.Behind]) -> dict[str, float]:
        topics = sorted({found.flow.busiest_topic for found in late} - {""})
        if not topics:
            return {}
        since_ms = world.now_ms - HISTORY_MS
        series = History(self._connection).many("topic", topics, ["rate"], "1s", since_ms, world.now_ms)
        calm = {topic: parsing.calm_rate(series[topic]["rate"], burst.TIMES.enter) for topic in topics}
        return {topic: rate for topic, rate in calm.items() if rate is not None}

    def _heavy(self, world: World, late: list[behind.Behind]) -> dict[str, list[HeavyKey]]:
        wanted: dict[str, set[int]] = {}
        for found in late:
            for p in hot.hot_partitions(found.flow.partitions, found.flow.span_ms / 1000):
                wanted.setdefault(p.topic, set()).add(p.partition)
        return {
            topic: self._keys(world, topic, numbers)
            for topic, numbers in list(wanted.items())[:MOST_SUSPECTS]
        }

    def _keys(self, world: World, topic: str, numbers: set[int]) -> list[HeavyKey]:
        logs = world.snapshot.topics[topic].partitions
        kept = [p.log_end - p.log_start if p.partition in numbers else 0 for p in logs]
        sample = key_sample.sample(self._connection, topic, kept, A_SAMPLE)
        if sample.records:  # of how many entries a sample must be is known now
            by = min(SURE_RECORDS * len(numbers) / sample.records, A_SAMPLE.bytes / sample.size_bytes)
            if by > 1:
                larger = A_SAMPLE._replace(entries=ceil(A_SAMPLE.entries * by))
                sample = key_sample.sample(self._connection, topic, kept, larger)
        return [
            HeavyKey(
                key.partition,
                key.key.decode("utf-8", "backslashreplace")[:80],
                key.weight / kept[key.partition],
            )
            for key in sample.keys[:10]
            if kept[key.partition]
        ]

    def _letters(self, world: World, growing: list[tuple[str, str, str]]) -> dict[tuple[str, str], Letters]:
        found = {}
        for name, topic, group in growing[:MOST_SUSPECTS]:
            partitions = [
                p.partition for p in world.snapshot.topics[name].partitions if p.log_end > p.log_start
            ]
            newest = sorted(
                partitions,
                key=lambda n, of=name: -(world.snapshot.topics[of].partitions[n].last_append_ms or 0),  # type: ignore[misc]
            )[:10]
            replies = self._connection.execute_many(
                [("XREVRANGE", keys.log(name, n), "+", "-", "COUNT", LETTERS_A_PARTITION) for n in newest]
            )
            found[topic, group] = parsing.sample_of(name, newest, replies)
        return found

    def _deaths(
        self, world: World, growing: list[tuple[str, str, str]]
    ) -> dict[tuple[str, str], list[Failed]]:
        if not world.changes or not growing:
            return {}
        names = {name for letters, topic, _ in growing[:MOST_SUSPECTS] for name in (letters, topic)}
        since_ms = world.now_ms - HISTORY_MS
        series = History(self._connection).many(
            "topic", sorted(names), ["rate"], "1s", since_ms, world.now_ms
        )
        return {
            (topic, group): parsing.deaths_by_second(series[letters], series[topic])
            for letters, topic, group in growing[:MOST_SUSPECTS]
        }

    def _schemas(self) -> list[Happened]:
        """Versions registered in the last minutes."""
        [raw] = self._connection.execute_many(
            [("XREVRANGE", keys.log(SCHEMAS_TOPIC, 0), "+", "-", "COUNT", 10)]
        )
        oldest_ms = self._connection.server_time_ms() - CHANGES_MS
        return [
            happened for item in raw for happened in parsing.registered(item) if happened.at_ms >= oldest_ms
        ]


def _try(missing: list[str], otherwise: T, read: Callable[[], T]) -> T:
    try:
        return read()
    except StreamlabError as error:
        missing.append(f"Something could not be read: {error}")
        return otherwise


def _fails(attempts: Mapping[str, Attempts]) -> bool:
    return any(done.failed for done in attempts.values())


def _late(world: World) -> list[behind.Behind]:
    found = (behind.behind(g, world.flow(name), True) for name, g in world.snapshot.groups.items() if g.lag)
    return [late for late in found if late is not None]


def _growing_letters(world: World) -> list[tuple[str, str, str]]:
    """Topics of dead letters that came in during the last minute, with their topic and group."""
    return [
        (name, topic, group)
        for name, (topic, group) in world.dead_letters.items()
        if (counted := flows.appended(world.past, world.snapshot, name)) is not None and counted[0]
    ]
