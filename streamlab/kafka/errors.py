"""kafka-python's errors under kafka-python's names, so that every `except` of a ported program names something.

Three kinds: errors of the core (most have Kafka's name already), other names for them, and errors that Kafka has and
Streamlab cannot meet, because there are no leaders, controllers, transactions or SASL. The last are made when they are
asked for, and never raised.
"""

from __future__ import annotations

from functools import cache

from .. import errors as core
from ..errors import (
    CommitFailedError,
    CorruptRecordError,
    DuplicateSequenceNumberError,
    FencedInstanceIdError,
    FencedMemberEpochError,
    GroupIdNotFoundError,
    IllegalArgumentError,
    IllegalStateError,
    InvalidConfigurationError,
    InvalidGroupIdError,
    InvalidPartitionsError,
    InvalidRecordError,
    InvalidTopicError,
    KafkaConfigurationError,
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NonEmptyGroupError,
    NoOffsetForPartitionError,
    NotEnoughReplicasError,
    OffsetOutOfRangeError,
    OutOfOrderSequenceNumberError,
    ProducerFencedError,
    RebalanceInProgressError,
    RetriableError,
    StreamlabError,
    TopicAlreadyExistsError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
    UnsupportedCodecError,
)

KafkaError = StreamlabError
BrokerResponseError = StreamlabError
AuthorizationError = StreamlabError
UnknownError = StreamlabError
InvalidMetadataError = RetriableError
BrokerNotAvailableError = LeaderNotAvailableError = NetworkExceptionError = KafkaConnectionError
NodeNotReadyError = NotLeaderForPartitionError = KafkaConnectionError
RequestTimedOutError = KafkaTimeoutError
CorruptRecordException = CorruptRecordError
IllegalGenerationError = StaleMemberEpochError = FencedMemberEpochError
InvalidProducerEpochError = ProducerFencedError
NotEnoughReplicasAfterAppendError = NotEnoughReplicasError
RecordListTooLargeError = MessageSizeTooLargeError
UnsupportedCompressionTypeError = UnsupportedCodecError


class NoError(StreamlabError):
    """Never raised: stands in an answer where nothing went wrong."""


class UnsupportedVersionError(StreamlabError):
    """Raised when Kafka has this and Streamlab does not. The message says why, and what does the same here."""


IncompatibleBrokerVersion = UnsupportedVersionError


class InvalidReplicationFactorError(core.TopicError):
    """Raised for a replication factor other than 1: Redis replicates whole servers, not topics."""


class InvalidReplicationAssignmentError(core.TopicError):
    """Raised when replicas are assigned by hand: Redis replicates whole servers, not topics."""


CODES: dict[int, type[StreamlabError]] = {
    0: NoError,
    1: OffsetOutOfRangeError,
    2: CorruptRecordError,
    3: UnknownTopicOrPartitionError,
    10: MessageSizeTooLargeError,
    17: InvalidTopicError,
    19: NotEnoughReplicasError,
    24: InvalidGroupIdError,
    25: UnknownMemberIdError,
    27: RebalanceInProgressError,
    35: UnsupportedVersionError,
    36: TopicAlreadyExistsError,
    37: InvalidPartitionsError,
    38: InvalidReplicationFactorError,
    39: InvalidReplicationAssignmentError,
    40: InvalidConfigurationError,
    45: OutOfOrderSequenceNumberError,
    46: DuplicateSequenceNumberError,
    68: NonEmptyGroupError,
    69: GroupIdNotFoundError,
    82: FencedInstanceIdError,
    87: InvalidRecordError,
    90: ProducerFencedError,
    110: FencedMemberEpochError,
}
"""Kafka's numbers for the errors that an admin's answer can hold."""

