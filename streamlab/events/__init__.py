"""The broker's own history: everything that happens is itself an event on the topic `__streamlab.events`.

    journal = Journal(connection)
    journal.write(RecordRetried(at_ms=..., group="revenue", topic="orders", partition=3, offset=41, ...))
    journal.flush()

The contract, event by event, stands in docs/events.md.
"""

from .base import TYPES, Event, full_type
from .envelope import EVENTS_TOPIC
from .journal import Journal, ensure_topic
from .of_broker import (
    ConfigChanged,
    Deletion,
    PartitionsAdded,
    RecordsDeleted,
    SchemaDeleted,
    SchemaRegistered,
    TopicCreated,
    TopicDeleted,
)
from .of_groups import (
    GroupDeleted,
    GroupPaused,
    GroupRebalanced,
    GroupResumed,
    MemberJoined,
    MemberLeft,
    Move,
    OffsetsReset,
    PositionChange,
)
from .of_records import (
    DeadLetterDiscarded,
    DeadLetterReplayed,
    DeadLetterRestored,
    RecordDeadLettered,
    RecordRecovered,
    RecordReleased,
    RecordRetried,
    ReplayFinished,
    ReplayStarted,
    key_text,
    record_id_of,
)
from .reading import Recorded, recorded_of

__all__ = [
    "EVENTS_TOPIC",
    "TYPES",
    "ConfigChanged",
    "DeadLetterDiscarded",
    "DeadLetterReplayed",
    "DeadLetterRestored",
    "Deletion",
    "Event",
    "GroupDeleted",
    "GroupPaused",
    "GroupRebalanced",
    "GroupResumed",
    "Journal",
    "MemberJoined",
    "MemberLeft",
    "Move",
    "OffsetsReset",
    "PartitionsAdded",
    "PositionChange",
    "RecordDeadLettered",
    "RecordRecovered",
    "RecordReleased",
    "RecordRetried",
    "Recorded",
    "RecordsDeleted",
    "ReplayFinished",
    "ReplayStarted",
    "SchemaDeleted",
    "SchemaRegistered",
    "TopicCreated",
    "TopicDeleted",
    "ensure_topic",
    "full_type",
    "key_text",
    "record_id_of",
    "recorded_of",
]
