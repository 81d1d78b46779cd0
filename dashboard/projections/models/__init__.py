from .broker_history import BrokerEvent, ConfigChange, OffsetReset, Rebalance
from .dead_letters import DeadLetter, FailureGroup, LetterState
from .progress import Ledger, Position
from .records import RecordEvent

__all__ = [
    "BrokerEvent",
    "ConfigChange",
    "DeadLetter",
    "FailureGroup",
    "Ledger",
    "LetterState",
    "OffsetReset",
    "Position",
    "Rebalance",
    "RecordEvent",
]