_FINAL = """
    BrokerIdNotRegisteredError ClusterAuthorizationFailedError DelegationTokenAuthDisabledError
    DelegationTokenAuthorizationFailedError DelegationTokenExpiredError DelegationTokenNotFoundError
    DelegationTokenOwnerMismatchError DelegationTokenRequestNotAllowedError
    DuplicateBrokerRegistrationError DuplicateResourceError DuplicateVoterError FeatureUpdateFailedError
    FencedStateEpochError GroupAuthorizationFailedError GroupMaxSizeReachedError
    GroupSubscribedToTopicError IllegalSaslStateError InconsistentClusterIdError
    InconsistentGroupProtocolError InconsistentVoterSetError IneligibleReplicaError
    InvalidCommitOffsetSizeError InvalidFetchRequestError InvalidPrincipalTypeError
    InvalidProducerIdMappingError InvalidReceiveError InvalidRecordStateError
    InvalidRegistrationError InvalidRequestError InvalidRequiredAcksError InvalidSessionTimeoutError
    InvalidTimestampError InvalidTransactionTimeoutError InvalidTxnStateError InvalidUpdateVersionError
    InvalidVoterKeyError KafkaProtocolError LogDirNotFoundError LogTruncationError MemberIdRequiredError
    MismatchedEndpointTypeError NewLeaderElectedError NoReassignmentInProgressError
    OffsetMetadataTooLargeError OffsetMovedToTieredStorageError OperationNotAttemptedError
    PolicyViolationError PositionOutOfRangeError PrincipalDeserializationFailureError QuotaViolationError
    ReassignmentInProgressError ResourceNotFoundError SaslAuthenticationFailedError SecurityDisabledError
    SnapshotNotFoundError StaleBrokerEpochError StaleControllerEpochError TelemetryTooLargeError
    TopicAuthorizationFailedError TopicDeletionDisabledError TransactionAbortableError
    TransactionAbortedError TransactionCoordinatorFencedError TransactionalIdAuthorizationFailedError
    TransactionalIdNotFoundError UnacceptableCredentialError UnknownBrokerIdError UnknownControllerIdError
    UnknownProducerIdError UnknownSubscriptionIdError UnrecognizedBrokerVersion UnreleasedInstanceIdError
    UnsupportedAssignorError UnsupportedEndpointTypeError UnsupportedForMessageFormatError
    UnsupportedSaslMechanismError VoterNotFoundError
"""
_TRANSIENT = """
    Cancelled ConcurrentTransactionsError CoordinatorLoadInProgressError CoordinatorNotAvailableError
    CorrelationIdError ElectionNotNeededError EligibleLeadersNotAvailableError FencedLeaderEpochError
    FetchSessionIdNotFoundError FetchSessionTopicIdError InconsistentTopicIdError
    InvalidFetchSessionEpochError InvalidShareSessionEpochError KafkaStorageError ListenerNotFoundError
    MetadataEmptyBrokerList NotControllerError NotCoordinatorError OffsetNotAvailableError
    PreferredLeaderNotAvailableError ReplicaNotAvailableError ShareSessionNotFoundError StaleMetadata
    ThrottlingQuotaExceededError TooManyInFlightRequests UnknownLeaderEpochError UnknownTopicIdError
    UnstableOffsetCommitError
"""

NEVER_RAISED: dict[str, type[StreamlabError]] = dict.fromkeys(_FINAL.split(), StreamlabError) | dict.fromkeys(
    _TRANSIENT.split(), RetriableError
)
"""Names of kafka-python for what cannot happen here, each with the class that it derives from."""


def for_code(code: int) -> type[StreamlabError]:
    """The error with Kafka's number.

    >>> for_code(36).__name__, for_code(0).__name__
    ('TopicAlreadyExistsError', 'NoError')
    """
    return CODES.get(code, UnknownError)


def code_of(error: type[StreamlabError]) -> int:
    """Kafka's number of an error; -1 (unknown) when it has none."""
    return next((code for code, known in CODES.items() if known is error), -1)


@cache
def __getattr__(name: str) -> type[StreamlabError]:
    from_core = vars(core).get(name)
    if isinstance(from_core, type) and issubclass(from_core, StreamlabError):
        return from_core
    if name in NEVER_RAISED:
        return type(
            name, (NEVER_RAISED[name],), {"__doc__": "Never raised by Streamlab.", "__module__": __name__}
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CODES",
    "NEVER_RAISED",
    "AuthorizationError",
    "BrokerNotAvailableError",
    "BrokerResponseError",
    "CommitFailedError",
    "CorruptRecordError",
    "CorruptRecordException",
    "DuplicateSequenceNumberError",
    "FencedInstanceIdError",
    "FencedMemberEpochError",
    "GroupIdNotFoundError",
    "IllegalArgumentError",
    "IllegalGenerationError",
    "IllegalStateError",
    "IncompatibleBrokerVersion",
    "InvalidConfigurationError",
    "InvalidGroupIdError",
    "InvalidMetadataError",
    "InvalidPartitionsError",
    "InvalidProducerEpochError",
    "InvalidRecordError",
    "InvalidReplicationAssignmentError",
    "InvalidReplicationFactorError",
    "InvalidTopicError",
    "KafkaConfigurationError",
    "KafkaConnectionError",
    "KafkaError",
    "KafkaTimeoutError",
    "LeaderNotAvailableError",
    "MessageSizeTooLargeError",
    "NetworkExceptionError",
    "NoError",
    "NoOffsetForPartitionError",
    "NodeNotReadyError",
    "NonEmptyGroupError",
    "NotEnoughReplicasAfterAppendError",
    "NotEnoughReplicasError",
    "NotLeaderForPartitionError",
    "OffsetOutOfRangeError",
    "OutOfOrderSequenceNumberError",
    "ProducerFencedError",
    "RebalanceInProgressError",
    "RecordListTooLargeError",
    "RequestTimedOutError",
    "RetriableError",
    "StaleMemberEpochError",
    "TopicAlreadyExistsError",
    "UnknownError",
    "UnknownMemberIdError",
    "UnknownTopicOrPartitionError",
    "UnsupportedCodecError",
    "UnsupportedCompressionTypeError",
    "UnsupportedVersionError",
    "code_of",
    "for_code",
]
