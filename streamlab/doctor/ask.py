"""Asks a server for what the rules judge. Reads, and writes one moment's worth of keys under `sl:doctor:`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import redis
from redis.exceptions import NoPermissionError, NoScriptError, RedisError

from .. import keys
from ..connection import Connection
from ..errors import translated
from . import examine
from .cluster import ClusterFacts, NodeFacts, examine_cluster
from .facts import Facts, Finding, SlowCommand

CONFIGS = (
    *("maxmemory-policy", "appendfsync", "min-replicas-to-write", "stop-writes-on-bgsave-error"),
    *("stream-node-max-bytes", "slowlog-log-slower-than", "cluster-require-full-coverage"),
)
ROUND_TRIPS = 20
_TRIAL_MS = 10_000
_SCRIPT = b"return redis.call('EXISTS', KEYS[1])"


class Trial(NamedTuple):
    """What came of commands that write."""

    refused: tuple[str, ...]  # commands under sl:* that this user may not use
    write_error: str | None
    script_error: str | None


def findings_of(connection: Connection) -> list[Finding]:
    """Every rule's finding about a server, or about a cluster and each of its nodes.

    Raises StreamlabError only when it does not answer at all.
    """
    if connection.topology is None:
        return examine(facts_of(connection))
    return examine_cluster(cluster_facts_of(connection))


def facts_of(connection: Connection) -> Facts:
    """Everything that the server says to this user. Raises StreamlabError only when it does not answer at all."""
    client = connection.client
    with translated():
        _ping(client)
    return _facts(client, _try(client))


def cluster_facts_of(connection: Connection) -> ClusterFacts:
    """The same of each node of a cluster. Raises StreamlabError when none answers."""
    assert connection.topology is not None
    with translated():
        shards = connection.topology.shards()
        trial = _try_anywhere(connection.client)
    nodes = []
    for shard in shards:
        master = str(shard.master)
        for node in (shard.master, *shard.replicas):
            about = _facts_of_node(connection.client_of(node), trial)
            is_master = node == shard.master
            nodes.append(NodeFacts(str(node), is_master, node.host, None if is_master else master, about))
    silent = {node.name for node in nodes if node.is_master and node.facts is None}
    served = sum(
        last - first + 1 for shard in shards if str(shard.master) not in silent for first, last in shard.slots
    )
    return ClusterFacts(nodes, served)


def _facts_of_node(client: redis.Redis, trial: Trial) -> Facts | None:
    try:
        _ping(client)
        return _facts(client, trial)
    except (RedisError, OSError):
        return None
    finally:
        client.close()


def _try(client: redis.Redis) -> Trial:
    refused, write_error = _trial(client)
    return Trial(refused, write_error, _script_error(client))


def _try_anywhere(client: redis.Redis) -> Trial:
    """On whatever masters the keys of the trial fall to; one of them may be dead."""
    try:
        return _try(client)
    except (RedisError, OSError) as error:
        return Trial((), _short(error), None)


def _facts(client: redis.Redis, trial: Trial) -> Facts:
    unknown: dict[str, str] = {}
    ahead, doubt = _asked(unknown, "clock", lambda: _clock_ahead_ms(client)) or (None, 0.0)
    return Facts(
        info=_asked(unknown, "info", client.info),
        config=_asked(unknown, "config", lambda: _config(client)),
        slow=_asked(unknown, "slow", lambda: _slow(client)),
        script_error=trial.script_error,
        refused=trial.refused,
        write_error=trial.write_error,
        user=_asked(unknown, "user", lambda: _text(client.execute_command("ACL", "WHOAMI")))
        or _url_user(client),
        round_trips_ms=[_ping(client) for _ in range(ROUND_TRIPS)],
        clock_ahead_ms=ahead,
        clock_doubt_ms=doubt,
        unknown=unknown,
    )


def _asked(unknown: dict[str, str], what: str, ask: Callable[[], Any]) -> Any:
    """The answer; None, with the reason in `unknown`, when the server refuses it."""
    try:
        return ask()
    except RedisError as error:
        unknown[what] = f"the server refuses it ({_short(error)})"
        return None


def _ping(client: redis.Redis) -> float:
    """Milliseconds of one round trip. A user who may not PING gets an answer, too."""
    start = time.perf_counter()
    try:
        client.ping()
    except NoPermissionError:
        pass
    return (time.perf_counter() - start) * 1000


def _config(client: redis.Redis) -> dict[str, str]:
    """One name a command, as servers before 7.0 need it."""
    pipe = client.pipeline(transaction=False)
    for name in CONFIGS:
        pipe.execute_command("CONFIG", "GET", name)
    found: dict[str, str] = {}
    for reply in pipe.execute():
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        found |= {_text(name): _text(value) for name, value in pairs}
    return found


def _slow(client: redis.Redis) -> list[SlowCommand]:
    now_s = client.time()[0]
    entries: Any = client.slowlog_get(128)
    return [
        SlowCommand(
            max(0.0, now_s - entry["start_time"]),
            entry["duration"] / 1000,
            " ".join(_text(entry["command"]).split(" ")[:2])[:80],
        )
        for entry in entries
    ]


def _clock_ahead_ms(client: redis.Redis) -> tuple[float, float]:
    """The server's clock minus this machine's, and how much that may be wrong: of the quickest of five questions."""
    found = []
    for _ in range(5):
        start_wall, start = time.time(), time.perf_counter()
        seconds, micros = client.time()
        took = time.perf_counter() - start
        found.append((took, seconds + micros / 1e6 - (start_wall + took / 2)))
    took, ahead = min(found)
    return ahead * 1000, took * 500


def _script_error(client: redis.Redis) -> str | None:
    """None when a script can be loaded and run by its name."""
    key = keys.doctor(secrets.token_hex(4), "script")
    try:
        sha = _text(client.script_load(_SCRIPT))
        client.execute_command("EVALSHA", sha, 1, key)
    except NoScriptError:
        return "the server forgets scripts at once"
    except RedisError as error:
        return _short(error)
    return None


def _trial(client: redis.Redis) -> tuple[tuple[str, ...], str | None]:
    """Commands that this user may not use, and what else went wrong with a write."""
    token = secrets.token_hex(4)
    string, hash_, zset, set_, stream = (
        keys.doctor(token, kind) for kind in ("string", "hash", "zset", "set", "stream")
    )
    commands: list[tuple[Any, ...]] = [
        *[("SET", string, "1", "PX", _TRIAL_MS), ("GET", string), ("INCR", string)],
        *[
            ("HSET", hash_, "field", "1"),
            ("HGET", hash_, "field"),
            ("HGETALL", hash_),
            ("HDEL", hash_, "none"),
        ],
        *[("ZADD", zset, "1", "member"), ("ZRANGE", zset, "0", "-1"), ("ZREM", zset, "none")],
        *[("SADD", set_, "member"), ("SMEMBERS", set_), ("SREM", set_, "none")],
        *[("XADD", stream, "*", "field", "1"), ("XRANGE", stream, "-", "+", "COUNT", "1")],
        *[
            ("XREAD", "COUNT", "1", "STREAMS", stream, "0"),
            ("XTRIM", stream, "MAXLEN", "5"),
            ("XLEN", stream),
        ],
        *[("PEXPIRE", key, _TRIAL_MS) for key in (hash_, zset, set_, stream)],
        *[("PUBLISH", keys.doctor(token, "channel"), "1"), ("WAIT", "0", "1"), ("TIME",)],
        *[("UNLINK", key) for key in (string, hash_, zset, set_, stream)],
    ]
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    replies = pipe.execute(raise_on_error=False)
    failed = [
        (command[0], reply) for command, reply in zip(commands, replies, strict=True) if _is_error(reply)
    ]
    refused = tuple(dict.fromkeys(name for name, error in failed if isinstance(error, NoPermissionError)))
    others = [_short(error) for _, error in failed if not isinstance(error, NoPermissionError)]
    return refused, others[0] if others else None


def _is_error(reply: Any) -> bool:
    return isinstance(reply, Exception)


def _url_user(client: redis.Redis) -> str | None:
    user: str | None = client.get_connection_kwargs().get("username")
    return user


def _short(error: Exception) -> str:
    """Without the full stop, and without what redis-py puts before a server's words in a pipeline."""
    text = str(error)
    if " of pipeline caused error: " in text:
        text = text.partition(" of pipeline caused error: ")[2]
    return text.strip().rstrip(".")


def _text(data: Any) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
