"""What operators do with dead letters, until the broker's history has heard of it.

    change (script: the state, and a mark that it is untold) → event → stored → the mark is taken away

Who is killed in between leaves marks. The sampler's housekeeper tells what is left, under the same ids: an event
follows from the letter and the change alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from .. import keys
from ..connection import Connection
from ..errors import StreamlabError
from ..events import DeadLetterDiscarded, DeadLetterRestored, Journal, key_text
from ..events.base import Event
from ..model import TopicPartition
from ..replies import pairs
from .dead_letter import LetterAddress
from .dead_letter_topics import DeadLetterTopics
from .letter_reader import Letter, LetterReader
from .letter_states import LetterChange, LetterState, parse_change

LEFT_AFTER_MS = 10_000
"""Whoever changed letters so long ago and has not told of it does not live any more, or will say the same again."""

log = logging.getLogger(__name__)


def tell(
    connection: Connection,
    journal: Journal,
    group: str,
    changes: Sequence[LetterChange],
    letters: Mapping[LetterAddress, Letter],
) -> None:
    """Write the events of these changes, and take the marks away once they are stored.

    A letter that is not there any more has nothing to tell. Raises StreamlabErrors: repeat it then, or leave it to
    `tell_left()`.
    """
    for change in changes:
        letter = letters.get(change.address)
        if letter is not None:
            journal.write(_event(change, letter, group))
    journal.store()
    connection.execute_many(
        [
            ("HDEL", keys.untold_changes(*place), *[change.field for change in theirs])
            for place, theirs in _by_place(changes).items()
        ]
    )


def tell_left(connection: Connection, partitions: Sequence[TopicPartition]) -> int:
    """Tell what others have left untold in these partitions of dead letters; how many changes that were.

    One command a partition where there is nothing. Raises StreamlabErrors.
    """
    counts = connection.execute_many([("HLEN", keys.untold_changes(*p)) for p in partitions])
    places = [p for p, count in zip(partitions, counts, strict=True) if count]
    if not places:
        return 0
    before_ms = connection.server_time_ms() - LEFT_AFTER_MS
    told = 0
    with closing(Journal(connection, of="leftovers")) as journal:
        for place in places:
            try:
                told += _tell_left_in(connection, journal, place, before_ms)
            except StreamlabError as error:
                log.warning("What happened to dead letters of %s is told later: %s", place, error)
    return told


def _tell_left_in(connection: Connection, journal: Journal, place: TopicPartition, before_ms: int) -> int:
    [flat] = connection.execute_many([("HGETALL", keys.untold_changes(*place))])
    every = [parse_change(place, field, why) for field, why in pairs(flat)]
    changes = [change for change in every if change.at_ms <= before_ms]
    source = DeadLetterTopics(connection).source(place.topic)
    if source is None or not changes:
        return 0
    found = LetterReader(connection).at(place, [change.address.offset for change in changes])
    tell(connection, journal, source.group, changes, {letter.address: letter for letter in found})
    log.warning(
        "%d changes of dead letters of %s were told by another than who made them.", len(changes), place
    )
    return len(changes)


def _by_place(changes: Iterable[LetterChange]) -> dict[TopicPartition, list[LetterChange]]:
    found: dict[TopicPartition, list[LetterChange]] = {}
    for change in changes:
        found.setdefault(change.address.topic_partition, []).append(change)
    return found


def _event(change: LetterChange, letter: Letter, group: str) -> Event:
    about = _about(letter, group) | {"at_ms": change.at_ms, "by": change.by}
    if change.state is LetterState.DISCARDED:
        return DeadLetterDiscarded(**about, reason=change.reason)
    return DeadLetterRestored(**about)


def _about(letter: Letter, group: str) -> dict[str, Any]:
    """What events about a dead letter say of it."""
    dead, address = letter.letter, letter.address
    return {
        "group": group,
        "topic": dead.topic,
        "partition": dead.partition,
        "offset": dead.offset,
        "record_id": dead.record_id,
        "key": key_text(dead.key),
        "attempt": dead.attempts[-1].attempt if dead.attempts else 0,
        "replays": dead.replays,
        "dlq_topic": address.topic,
        "dlq_partition": address.partition,
        "dlq_offset": address.offset,
        "fingerprint": dead.fingerprint or None,
    }
