"""Reading the evidence: first what is always needed, then what only the suspicious needs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar
from weakref import ref

import msgspec
import zstandard

from .. import key_sample, keys
from ..configs.store import Change
from ..connection import Connection
from ..delivery.dead_letter_topics import Source
from ..delivery.letter_headers import CONNECT_CLASS, SPRING_CLASS
from ..errors import StreamlabError
from ..groups.rebalances import Rebalance
from ..key_sample import Budget
from ..log import parse_entry, records_of
from ..metrics import telemetry
from ..metrics.history import History
from ..metrics.snapshot import Snapshot, decode
from ..metrics.telemetry import ClientTelemetry
from ..model import TopicPartition
from ..schemas import entries
from ..schemas.model import Version
from ..schemas.store import SCHEMAS_TOPIC
from ..server_defaults import server_defaults
from ..topics import TopicSpec
from . import asking_server, flows
from .asking_server import Counters
from .memory import Memory, Total
from .rules import behind, failing, hot, rebalances
from .world import Attempts, Happened, HeavyKey, Kept, Letters, Server, World, worked

T = TypeVar("T")

MOST_CLIENTS = 500
"""Of more running clients those heard of last are looked at."""
PAST_MS = 65_000
CHANGES_MS = failing.SUSPECT_MS + 60_000
MOST_CHANGES = 100
MOST_REBALANCES = 100
MOST_SUSPECTS = 5
"""Topics whose keys, or whose letters, are sampled at one look."""
A_SAMPLE = Budget(entries=30, records=5_000, bytes=4 << 20, seconds=0.3)
LETTERS_A_PARTITION = 2
STALE_MS = 10_000
_CALM_WINDOW_MS = 15 * 60_000
CALM_S = 10
_ATTEMPTS_MS = (9_000, 45_000)
"""A worker's totals are compared with those of this long ago."""

_change = msgspec.json.Decoder(Change)
_rebalance = msgspec.json.Decoder(Rebalance)
_source = msgspec.json.Decoder(Source)
_spec = msgspec.json.Decoder(TopicSpec)


class NothingMeasured(Exception):
    """Raised when there is no fresh snapshot to judge. Its text says why and what to do."""


class Looked(NamedTuple):
    """What one look brought."""

    world: World
    totals: dict[str, list[Total]]  # to be remembered
    counters: dict[str, Counters]  # likewise
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
        totals, attempts = _attempts(world.clients, before.totals if before else {})
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
            changes=[*world.changes, *schemas],
        )
        return Looked(world, totals, counters, missing)

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
        snapshot = _snapshot(stored)
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
            dead_letters=_letter_topics(letters, snapshot),
            kept=_retentions(topics, defaults),
            changes=_changes(changes, now_ms),
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
        return {name: _rebalanced(reply) for name, reply in zip(moved, replies, strict=True)}

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
        since_ms = world.now_ms - _CALM_WINDOW_MS
        series = History(self._connection).many("topic", topics, ["rate"], "1s", since_ms, world.now_ms)
        calm = {topic: calm_rate(series[topic]["rate"]) for topic in topics}
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
            found[topic, group] = _sampled(name, newest, replies)
        return found

    def _schemas(self) -> list[Happened]:
        """Versions registered in the last minutes."""
        [raw] = self._connection.execute_many(
            [("XREVRANGE", keys.log(SCHEMAS_TOPIC, 0), "+", "-", "COUNT", 10)]
        )
        oldest_ms = self._connection.server_time_ms() - CHANGES_MS
        return [happened for item in raw for happened in _registered(item) if happened.at_ms >= oldest_ms]


def _try(missing: list[str], otherwise: T, read: Callable[[], T]) -> T:
    try:
        return read()
    except StreamlabError as error:
        missing.append(f"Something could not be read: {error}")
        return otherwise


def _snapshot(stored: bytes | None) -> Snapshot:
    if stored is None:
        raise NothingMeasured("Nothing was measured for a minute. Is the sampler running?")
    try:
        return decode(stored)
    except msgspec.DecodeError as error:
        raise NothingMeasured("The sampler is of another version of Streamlab than this.") from error


def _pairs(reply: Any) -> Iterable[tuple[bytes, bytes]]:
    return reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)


