"""Streamlab's broker core: Kafka's semantics on Redis Streams.

    broker = streamlab.connect("redis://localhost:6379/0")
    with broker.producer() as producer:
        producer.send("orders", key=b"17841", value=b"...")
    for record in broker.consumer("orders", group_id="revenue"):
        print(record.offset, record.value)

Read the package in the order in which a record travels:
producer → batches → sender → log → groups → fetcher → consumer → metrics.
"""

from .broker import Broker, connect
from .delivery.policy import RetryPolicy
from .delivery.verdicts import Permanent, Release, Retryable, RetryAfter
from .errors import StreamlabError
from .model import ConsumerRecord, OffsetAndMetadata, RecordMetadata, TopicPartition

__version__ = "0.1.0"

__all__ = [
    "Broker",
    "ConsumerRecord",
    "OffsetAndMetadata",
    "Permanent",
    "RecordMetadata",
    "Release",
    "RetryAfter",
    "RetryPolicy",
    "Retryable",
    "StreamlabError",
    "TopicPartition",
    "__version__",
    "connect",
]
