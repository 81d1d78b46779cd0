"""Kafka's names: a program written for kafka-python 3 runs on Streamlab when its imports say `streamlab.kafka`.

    from streamlab.kafka import KafkaConsumer, KafkaProducer
    producer = KafkaProducer(bootstrap_servers="redis://localhost:6379/0")

The modules below have kafka-python's names too: `.admin`, `.errors`, `.partitioner`,
`.serializer`, `.structs`. What is the same and what differs: docs/kafka.md.
"""

from .admin import KafkaAdminClient
from .clients import KafkaConsumer, KafkaProducer
from .serializer import DefaultSerializer, Deserializer, JsonSerializer, Serializer
from .structs import (
    ConsumerGroupMetadata,
    ConsumerRebalanceListener,
    IsolationLevel,
    OffsetAndMetadata,
    OffsetAndTimestamp,
    OffsetSpec,
    TopicPartition,
)

__all__ = [
    "ConsumerGroupMetadata",
    "ConsumerRebalanceListener",
    "DefaultSerializer",
    "Deserializer",
    "IsolationLevel",
    "JsonSerializer",
    "KafkaAdminClient",
    "KafkaConsumer",
    "KafkaProducer",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "OffsetSpec",
    "Serializer",
    "TopicPartition",
]
