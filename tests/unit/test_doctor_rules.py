"""Each rule of the doctor, as a table: what the server says, and what is made of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamlab.doctor import RULES, Facts, Level, SlowCommand, examine, keeping, serving

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
GIB = 2**30

HEALTHY_INFO = {
    "redis_version": "7.0.15",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "role": "master",
    "connected_slaves": 1,
    "used_memory": 1 * GIB,
    "maxmemory": 4 * GIB,
    "total_system_memory": 8 * GIB,
}
HEALTHY_CONFIG = {
    "maxmemory-policy": "noeviction",
    "appendfsync": "everysec",
    "min-replicas-to-write": "1",
    "stop-writes-on-bgsave-error": "yes",
    "stream-node-max-bytes": "4096",
    "slowlog-log-slower-than": "10000",
}


def facts(info=None, config=None, **others):
    """A healthy server, but for what is given."""
    plain = {
        "slow": [],
        "refused": (),
        "round_trips_ms": [0.2] * 20,
        "clock_ahead_ms": 1.0,
        "user": "default",
    }
    return Facts(HEALTHY_INFO | (info or {}), HEALTHY_CONFIG | (config or {}), **(plain | others))


def test_a_healthy_server_is_ok_in_everything_and_nothing_is_to_be_changed():
    found = examine(facts())
    assert {(f.level, f.means, f.change) for f in found} == {(Level.OK, "", "")}


def test_a_server_that_says_nothing_is_unknown_with_the_reason():
    why = dict.fromkeys(("info", "config", "slow", "rights", "clock"), "the server refuses it")
    found = examine(Facts(unknown=why | {"round trip": "nobody asked"}))
    unknown = [f for f in found if f.level is Level.UNKNOWN]
    assert len(unknown) == len(RULES) - 1, "that a script runs is known by its error alone"
    assert all(", because " in f.says for f in unknown)


def slow(age_s=10.0, took_ms=250.0, command="KEYS *"):
    return SlowCommand(age_s, took_ms, command)


@pytest.mark.parametrize(
    ("sentence", "rule", "given", "level", "change"),
    [
        ("Redis 7.0 is new enough", serving.version, facts(), "ok", ""),
        (
            "Redis 6.2 is too old",
            serving.version,
            facts({"redis_version": "6.2.14"}),
            "problem",
            "Install Redis or",
        ),
        (
            "8.10 is newer than 7.0, as numbers go",
            serving.version,
            facts({"redis_version": "8.10.0"}),
            "ok",
            "",
        ),
        (
            "Valkey goes by its own version",
            serving.version,
            facts({"redis_version": "7.2.4", "valkey_version": "9.1.2"}),
            "ok",
            "",
        ),
        (
            "a version that is none is a problem",
            serving.version,
            facts({"redis_version": ""}),
            "problem",
            "Install",
        ),
        (
            "evicting any key loses partitions",
            keeping.eviction,
            facts(config={"maxmemory-policy": "allkeys-lru"}),
            "problem",
            "CONFIG SET maxmemory-policy noeviction",
        ),
        (
            "evicting what has a lifetime loses telemetry",
            keeping.eviction,
            facts(config={"maxmemory-policy": "volatile-ttl"}),
            "warning",
            "CONFIG SET maxmemory-policy noeviction",
        ),
        (
            "INFO knows the policy, too, where CONFIG is forbidden",
            keeping.eviction,
            Facts({"maxmemory_policy": "allkeys-lfu"}),
            "problem",
            "CONFIG SET maxmemory-policy noeviction",
        ),
        (
            "without an append-only file records are lost",
            keeping.append_only_file,
            facts({"aof_enabled": 0}),
            "problem",
            "CONFIG SET appendonly yes",
        ),
        (
            "a failed write of the file stops writes",
            keeping.append_only_file,
            facts({"aof_last_write_status": "err"}),
            "problem",
            "Free space",
        ),
        (
            "a failed rewrite lets the file grow",
            keeping.append_only_file,
            facts({"aof_last_bgrewrite_status": "err"}),
            "warning",
            "BGREWRITEAOF",
        ),
        ("fsync each second is fine", keeping.fsync, facts(), "ok", ""),
        ("fsync always is fine", keeping.fsync, facts(config={"appendfsync": "always"}), "ok", ""),
        (
            "no fsync loses half a minute",
            keeping.fsync,
            facts(config={"appendfsync": "no"}),
            "warning",
            "CONFIG SET appendfsync everysec",
        ),
        (
            "fsync says nothing of a file that is not there",
            keeping.fsync,
            facts({"aof_enabled": 0}, {"appendfsync": "no"}),
            "ok",
            "",
        ),
        (
            "a failed snapshot stops writes",
            keeping.snapshots,
            facts({"rdb_last_bgsave_status": "err"}),
            "problem",
            "BGSAVE",
        ),
        (
            "unless the server is told to go on",
            keeping.snapshots,
            facts({"rdb_last_bgsave_status": "err"}, {"stop-writes-on-bgsave-error": "no"}),
            "warning",
            "BGSAVE",
        ),
        (
            "a replica takes no writes",
            keeping.replicas,
            facts({"role": "slave", "master_host": "10.0.0.5", "master_port": 6379}),
            "problem",
            "Connect to 10.0.0.5:6379.",
        ),
        (
            "no replica is one disk away from losing everything",
            keeping.replicas,
            facts({"connected_slaves": 0}, {"min-replicas-to-write": "0"}),
            "warning",
            "REPLICAOF",
        ),
        (
            "a replica that is not required loses records in a failover",
            keeping.replicas,
            facts(config={"min-replicas-to-write": "0"}),
            "warning",
            "CONFIG SET min-replicas-to-write 1",
        ),
        (
            "more replicas required than there are refuses writes",
            keeping.replicas,
            facts(config={"min-replicas-to-write": "2"}),
            "problem",
            "CONFIG SET min-replicas-to-write 1",
        ),
        (
            "with CONFIG forbidden it is unknown whether replicas are required",
            keeping.replicas,
            Facts({"role": "master", "connected_slaves": 1}),
            "unknown",
            "",
        ),
        ("a quarter of the memory used is fine", keeping.memory, facts(), "ok", ""),
        (
            "more than four fifths is a warning",
            keeping.memory,
            facts({"used_memory": int(3.3 * GIB)}),
            "warning",
            f"CONFIG SET maxmemory {6 * GIB}, or shorten retention",
        ),
        (
            "nearly all is a problem",
            keeping.memory,
            facts({"used_memory": int(3.9 * GIB)}),
            "problem",
            f"CONFIG SET maxmemory {6 * GIB}, or shorten retention",
        ),
        (
            "where the machine has no more to give, less must be kept",
            keeping.memory,
            facts({"used_memory": int(3.9 * GIB), "total_system_memory": 4 * GIB}),
            "problem",
            "Shorten retention",
        ),
        (
            "a limit above what the machine has is no limit",
            keeping.memory,
            facts({"maxmemory": 16 * GIB}),
            "warning",
            f"CONFIG SET maxmemory {6 * GIB}",
        ),
        ("no limit is fine while little is used", keeping.memory, facts({"maxmemory": 0}), "ok", ""),
        (
            "no limit and most of the machine used is a warning",
            keeping.memory,
            facts({"maxmemory": 0, "used_memory": 5 * GIB}),
            "warning",
            f"CONFIG SET maxmemory {6 * GIB}",
        ),
        (
            "no limit and nearly all of it used is a problem",
            keeping.memory,
            facts({"maxmemory": 0, "used_memory": 7 * GIB}),
            "problem",
            f"CONFIG SET maxmemory {7 * GIB}",
        ),
        (
            "a server that does not know its machine's memory is not judged by it",
            keeping.memory,
            facts({"maxmemory": 0, "total_system_memory": 0}),
            "ok",
            "",
        ),
        (
            "without scripts nothing can be written",
            serving.scripts,
            facts(script_error="NOPERM", user="app"),
            "problem",
            "ACL SETUSER app +@scripting",
        ),
        (
            "a missing right is named with what grants it",
            serving.rights,
            facts(refused=("XADD",), user="app"),
            "problem",
            f"ACL SETUSER app {serving.RIGHTS}",
        ),
        (
            "a write that fails for another reason says so",
            serving.rights,
            facts(write_error="OOM command not allowed"),
            "problem",
            "",
        ),
        ("clocks half a second apart are fine", serving.clock, facts(clock_ahead_ms=-499.0), "ok", ""),
        ("two seconds apart is a warning", serving.clock, facts(clock_ahead_ms=2_000.0), "warning", "NTP"),
        (
            "two minutes behind is a problem",
            serving.clock,
            facts(clock_ahead_ms=-120_000.0),
            "problem",
            "NTP",
        ),
        (
            "a slow network is not taken for a wrong clock",
            serving.clock,
            facts(clock_ahead_ms=900.0, clock_doubt_ms=600.0),
            "ok",
            "",
        ),
        (
            "unlimited stream nodes free memory in leaps",
            serving.stream_nodes,
            facts(config={"stream-node-max-bytes": "0"}),
            "warning",
            "CONFIG SET stream-node-max-bytes 4096",
        ),
        (
            "large stream nodes do, too",
            serving.stream_nodes,
            facts(config={"stream-node-max-bytes": "1000000"}),
            "warning",
            "CONFIG SET stream-node-max-bytes 4096",
        ),
        ("16 KiB is fine", serving.stream_nodes, facts(config={"stream-node-max-bytes": "16384"}), "ok", ""),
        ("KEYS is slow, and there is SCAN", serving.slow_log, facts(slow=[slow()]), "warning", "Use SCAN"),
        (
            "the longest is named",
            serving.slow_log,
            facts(slow=[slow(), slow(took_ms=900, command="SORT x")]),
            "warning",
            "SLOWLOG GET",
        ),
        ("yesterday's is forgotten", serving.slow_log, facts(slow=[slow(age_s=86_400)]), "ok", ""),
        ("20 ms is nothing to speak of", serving.slow_log, facts(slow=[slow(took_ms=20)]), "ok", ""),
        (
            "a slow log that is off hides everything",
            serving.slow_log,
            facts(config={"slowlog-log-slower-than": "-1"}),
            "warning",
            "CONFIG SET slowlog-log-slower-than 10000",
        ),
        (
            "20 ms away is a warning",
            serving.round_trip,
            facts(round_trips_ms=[20.0] * 9),
            "warning",
            "nearer",
        ),
        (
            "200 ms away is a problem",
            serving.round_trip,
            facts(round_trips_ms=[200.0] * 9),
            "problem",
            "nearer",
        ),
        (
            "one slow answer is not the rule",
            serving.round_trip,
            facts(round_trips_ms=[0.2] * 9 + [300.0]),
            "ok",
            "",
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) and " " in value else "",
)
def test_what_a_rule_makes_of_it(sentence, rule, given, level, change):
    found = rule(given)
    assert (str(found.level), change in found.change) == (level, True), f"{sentence}: {found}"
    if level in ("warning", "problem"):
        assert found.means, "it says what follows"
        assert found.change or found.check == "rights", "it says what to change"


def test_every_check_stands_in_the_docs_once():
    names = [found.check for found in examine(facts())]
    assert len(set(names)) == len(RULES) == len(names)
    rows = re.findall(r"^\| ([a-z -]+) \|", DOCS[DOCS.index("## doctor") :], re.M)
    assert [name for name in names if rows.count(name) != 1] == []


def test_the_rights_that_a_user_needs_stand_in_the_docs():
    assert serving.RIGHTS in DOCS
