"""Takes pictures of the server: four round trips, however many partitions there are.

1. which topics and groups there are; and the servers' own figures;
2. of each partition the commits and, at once after them, the log's edges: in this order, so that no commit
   seen lies past the end seen, and lag is never negative; then the groups; then the time, so that nothing
   seen is younger: on a cluster the latest of all masters' times;
3. the append time of the first record that each group has not consumed, where it is not known yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from typing import NamedTuple

from .. import keys
from ..clock import SYSTEM_CLOCK, Clock
from ..connection import Connection
from ..wire import Line, Request, request, requests, wire
from . import picture
from .first_unread import FirstUnread
from .picture import GroupPicture, PartitionPicture, Picture, TopicPicture

COMMANDS_A_REQUEST = 400
_META_FIELDS = ("end", "start", "ms", "bytes", "trimmed", "purged")
_NAMES = request([("HGETALL", keys.TOPICS), ("SMEMBERS", keys.GROUPS)])
_INFO = request([("INFO",)])
_TIME = request([("TIME",)])


class Layout(NamedTuple):
    """The partitions there are, and the bytes that ask for all of them."""

    raw: list[bytes]  # the reply that this was made from
    topics: dict[str, tuple[int, int]]  # name -> created_ms, number of partitions; sorted
    requests: list[Request]


class Camera:
    """Not safe to share between threads."""

    def __init__(self, connection: Connection, clock: Clock = SYSTEM_CLOCK):
        self.time_read_at = 0.0  # monotonic time at which the last picture's `as_of_ms` was read
        self._clock = clock
        self._client = connection.private_client()
        self._layout = Layout([], {}, [])
        self._reader = picture.PartitionReader()
        self._last: Picture | None = None
        self.first_unread = FirstUnread()

    def take(self) -> Picture:
        """Raises redis-py's errors. The next picture after an error starts from the last good one."""
        with wire(self._client) as line:
            topics, group_names = line.ask(_NAMES)
            infos = [info for [info] in line.ask_everywhere(_INFO)]
            self._lay_out(topics)
            taken_topics = self._topics(line)
            taken_groups = self._groups(line, sorted(name.decode() for name in group_names))
            times = line.ask_everywhere(_TIME)
            self.time_read_at = self._clock.monotonic()
            as_of_ms = max(int(seconds) * 1000 + int(micros) // 1000 for [(seconds, micros)] in times)
            taken = Picture(as_of_ms, taken_topics, taken_groups, picture.servers(infos))
            self.first_unread.look_up(taken, line)
        self._last = taken
        return taken

    def close(self) -> None:
        self._client.close()

    def _lay_out(self, reply: list[bytes]) -> None:
        if reply == self._layout.raw:
            return
        specs = picture.specs_of(reply)
        commands: list[tuple[str, ...]] = []
        for name, spec in specs.items():
            for number in range(spec.partitions):
                commands.append(("HGETALL", keys.commits(name, number)))
                commands.append(("HMGET", keys.meta(name, number), *_META_FIELDS))
        topics = {name: (spec.created_ms, spec.partitions) for name, spec in specs.items()}
        self._layout = Layout(reply, topics, requests(commands, COMMANDS_A_REQUEST))

    def _topics(self, line: Line) -> dict[str, TopicPicture]:
        replies = chain.from_iterable(line.ask_all(self._layout.requests))
        answers = zip(replies, replies, self._known(), strict=True)  # two replies for each partition
        partitions = [self._reader.partition(commits, meta, known) for commits, meta, known in answers]
        taken, at = {}, 0
        for name, (created_ms, n) in self._layout.topics.items():
            taken[name] = TopicPicture(created_ms, partitions[at : at + n])
            at += n
        return taken

    def _known(self) -> Iterator[PartitionPicture | None]:
        """What the last picture has of each partition of the layout, in its order."""
        for name, (_, n) in self._layout.topics.items():
            before = self._last.topics.get(name) if self._last else None
            yield from islice(chain(before.partitions if before else (), repeat(None)), n)

    def _groups(self, line: Line, names: list[str]) -> dict[str, GroupPicture]:
        before = self._last.groups if self._last else {}
        replies = line.ask(request(command for name in names for command in _group_commands(name)))
        return {
            name: picture.group(replies[5 * i : 5 * i + 5], before.get(name)) for i, name in enumerate(names)
        }


def _group_commands(name: str) -> Iterable[tuple[str, ...]]:
    yield "HGETALL", keys.group_meta(name)
    yield "HGETALL", keys.group_members(name)
    yield "HGETALL", keys.group_target(name)
    yield "HGETALL", keys.group_owners(name)
    yield "ZRANGE", keys.group_leases(name), "0", "-1", "WITHSCORES"
