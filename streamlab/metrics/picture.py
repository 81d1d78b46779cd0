"""What one look at the server found, before anything is derived from it.

A picture shares the parsed parts that did not change with the picture before, so an idle broker costs next to
nothing to parse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..topics import TopicSpec, TopicState


class Position(msgspec.Struct, frozen=True, gc=False):
    """What one partition remembers of one group; the part of `model.Commit` that measuring needs."""

    offset: int  # next to read; -1: never committed
    entry: bytes  # id of the entry that holds record offset - 1; b"-": unknown
    commit_ms: int  # server time; 0: never committed


class PartitionPicture(msgspec.Struct, frozen=True, gc=False):
    log_start: int
    log_end: int
    last_append_ms: int  # 0: nothing was ever appended
    appended_bytes: int  # ever
    trimmed_bytes: int  # ever
    positions: dict[str, Position]  # by group
    raw_commits: list[bytes]  # what `positions` was parsed from: group, commit, group, commit, …
    purged: tuple[tuple[int, int], ...] = ()  # offsets [from, to) that somebody deleted; the newest few

    @property
    def records(self) -> int:
        return self.log_end - self.log_start

    @property
    def size_bytes(self) -> int:
        return self.appended_bytes - self.trimmed_bytes


class TopicPicture(msgspec.Struct, frozen=True, gc=False):
    created_ms: int  # tells a topic from an earlier one of the same name
    partitions: list[PartitionPicture]  # by number


class MemberRecord(msgspec.Struct, frozen=True, gc=False):
    """What a member wrote about itself when it joined."""

    member_id: str
    client_id: str = ""
    host: str = ""
    instance_id: str | None = None
    topics: list[str] = []


class GroupPicture(msgspec.Struct, frozen=True, gc=False):
    epoch: int
    assigned: int  # the epoch that the target was made for
    assignor: str
    members: dict[str, MemberRecord]  # by member id, those whose lease ran out included
    leases: dict[str, int]  # member id -> expiry in server ms
    target: dict[str, list[str]]  # member id -> partitions it should have, sorted
    owners: dict[str, str]  # "orders/3" -> member id
    owned: dict[str, list[str]]  # member id -> partitions it has, sorted: `owners` the other way round
    settled: bool  # everybody owns exactly what the target says
    paused: bool  # an operator wants that nobody owns anything
    raw: list[list[bytes]]  # the five replies that this was parsed from


class ServerPicture(msgspec.Struct, frozen=True, gc=False):
    """The server; on a cluster all its masters together."""

    version: str  # of several the oldest
    engine: str
    run_id: str  # another one means that the server was restarted and its counters began anew
    uptime_s: int
    used_memory_bytes: int
    max_memory_bytes: int
    clients: int
    ops_rate: float
    aof: bool
    cpu_s: float  # ever used, user and system


class Picture(msgspec.Struct, frozen=True, gc=False):
    as_of_ms: int  # server time, read last: no append seen in the picture is younger
    topics: dict[str, TopicPicture]  # sorted by name
    groups: dict[str, GroupPicture]
    server: ServerPicture


NO_GROUP = GroupPicture(0, 0, "", {}, {}, {}, {}, {}, True, False, [])
_EMPTY: list[bytes] = []
_member_decoder = msgspec.json.Decoder(MemberRecord)
_spec_decoder = msgspec.json.Decoder(TopicSpec)
_names_decoder = msgspec.json.Decoder(list[str])


def pairs(flat: Sequence[bytes]) -> zip[tuple[bytes, bytes]]:
    """A hash as the server sends it, field by field."""
    return zip(flat[::2], flat[1::2], strict=True)


def specs_of(reply: Sequence[bytes]) -> dict[str, TopicSpec]:
    """The topics of `sl:topics` that are not being deleted, sorted by name."""
    specs = {name.decode(): _spec_decoder.decode(text) for name, text in pairs(reply)}
    return {name: specs[name] for name in sorted(specs) if specs[name].state is not TopicState.DELETING}


class PartitionReader:
    """Parses partitions; keeps one str for each group's name instead of one for each place it is found."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}

    def partition(
        self, commits: list[bytes], meta: Sequence[bytes | None], before: PartitionPicture | None
    ) -> PartitionPicture:
        """`meta` is end, start, ms, bytes, trimmed, purged; all None for a partition that was never used."""
        if before is not None and before.raw_commits == commits:
            commits, positions = before.raw_commits, before.positions
        else:
            positions = self._positions(commits)
        end, start, ms, appended, trimmed, purged = meta
        return PartitionPicture(
            int(start or 0),
            int(end or 0),
            int(ms or 0),
            int(appended or 0),
            int(trimmed or 0),
            positions,
            commits,
            _ranges(purged) if purged else (),
        )

    def _positions(self, commits: list[bytes]) -> dict[str, Position]:
        names = self._names
        positions = {}
        for i in range(0, len(commits), 2):
            raw_name = commits[i]
            name = names.get(raw_name)
            if name is None:
                name = names[raw_name] = raw_name.decode()
            offset, entry, commit_ms, _ = commits[i + 1].split(b" ", 3)
            positions[name] = Position(int(offset), entry, int(commit_ms))
        return positions


