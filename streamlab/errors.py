"""Everything that can go wrong, under Kafka's names, each saying what to do about it.

    StreamlabError
    ├── RetriableError                      try the same call again
    │   ├── KafkaConnectionError            the server cannot be reached
    │   │   └── ServerBusyError             it answers, but takes no writes now
    │   ├── KafkaTimeoutError               no answer in the time given
    │   ├── RebalanceInProgressError        the group is being re-assigned
    │   └── NotEnoughReplicasError          acks=all was not confirmed by enough copies
    ├── IllegalArgumentError, IllegalStateError, KafkaConfigurationError      the caller's mistake
    ├── StaleConfigError                    settings were changed since they were looked at
    ├── TopicError: UnknownTopicOrPartitionError, TopicAlreadyExistsError, InvalidTopicError,
    │               InvalidPartitionsError, InvalidConfigurationError
    ├── RecordError: MessageSizeTooLargeError, InvalidRecordError, CorruptRecordError, UnsupportedCodecError
    ├── OffsetOutOfRangeError, NoOffsetForPartitionError
    ├── ProducerError: OutOfOrderSequenceNumberError, DuplicateSequenceNumberError, ProducerFencedError
    └── GroupError: UnknownMemberIdError, FencedMemberEpochError (FencedEpoch), FencedInstanceIdError,
                    CommitFailedError, InvalidGroupIdError, GroupIdNotFoundError, NonEmptyGroupError, GroupPausedError,
                    ResetUnderWayError, StalePlanError

Errors of the Redis client never leave this library: `translated()` turns them into these at the edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis.exceptions as rx


class StreamlabError(Exception):
    """Every error that this library raises."""

    retriable = False


class RetriableError(StreamlabError):
    """Raised when the same call may succeed if it is made again."""

    retriable = True


class KafkaConnectionError(RetriableError):
    """Raised when the server cannot be reached. Check that it runs and that the URL is right."""


class ServerBusyError(KafkaConnectionError):
    """Raised when the server answers but takes no writes now: loading its data, out of memory, a full disk,
    a replica. Its message says which; free memory or disk, or wait."""


class KafkaTimeoutError(RetriableError):
    """Raised when there was no answer in the time given. The outcome is unknown; an idempotent send may be repeated."""


class RebalanceInProgressError(RetriableError):
    """Raised when the group is being re-assigned. Call poll() again, then repeat."""


class NotEnoughReplicasError(RetriableError):
    """Raised when acks=all was asked for and fewer copies than needed confirmed the write in time."""


class IllegalArgumentError(StreamlabError, ValueError):
    """Raised when an argument can never be right."""


class IllegalStateError(StreamlabError):
    """Raised when the call does not fit the state of the object, for example a closed producer."""


class KafkaConfigurationError(StreamlabError, ValueError):
    """Raised when a setting is unknown or out of its range. The message names the nearest known one."""


class StaleConfigError(StreamlabError):
    """Raised when somebody else changed the settings since they were looked at. Nothing was changed; look again."""


class TopicError(StreamlabError):
    """Raised when a topic cannot be what the call needs it to be."""


class UnknownTopicOrPartitionError(TopicError):
    """Raised when the topic or the partition does not exist. Create it, or look for a typing error."""


class TopicAlreadyExistsError(TopicError):
    """Raised when a topic of that name exists already."""


class InvalidTopicError(TopicError):
    """Raised when a name is not a legal topic name: 1 to 249 of letters, digits, `.`, `_` and `-`."""


class InvalidPartitionsError(TopicError):
    """Raised when a partition count is not positive, or would take partitions away."""


class InvalidConfigurationError(TopicError):
    """Raised when a topic setting is unknown or out of its range."""


class RecordError(StreamlabError):
    """Raised when one record, or the batch that it stands in, is at fault."""


class MessageSizeTooLargeError(RecordError):
    """Raised when a record is larger than the producer's max_request_size or the topic's max.message.bytes. Send
    less, or raise the limit that the message names."""


class InvalidRecordError(RecordError):
    """Raised when a record without a key is sent to a compacted topic, which could never keep it. Give it a key."""


class CorruptRecordError(RecordError):
    """Raised when a stored batch fails its checksum or cannot be read. Other partitions go on.

    seek() past `next_offset` to skip it, or restore the data.
    """

    def __init__(self, message: str, topic: str = "", partition: int = -1, next_offset: int = -1):
        super().__init__(message)
        self.topic = topic
        self.partition = partition
        self.next_offset = next_offset


class UnsupportedCodecError(RecordError):
    """Raised when a batch is compressed in a way this version does not know. Upgrade the reader."""


class OffsetOutOfRangeError(StreamlabError):
    """Raised when a position lies outside the log and auto_offset_reset is "none". seek() to a position inside it.

    `partitions` maps each such partition to the position asked for.
    """

    def __init__(self, message: str, partitions: dict[Any, int] | None = None):
        super().__init__(message)
        self.partitions = partitions or {}


class NoOffsetForPartitionError(StreamlabError):
    """Raised when a group has no committed offset and auto_offset_reset is "none". seek() or commit first."""


class ProducerError(StreamlabError):
    """Raised when the log refuses a producer."""


class OutOfOrderSequenceNumberError(ProducerError):
    """Raised when a batch is missing before this one: sending it would lose order. Make a new producer."""


class DuplicateSequenceNumberError(ProducerError):
    """Raised when a batch was appended before, too long ago for its offset to be known. It is not lost."""


class ProducerFencedError(ProducerError):
    """Raised when a newer producer took over this producer's identity. Close this one."""