def _letter_topics(reply: Any, snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    found = {}
    for name, text in _pairs(reply):
        if name.decode() in snapshot.topics:
            source = _source.decode(text)
            found[name.decode()] = source.topic, source.group
    return found


def _retentions(topics: Any, defaults: Any) -> dict[str, Kept]:
    of_server = server_defaults(_pairs(defaults)).configs
    found = {}
    for name, text in _pairs(topics):
        spec = _spec.decode(text)
        if "delete" not in str(spec.configs.get("cleanup.policy", of_server.get("cleanup.policy", "delete"))):
            continue
        ms, size = (
            spec.configs.get(setting, of_server.get(setting, spec.config(setting)))
            for setting in ("retention.ms", "retention.bytes")
        )
        found[name.decode()] = Kept(int(ms), int(size))
    return found


def _changes(reply: Sequence[Any], now_ms: int) -> list[Happened]:
    found = []
    for _, fields in reply:
        fields = fields if isinstance(fields, Mapping) else dict(zip(fields[::2], fields[1::2], strict=True))
        change = _change.decode(fields[b"data"])
        if now_ms - change.at_ms > CHANGES_MS:
            break
        entity = f"{change.entity_type}:{change.entity}" if change.entity else change.entity_type
        of = f"{change.entity_type} {change.entity}".strip()
        before, after = (_quoted(v) for v in (change.before, change.after))
        says = f"{change.name} of {of} from {before} to {after}"
        found.append(Happened(change.at_ms, entity, says, change.by or ""))
    return found


def _quoted(value: str | None) -> str:
    return "its default" if value is None else value


def _registered(item: Any) -> list[Happened]:
    try:
        records = records_of(TopicPartition(SCHEMAS_TOPIC, 0), parse_entry(item))
        facts = [entries.decode(record.key, record.value)[1] for record in records]
    except (StreamlabError, msgspec.MsgspecError):
        return []
    return [
        Happened(
            fact.registered_ms, f"schema:{fact.subject}", f"version {fact.version} of schema {fact.subject}"
        )
        for fact in facts
        if isinstance(fact, Version) and not fact.deleted
    ]


def _rebalanced(reply: Sequence[Any]) -> list[Rebalance]:
    found = []
    for _, fields in reply:
        fields = fields if isinstance(fields, Mapping) else dict(zip(fields[::2], fields[1::2], strict=True))
        if fields[b"type"] == b"group.rebalanced":
            found.append(_rebalance.decode(fields[b"data"]))
    return found


def _attempts(
    clients: Mapping[str, ClientTelemetry], before: Mapping[str, list[Total]]
) -> tuple[dict[str, list[Total]], dict[str, Attempts]]:
    """What to remember of the workers' totals, and what they did since about half a minute ago."""
    totals: dict[str, list[Total]] = {}
    attempts = {}
    for instance, client in clients.items():
        if client.kind != "worker" or worked(client, "records-handled-total") is None:
            continue
        names = (
            "records-handled-total",
            "records-failed-total",
            "records-dead-total",
            "handler-timeouts-total",
        )
        now = Total(client.as_of_ms, *(worked(client, name) or 0.0 for name in names))
        known = [t for t in before.get(instance, []) if now.at_ms - t.at_ms <= _ATTEMPTS_MS[1]]
        if not known and now.at_ms - client.started_ms <= _ATTEMPTS_MS[1]:
            known = [Total(client.started_ms, 0, 0, 0, 0)]
        totals[instance] = [*known, now]
        if known and now.at_ms - known[0].at_ms >= _ATTEMPTS_MS[0]:
            attempts[instance] = _between(known[0], now)
    return totals, attempts


def _between(then: Total, now: Total) -> Attempts:
    return Attempts(
        (now.at_ms - then.at_ms) / 1000,
        *(
            max(0.0, getattr(now, name) - getattr(then, name))
            for name in ("succeeded", "failed", "dead", "timeouts")
        ),
    )


def _fails(attempts: Mapping[str, Attempts]) -> bool:
    return any(done.failed for done in attempts.values())


def _late(world: World) -> list[behind.Behind]:
    found = (behind.behind(world.snapshot.groups[name], flow, True) for name, flow in world.flows.items())
    return [late for late in found if late is not None]


def _growing_letters(world: World) -> list[tuple[str, str, str]]:
    """Topics of dead letters that came in during the last minute, with their topic and group."""
    return [
        (name, topic, group)
        for name, (topic, group) in world.dead_letters.items()
        if (counted := flows.appended(world.past, world.snapshot, name)) is not None and counted[0]
    ]


def _sampled(name: str, numbers: Sequence[int], replies: Sequence[Any]) -> Letters:
    reasons: Counter[str] = Counter()
    for number, raw in zip(numbers, replies, strict=True):
        for item in raw:
            try:
                records = records_of(TopicPartition(name, number), parse_entry(item))
            except StreamlabError:
                continue
            for record in records[-20:]:
                headers = dict(record.headers)
                reason = headers.get(SPRING_CLASS) or headers.get(CONNECT_CLASS) or b"an unknown reason"
                reasons[reason.decode("utf-8", "replace").rpartition(".")[2][:80]] += 1
    return Letters(sum(reasons.values()), reasons.most_common(3))


def calm_rate(rates: Sequence[float | None]) -> float | None:
    """The least median of ten neighbouring seconds; None: nothing came in for so long.

    A second beside one in which nothing came in is left out: somebody began or paused in it, which is not calm.

    >>> calm_rate([None, *[0.0] * 20, 25.0, *[40.0] * 12, 220.0, *[400.0] * 30])
    40.0
    >>> calm_rate([60.0] * 20 + [0.0, 7.0] + [60.0] * 20), calm_rate([5.0] * 4)
    (60.0, None)
    """
    settled = [b for a, b, c in zip(rates, rates[1:], rates[2:], strict=False) if a and b and c]
    windows = (settled[i : i + CALM_S] for i in range(len(settled) - CALM_S + 1))
    return min((sorted(window)[CALM_S // 2] for window in windows), default=None)