def _ranges(text: bytes) -> tuple[tuple[int, int], ...]:
    """
    >>> _ranges(b"0 20 45 60")
    ((0, 20), (45, 60))
    """
    edges = [int(offset) for offset in text.split()]
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def group(replies: list[list[bytes]], before: GroupPicture | None) -> GroupPicture:
    """`replies` are meta, members, target, owners, leases of one group."""
    if before is not None and before.raw == replies:
        return before
    meta, members, target, owners, leases = replies
    if (
        before is not None and before.raw and before.raw[:4] == replies[:4]
    ):  # a heartbeat moves only the leases
        return msgspec.structs.replace(before, leases=_leases(leases), raw=replies)
    fields = dict(pairs(meta))
    shares = {member.decode(): _names_decoder.decode(text) for member, text in pairs(target)}
    owner_of = _owners(owners)
    return GroupPicture(
        epoch=int(fields.get(b"epoch", 0)),
        assigned=int(fields.get(b"assigned", 0)),
        assignor=fields.get(b"assignor", b"").decode(),
        members={member.decode(): _member_decoder.decode(text) for member, text in pairs(members)},
        leases=_leases(leases),
        target={member: sorted(partitions, key=topic_and_number) for member, partitions in shares.items()},
        owners=owner_of,
        owned=_by_owner(owner_of),
        settled=owner_of == {partition: member for member, theirs in shares.items() for partition in theirs},
        paused=b"paused" in fields,
        raw=replies,
    )


def _leases(reply: Sequence[bytes]) -> dict[str, int]:
    return {member.decode(): int(float(expiry)) for member, expiry in pairs(reply)}


def _owners(reply: Sequence[bytes]) -> dict[str, str]:
    names: dict[bytes, str] = {}  # few members own many partitions
    owners = {}
    for partition, owner in pairs(reply):
        member = owner.split(b" ", 1)[0]
        name = names.get(member)
        if name is None:
            name = names[member] = member.decode()
        owners[partition.decode()] = name
    return owners


def _by_owner(owners: Mapping[str, str]) -> dict[str, list[str]]:
    owned: dict[str, list[str]] = {}
    for partition in sorted(owners, key=topic_and_number):
        owned.setdefault(owners[partition], []).append(partition)
    return owned


def topic_and_number(partition: str) -> tuple[str, int]:
    """
    >>> sorted(["orders/10", "orders/9"], key=topic_and_number)
    ['orders/9', 'orders/10']
    """
    topic, _, number = partition.rpartition("/")
    return topic, int(number)


def servers(infos: Sequence[bytes]) -> ServerPicture:
    """From the text of each master's INFO: sums, but for what only the weakest can tell."""
    each = [server(info) for info in infos]
    if len(each) == 1:
        return each[0]
    unlimited = any(not one.max_memory_bytes for one in each)
    return ServerPicture(
        version=min((one.version for one in each), key=_numbers),
        engine=each[0].engine,
        run_id=" ".join(sorted(one.run_id for one in each)),
        uptime_s=min(one.uptime_s for one in each),
        used_memory_bytes=sum(one.used_memory_bytes for one in each),
        max_memory_bytes=0 if unlimited else sum(one.max_memory_bytes for one in each),
        clients=sum(one.clients for one in each),
        ops_rate=sum(one.ops_rate for one in each),
        aof=all(one.aof for one in each),
        cpu_s=sum(one.cpu_s for one in each),
    )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def server(info: bytes) -> ServerPicture:
    """From the text of INFO, whose lines are `name:value` and `# Section`."""
    lines = (line.partition(":") for line in info.decode().splitlines() if ":" in line)
    fields: Mapping[str, str] = {name: value for name, _, value in lines}
    valkey = fields.get("valkey_version")
    return ServerPicture(
        version=valkey or fields["redis_version"],
        engine="valkey" if valkey else "redis",
        run_id=fields["run_id"],
        uptime_s=int(fields["uptime_in_seconds"]),
        used_memory_bytes=int(fields["used_memory"]),
        max_memory_bytes=int(fields.get("maxmemory", 0)),
        clients=int(fields["connected_clients"]),
        ops_rate=float(fields["instantaneous_ops_per_sec"]),
        aof=fields.get("aof_enabled") == "1",
        cpu_s=float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"]),
    )
