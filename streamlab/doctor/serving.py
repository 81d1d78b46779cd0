"""Rules about answering: version, scripts, rights, clock, and whatever makes a server slow."""

from __future__ import annotations

from statistics import median

from .facts import Facts, Finding, Level, count, unknown

OLDEST = (7, 0)
LARGEST_NODE_BYTES = 65_536
"""Above this a stream keeps many batches in one node, and trimming, which drops whole nodes, lags behind."""
SLOW_MS = 100.0
RECENT_S = 3_600
RIGHTS = "~sl:* &sl:* +@read +@write +@scripting +@pubsub +@connection +@transaction +wait +time +info"
"""What a user of Streamlab needs, as ACL SETUSER takes it."""


def version(facts: Facts) -> Finding:
    if facts.info is None:
        return unknown("version", facts, "info")
    name, text = "Redis", str(facts.info.get("redis_version", ""))
    if "valkey_version" in facts.info:
        name, text = "Valkey", str(facts.info["valkey_version"])
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        return Finding(
            "version",
            Level.PROBLEM,
            f"{name} {text or 'of an unknown version'} is older than {OLDEST[0]}.{OLDEST[1]}.",
            "Its scripts replicate differently, and its streams know less than Streamlab relies on.",
            "Install Redis or Valkey 7.0 or newer.",
        )
    return Finding("version", Level.OK, f"{name} {text}.")


def scripts(facts: Facts) -> Finding:
    if facts.script_error is None:
        return Finding("scripts", Level.OK, "EVALSHA works.")
    return Finding(
        "scripts",
        Level.PROBLEM,
        f"EVALSHA does not work: {facts.script_error}.",
        "Nothing can be produced or committed: every write of Streamlab is a script.",
        _grant(facts, "+@scripting"),
    )


def rights(facts: Facts) -> Finding:
    if facts.write_error is not None:
        return Finding(
            "rights",
            Level.PROBLEM,
            f"A write under sl:* fails: {facts.write_error}.",
            "Nothing can be produced or committed.",
            "See the other findings, and the server's log.",
        )
    if facts.refused is None:
        return unknown("rights", facts, "rights")
    if facts.refused:
        return Finding(
            "rights",
            Level.PROBLEM,
            f"The user {facts.user or 'default'} may not: {', '.join(facts.refused)}.",
            "What needs these commands fails.",
            _grant(facts, RIGHTS),
        )
    return Finding(
        "rights", Level.OK, f"The user {facts.user or 'default'} may do everything needed under sl:*."
    )


def clock(facts: Facts) -> Finding:
    if facts.clock_ahead_ms is None:
        return unknown("clock", facts, "clock")
    apart = abs(facts.clock_ahead_ms)
    surely = max(0.0, apart - facts.clock_doubt_ms)
    where = "ahead of" if facts.clock_ahead_ms > 0 else "behind"
    if surely < 500:
        return Finding("clock", Level.OK, f"The server's clock and this machine's differ by {apart:.0f} ms.")
    return Finding(
        "clock",
        Level.WARNING if surely < 60_000 else Level.PROBLEM,
        f"The server's clock is {apart / 1000:.1f} s {where} this machine's.",
        "Append times are the server's, record times the producer's: delays and resets by time come out wrong by that.",
        "Let NTP set both clocks (timedatectl set-ntp true).",
    )


def stream_nodes(facts: Facts) -> Finding:
    stored = facts.setting("stream-node-max-bytes")
    if stored is None:
        return unknown("stream nodes", facts, "config")
    if 0 < int(stored) <= LARGEST_NODE_BYTES:
        return Finding("stream nodes", Level.OK, f"stream-node-max-bytes is {stored}.")
    return Finding(
        "stream nodes",
        Level.WARNING,
        f"stream-node-max-bytes is {stored}{' (no limit)' if int(stored) == 0 else ''}.",
        "Retention frees memory in whole nodes, so late and in leaps.",
        "CONFIG SET stream-node-max-bytes 4096",
    )


def slow_log(facts: Facts) -> Finding:
    if facts.slow is None:
        return unknown("slow log", facts, "slow")
    threshold = facts.setting("slowlog-log-slower-than")
    if threshold is not None and int(threshold) < 0:
        return Finding(
            "slow log",
            Level.WARNING,
            "The slow log is off.",
            "Nobody will know which command held everything up.",
            "CONFIG SET slowlog-log-slower-than 10000",
        )
    recent = [slow for slow in facts.slow if slow.age_s <= RECENT_S and slow.took_ms >= SLOW_MS]
    if not recent:
        return Finding("slow log", Level.OK, f"No command took {SLOW_MS:.0f} ms or more in the last hour.")
    worst = max(recent, key=lambda slow: slow.took_ms)
    return Finding(
        "slow log",
        Level.WARNING,
        f"{count(len(recent), 'command')} took {SLOW_MS:.0f} ms or more in the last hour; "
        f"the longest, {worst.command}, {worst.took_ms:.0f} ms.",
        "While one command runs, every producer and consumer waits.",
        _hint(worst.command),
    )


def round_trip(facts: Facts) -> Finding:
    if not facts.round_trips_ms:
        return unknown("round trip", facts, "round trip")
    typical, worst = median(facts.round_trips_ms), max(facts.round_trips_ms)
    says = f"{typical:.2f} ms typically, {worst:.2f} ms at worst."
    if typical < 5:
        return Finding("round trip", Level.OK, says)
    return Finding(
        "round trip",
        Level.WARNING if typical < 100 else Level.PROBLEM,
        says,
        "Each batch and each commit takes at least one: larger batches (batch_size, linger_ms) make up for some of it.",
        "Move the program nearer to the server.",
    )


def _grant(facts: Facts, rights: str) -> str:
    return f"ACL SETUSER {facts.user or 'default'} {rights}"


_HINTS = {
    "KEYS": "Use SCAN instead of KEYS.",
    "DEL": "Use UNLINK instead of DEL for large keys.",
    "FLUSHALL": "Use FLUSHALL ASYNC.",
    "FLUSHDB": "Use FLUSHDB ASYNC.",
}


def _hint(command: str) -> str:
    name = command.split(" ")[0].upper()
    return _HINTS.get(name, "Look at all of them: SLOWLOG GET 25")
