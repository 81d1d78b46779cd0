"""Carries what scripts did from their outboxes to the topic of events.

A script that changes a group, a topic or the configuration leaves an entry in a stream beside it, in the same moment:
the change and its entry happen together or not at all. The relay carries those entries on:

    read entries behind the place → write them to the journal → flush → remember the place, in the outbox's slot

A crash between the last two repeats entries. Their id is the outbox's name and the entry's id, so a repeat is known
for one, and each entry has its effect once. The sampler that has the lease runs the relay each second; an outbox
without news costs one command in a pipeline.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import KafkaTimeoutError, StreamlabError
from ..model import EntryId
from .base import full_type
from .envelope import Letter, letter
from .journal import Journal
from .reading import event_of

AT_ONCE = 200
"""Entries of one outbox in one reading."""
EVERY_S = 1.0
FLUSH_S = 10.0
CLOSE_S = 0.5
START = "0-0"

log = logging.getLogger("streamlab.events")


class Outbox(NamedTuple):
    """A stream that scripts leave entries in. Fields of an entry: `type`, and `data` as JSON."""

    name: str  # first part of the ids of its events
    stream: str  # key
    place: str  # key of the id of the last entry that was carried
    group: str | None = None  # whose it is


BROKER_OUTBOXES = (
    Outbox("topics", keys.TOPICS_EVENTS, keys.TOPICS_RELAYED),
    Outbox("config", keys.CONFIG_EVENTS, keys.CONFIG_RELAYED),
    Outbox("schemas", keys.SCHEMAS_EVENTS, keys.SCHEMAS_RELAYED),
)


class Relay:
    """Not safe to share between threads."""

    def __init__(self, connection: Connection, journal: Journal | None = None):
        self._connection = connection
        self._journal = journal or Journal(connection, of="sampler")
        self._client = connection.private_client()
        self._places: dict[str, str] = {}  # stream → id of the last entry carried; as read at the first look
        self._pending: dict[Outbox, str] = {}  # written to the journal, not known to be stored
        self._deleted: set[str] = set()  # groups that are no more, whose outbox is

    def carry(self) -> int:
        """Carry all that waits; how many entries. Raises StreamlabError; the rest is carried by the next call."""
        self._confirm()
        carried = 0
        outboxes: Sequence[Outbox] = self._outboxes()
        while outboxes:
            found = self._read(outboxes)
            for outbox, entries in found.items():
                for entry_id, fields in entries:
                    self._journal.write(letter_from(outbox, entry_id, fields))
                self._pending[outbox] = _text(entries[-1][0])
                carried += len(entries)
            self._confirm()
            outboxes = [outbox for outbox, entries in found.items() if len(entries) == AT_ONCE]
        self._forget_deleted()
        return carried

    def close(self) -> None:
        self._journal.close()
        self._client.close()

    # -- how ---------------------------------------------------------------------------------------------------

    def _outboxes(self) -> list[Outbox]:
        groups, deleted = self._connection.execute_many(
            [("SMEMBERS", keys.GROUPS), ("SMEMBERS", keys.GROUPS_DELETED)], self._client
        )
        self._deleted = {_text(name) for name in deleted}
        names = sorted({_text(name) for name in groups} | self._deleted)
        of_groups = [Outbox(f"group:{g}", keys.group_events(g), keys.group_relayed(g), g) for g in names]
        return [*BROKER_OUTBOXES, *of_groups]

    def _read(self, outboxes: Sequence[Outbox]) -> dict[Outbox, list[tuple[bytes, Any]]]:
        """The next entries of each outbox that has any."""
        unknown = [outbox for outbox in outboxes if outbox.stream not in self._places]
        if unknown:
            places = self._connection.execute_many(
                [("GET", outbox.place) for outbox in unknown], self._client
            )
            for outbox, place in zip(unknown, places, strict=True):
                self._places[outbox.stream] = START if place is None else _text(place)
        asked = [("XRANGE", o.stream, f"({self._places[o.stream]}", "+", "COUNT", AT_ONCE) for o in outboxes]
        replies = self._connection.execute_many(asked, self._client)
        return {outbox: entries for outbox, entries in zip(outboxes, replies, strict=True) if entries}

    def _forget_deleted(self) -> None:
        """What deleted groups left behind is carried now; nobody else will ever clear it away."""
        for group in sorted(self._deleted):
            outbox = [keys.group_meta(group), keys.group_events(group), keys.group_relayed(group)]
            if self._connection.run("events/forget", outbox, []):
                self._connection.execute_many([("SREM", keys.GROUPS_DELETED, group)], self._client)
                self._places.pop(outbox[1], None)

    def _confirm(self) -> None:
        """Wait until what was written is stored, and remember how far that is."""
        if not self._pending:
            return
        try:
            self._journal.store(FLUSH_S)
        except KafkaTimeoutError:
            raise  # it is still on its way: asked again by the next call
        except StreamlabError:
            self._pending = {}  # some was dropped: all of it is read again
            raise
        stored = [("SET", outbox.place, entry_id) for outbox, entry_id in self._pending.items()]
        self._connection.execute_many(stored, self._client)
        self._places |= {outbox.stream: entry_id for outbox, entry_id in self._pending.items()}
        self._pending = {}


def letter_from(outbox: Outbox, entry_id: bytes | str, fields: Any) -> Letter:
    """An entry as a record of the topic of events; also of a type that is not known here, and of damaged data."""
    its = _fields(fields)
    type, id = full_type(_text(its.get(b"type", b"unknown"))), f"{outbox.name}:{_text(entry_id)}"
    data, value = _complete(outbox, entry_id, its.get(b"data", b"{}"))
    event = event_of(type, value)
    if event is not None:
        return letter(id, type, event.source, event.subject, event.order_key, event.at_ms, value)
    source = f"/streamlab/{'groups/' + outbox.group if outbox.group else outbox.name}"
    return letter(id, type, source, outbox.group or outbox.name, source, data["at_ms"], value)


def _complete(outbox: Outbox, entry_id: bytes | str, raw: bytes) -> tuple[dict[str, Any], bytes]:
    """The data with the moment and the group, where the script left them out because the entry tells them."""
    try:
        data = msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.DecodeError:
        data = {"unreadable": raw.decode("utf-8", "replace")}
    known = isinstance(data.get("at_ms"), int) and (outbox.group is None or "group" in data)
    if known and "unreadable" not in data:
        return data, raw
    if not isinstance(data.get("at_ms"), int):
        data["at_ms"] = EntryId.parse(entry_id).append_ms
    if outbox.group is not None:
        data.setdefault("group", outbox.group)
    return data, msgspec.json.encode(data)


def _fields(raw: Any) -> dict[bytes, bytes]:
    return raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=True))


def _text(raw: bytes | str) -> str:
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw


class RelayThread:
    """Carries each second while `active`, beside whatever else its process does."""

    def __init__(self, connection: Connection, stop: threading.Event):
        self.active = False
        self._connection = connection
        self._stop = stop
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Once `stop` is set: wait until it has ended, for a few seconds at most. What waits is carried by the next."""
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        relay: Relay | None = None
        while not self._stop.wait(EVERY_S):
            if not self.active:
                if relay is not None:
                    relay.close()
                relay = None  # another one carries: its places are newer than ours
                continue
            relay = relay or Relay(self._connection)
            self._turn(relay)
        if relay is not None:
            relay.close()

    def _turn(self, relay: Relay) -> None:
        try:
            relay.carry()
            self._trouble = ""
        except StreamlabError as error:
            if not self._trouble:
                log.warning("The history of groups, topics and configuration waits: %s", error)
            self._trouble = str(error)
        except Exception:
            log.exception("The history of groups, topics and configuration waits.")
