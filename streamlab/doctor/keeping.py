"""Rules about keeping what was acknowledged: memory, disk, replicas."""

from __future__ import annotations

from .facts import Facts, Finding, Level, count, unknown


def eviction(facts: Facts) -> Finding:
    policy = facts.setting("maxmemory-policy") or (facts.info or {}).get("maxmemory_policy")
    if policy is None:
        return unknown("eviction", facts, "config")
    if policy == "noeviction":
        return Finding("eviction", Level.OK, "maxmemory-policy is noeviction.")
    evicted = (facts.info or {}).get("evicted_keys", 0)
    so_far = f" It has removed {evicted} keys since it started." if evicted else ""
    every_key = not str(policy).startswith("volatile")
    return Finding(
        "eviction",
        Level.PROBLEM if every_key else Level.WARNING,
        f"maxmemory-policy is {policy}.{so_far}",
        "When memory is full, the server deletes whole partitions, commits and groups, without a word."
        if every_key
        else "When memory is full, the server deletes telemetry, snapshots and history, without a word.",
        "CONFIG SET maxmemory-policy noeviction",
    )


def append_only_file(facts: Facts) -> Finding:
    if facts.info is None:
        return unknown("append-only file", facts, "info")
    if not facts.info.get("aof_enabled"):
        return Finding(
            "append-only file",
            Level.PROBLEM,
            "appendonly is no.",
            "What was acknowledged since the last snapshot is lost when the server ends in any but good order.",
            "CONFIG SET appendonly yes",
        )
    if facts.info.get("aof_last_write_status", "ok") != "ok":
        return Finding(
            "append-only file",
            Level.PROBLEM,
            "The last write to the append-only file failed.",
            "The server refuses writes until it succeeds: most often the disk is full.",
            "Free space where INFO and CONFIG GET dir say that the file is.",
        )
    if facts.info.get("aof_last_bgrewrite_status", "ok") != "ok":
        return Finding(
            "append-only file",
            Level.WARNING,
            "The last rewrite of the append-only file failed.",
            "The file keeps growing: look for memory or disk space that the rewrite did not get.",
            "BGREWRITEAOF",
        )
    return Finding("append-only file", Level.OK, "It is on, and its last write succeeded.")


def fsync(facts: Facts) -> Finding:
    policy = facts.setting("appendfsync")
    if policy is None:
        return unknown("fsync", facts, "config")
    if facts.info is not None and not facts.info.get("aof_enabled"):
        return Finding("fsync", Level.OK, f"appendfsync is {policy}, without effect while appendonly is no.")
    if policy == "no":
        return Finding(
            "fsync",
            Level.WARNING,
            "appendfsync is no.",
            "A power cut takes what the system had not written yet, half a minute or more.",
            "CONFIG SET appendfsync everysec",
        )
    lost = "nothing acknowledged" if policy == "always" else "up to 2 s of acknowledged records"
    return Finding("fsync", Level.OK, f"appendfsync is {policy}: a power cut takes {lost}.")


def snapshots(facts: Facts) -> Finding:
    """Of the RDB file, which matters because a failed one stops all writes."""
    if facts.info is None:
        return unknown("snapshots", facts, "info")
    if facts.info.get("rdb_last_bgsave_status", "ok") == "ok":
        return Finding("snapshots", Level.OK, "The last snapshot did not fail.")
    stops = facts.setting("stop-writes-on-bgsave-error")
    if stops == "no":
        return Finding(
            "snapshots", Level.WARNING, "The last snapshot failed.", "Look into the server's log.", "BGSAVE"
        )
    return Finding(
        "snapshots",
        Level.PROBLEM,
        "The last snapshot failed.",
        "The server refuses writes until one succeeds (stop-writes-on-bgsave-error): look for disk space and memory.",
        "BGSAVE",
    )


def replicas(facts: Facts) -> Finding:
    info = facts.info
    if info is None:
        return unknown("replicas", facts, "info")
    if info.get("role") == "slave":
        return Finding(
            "replicas",
            Level.PROBLEM,
            "This server is a replica.",
            "It takes no writes.",
            f"Connect to {info.get('master_host')}:{info.get('master_port')}.",
        )
    there = int(info.get("connected_slaves", 0))
    wanted = int(facts.setting("min-replicas-to-write") or 0)
    if wanted > there:
        return Finding(
            "replicas",
            Level.PROBLEM,
            f"min-replicas-to-write is {wanted}, and {count(there, 'replica')} can be seen.",
            "The server refuses writes (NOREPLICAS).",
            f"Start replicas, or CONFIG SET min-replicas-to-write {there}",
        )
    if there == 0:
        return Finding(
            "replicas",
            Level.WARNING,
            "There is no replica.",
            "When this machine's disk is lost, so are the records; acks=all waits for this disk alone.",
            "On a second server: REPLICAOF <this host> <this port>",
        )
    if facts.setting("min-replicas-to-write") is None:
        return unknown("replicas", facts, "config", f"{count(there, 'replica')}; min-replicas-to-write")
    if wanted == 0:
        return Finding(
            "replicas",
            Level.WARNING,
            f"{count(there, 'replica')}, and min-replicas-to-write is 0.",
            "Cut off from its replicas, this server goes on taking records that a failover then loses.",
            "CONFIG SET min-replicas-to-write 1",
        )
    return Finding(
        "replicas", Level.OK, f"{count(there, 'replica')}; at least {wanted} must be there for a write."
    )


def memory(facts: Facts) -> Finding:
    info = facts.info
    if info is None:
        return unknown("memory", facts, "info")
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    machine = int(info.get("total_system_memory", 0))
    if limit == 0:
        share = used / machine if machine else 0.0
        there = _size(machine) if machine else "an unknown amount"
        says = f"{_size(used)} used, no maxmemory; the machine has {there}."
        if share <= 0.5:
            return Finding("memory", Level.OK, says)
        return Finding(
            "memory",
            Level.WARNING if share < 0.8 else Level.PROBLEM,
            says,
            "Rewriting the append-only file can need as much again, and then the system kills the server.",
            f"CONFIG SET maxmemory {max(int(machine * 0.75), used)}, or shorten retention.ms and retention.bytes",
        )
    share = used / limit
    says = f"{_size(used)} of maxmemory {_size(limit)} used ({share:.0%})."
    if share >= 0.8:
        return Finding(
            "memory",
            Level.WARNING if share < 0.95 else Level.PROBLEM,
            says,
            "At 100% with noeviction every write is refused.",
            _more_room(limit, machine),
        )
    if machine and limit > machine:
        return Finding(
            "memory",
            Level.WARNING,
            f"maxmemory {_size(limit)} is more than the machine has ({_size(machine)}).",
            "The system kills the server before the limit is reached.",
            f"CONFIG SET maxmemory {int(machine * 0.75)}",
        )
    return Finding("memory", Level.OK, says)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _more_room(limit: int, machine: int) -> str:
    """Twice as much, as far as the machine has it; a quarter of it stays free."""
    wanted = min(limit * 2, int(machine * 0.75)) if machine else limit * 2
    if wanted <= limit:
        return "Shorten retention.ms and retention.bytes, or use a larger machine."
    return f"CONFIG SET maxmemory {wanted}, or shorten retention.ms and retention.bytes"