class GroupError(StreamlabError):
    """Raised when a group refuses a call."""


class UnknownMemberIdError(GroupError):
    """Raised when the group does not know the member: its session ran out. It joins again at the next poll()."""


class FencedMemberEpochError(GroupError):
    """Raised when another member has owned the partition since. Its records will be read by that member.

    `owner_epoch` is that of its newest owner, 0 where it is not known.
    """

    def __init__(self, message: str = "", owner_epoch: int = 0):
        super().__init__(message)
        self.owner_epoch = owner_epoch


FencedEpochError = FencedMemberEpochError


class FencedInstanceIdError(GroupError):
    """Raised when another consumer came with the same group_instance_id. Close this one; give each its own id."""


class CommitFailedError(GroupError):
    """Raised when offsets could not be committed because the partition is no longer this consumer's."""


class InvalidGroupIdError(GroupError):
    """Raised when the call needs a group_id and there is none, or it is empty."""


class GroupIdNotFoundError(GroupError):
    """Raised when no group of that name exists."""


class NonEmptyGroupError(GroupError):
    """Raised when the call needs a group without running members. Stop them first."""


class GroupPausedError(GroupError):
    """Raised when somebody else has paused the group. Wait, or resume it."""


class ResetUnderWayError(GroupPausedError):
    """Raised when a reset of the group has begun to commit. Wait: it is finished, by a member if need be."""


class StalePlanError(GroupError):
    """Raised when the group, its commits or logs moved since something was planned. Nothing was changed; plan again."""


def reply_code(error: BaseException) -> str:
    """The code that a script's error reply begins with, "" when this error is none or comes from none.

    >>> reply_code(rx.ResponseError("UNKNOWN_MEMBER app-1 is not in the group"))
    'UNKNOWN_MEMBER'
    """
    reply = error if isinstance(error, rx.ResponseError) else error.__cause__
    return str(reply).partition(" ")[0] if isinstance(reply, rx.ResponseError) else ""


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis-py's errors into ours.

    Raises KafkaConnectionError, ServerBusyError, KafkaTimeoutError or StreamlabError.
    """
    try:
        yield
    except rx.RedisError as error:
        raise translate(error) from error
    except OSError as error:
        raise KafkaConnectionError(f"The server cannot be reached: {error}") from error


_TAKES_NO_WRITES = (
    rx.BusyLoadingError,
    rx.OutOfMemoryError,
    rx.ReadOnlyError,
    rx.ClusterDownError,
    rx.TryAgainError,
)
_BUSY = (
    "LOADING",
    "MISCONF",
    "OOM",
    "READONLY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MASTERDOWN",
    "BUSY",
    "NOREPLICAS",
)


def translate(error: Exception) -> StreamlabError:
    """The one of ours that says what this error of redis-py means."""
    if isinstance(error, StreamlabError):
        return error
    text = str(error)
    if isinstance(error, rx.TimeoutError):
        return KafkaTimeoutError(f"No answer from the server in time: {text}")
    if isinstance(error, rx.AskError) and not isinstance(error, rx.MovedError):
        return ServerBusyError(f"A part of the cluster is on its way to another server: {text}")
    if isinstance(error, rx.MovedError):
        return KafkaConnectionError(
            f"Another server of the cluster has this now ({text}). A URL that begins with redis+cluster:// follows it."
        )
    if isinstance(error, (rx.AuthenticationError, rx.AuthorizationError, rx.NoPermissionError)):
        return StreamlabError(
            f"The server refuses this user: {text}. Check the user and password in the URL."
        )
    if isinstance(error, _TAKES_NO_WRITES) or text.startswith(_BUSY):
        return ServerBusyError(f"The server takes no writes now: {text}")
    if isinstance(error, rx.ConnectionError):
        return KafkaConnectionError(f"The server cannot be reached: {text}")
    return StreamlabError(f"The server refused: {text}")
