"""`streamlab.kafka` has what kafka-python 3 has: methods can be called as there, errors caught."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import kafka
import kafka.admin
import kafka.consumer.fetcher
import kafka.errors
import kafka.partitioner
import kafka.producer.future
import kafka.serializer
import kafka.structs
import pytest

from streamlab import kafka as ours
from streamlab.batches import FutureRecordMetadata
from streamlab.config import CLIENT, CONSUMER, PRODUCER, resolved
from streamlab.errors import KafkaConfigurationError, StreamlabError
from streamlab.kafka import errors
from streamlab.kafka.absent import ABSENT
from streamlab.model import ConsumerRecord, RecordMetadata

DOCS = (Path(__file__).parents[2] / "docs" / "kafka.md").read_text()

CLASSES = ["KafkaProducer", "KafkaConsumer", "KafkaAdminClient"]

NOT_THERE = {
    "KafkaProducer.max_usable_produce_magic": "chooses a version of Kafka's record format by Kafka's version",
    **{f"KafkaAdminClient.{name}": reason for name, reason in ABSENT.items()},
}
"""Public methods of kafka-python that do not exist here (absent admin verbs raise UnsupportedVersionError instead)."""

OTHER_CONFIGS = {
    "transactional_id": "no transactions: a value raises UnsupportedVersionError, None is the default",
}
"""Settings of kafka-python that are handled before the table of settings is asked."""

OTHER_RETRIABLE = {
    "RebalanceInProgressError": "here the same call may succeed after the next poll()",
    "UnknownTopicOrPartitionError": "here the registry answers at once: asking again does not help",
}
"""Errors whose `retriable` differs from kafka-python's."""


def public_methods(name):
    cls = getattr(kafka, name)
    return [n for n, m in inspect.getmembers(cls, callable) if not n.startswith("_")]


def all_methods():
    return [(name, method) for name in CLASSES for method in public_methods(name)]


def accepts(mine, theirs):
    """What of their signature mine does not take; None when all calls for theirs fit mine, too."""
    mine_parameters = list(inspect.signature(mine).parameters.values())
    by_name = {p.name: p for p in mine_parameters}
    takes_any_name = any(p.kind is p.VAR_KEYWORD for p in mine_parameters)
    for position, parameter in enumerate(inspect.signature(theirs).parameters.values()):
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            if not any(p.kind is parameter.kind for p in mine_parameters):
                return f"does not take {parameter}"
            continue
        own = by_name.get(parameter.name)
        if own is None:
            if takes_any_name and parameter.default is not parameter.empty:
                continue
            return f"has no {parameter.name}"
        if mine_parameters.index(own) != position:
            return f"has {parameter.name} at another place"
        if parameter.default is not parameter.empty and own.default is own.empty:
            return f"needs {parameter.name}"
    required = [p.name for p in mine_parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    more = [n for n in required if n not in inspect.signature(theirs).parameters]
    return f"needs {', '.join(more)} as well" if more else None


def test_the_comparison_finds_what_does_not_fit():
    def theirs(self, topics=(), pattern=None): ...

    assert accepts(lambda self, topics=(): 0, theirs) == "has no pattern"
    assert accepts(lambda self, pattern=None, topics=(): 0, theirs) == "has topics at another place"
    assert accepts(lambda self, topics, pattern=None: 0, theirs) == "needs topics"
    assert accepts(lambda self, topics=(), pattern=None, more=1: 0, theirs) is None


@pytest.mark.parametrize(("cls", "method"), [m for m in all_methods() if ".".join(m) not in NOT_THERE])
def test_a_public_method_can_be_called_as_in_kafka_python(cls, method):
    mine = inspect.getattr_static(getattr(ours, cls), method, None)
    assert mine is not None, f"{cls}.{method} is missing, and the table of what is not there does not say why"
    assert accepts(mine, getattr(getattr(kafka, cls), method)) is None


def test_the_table_of_what_is_not_there_names_what_kafka_python_has():
    everything = {".".join(m) for m in all_methods()}
    assert set(NOT_THERE) - everything == set()
    assert all(len(reason) > 10 for reason in NOT_THERE.values())


def test_the_table_of_what_is_not_there_holds_nothing_that_is():
    there = [name for name in NOT_THERE if hasattr(getattr(ours, name.split(".")[0]), name.split(".")[1])]
    assert there == [], "take these out of streamlab/kafka/absent.py and docs/kafka.md"


@pytest.mark.parametrize(
    ("cls", "table"), [("KafkaProducer", PRODUCER), ("KafkaConsumer", CONSUMER), ("KafkaAdminClient", CLIENT)]
)
def test_every_setting_of_kafka_python_is_taken_with_its_default(cls, table):
    theirs = {n: v for n, v in getattr(kafka, cls).DEFAULT_CONFIG.items() if n not in OTHER_CONFIGS}
    assert len(theirs) > 30
    from streamlab.consumer import _assignor_name

    strategy = theirs.pop("partition_assignment_strategy", None)
    assert strategy is None or _assignor_name(strategy) == "range"
    theirs["client_id"] = "a program"
    if "partitioner" in theirs:
        assert hasattr(theirs.pop("partitioner"), "partition"), "an object: KafkaProducer asks it itself"
    resolved(theirs, table)


def their_errors():
    found = inspect.getmembers(kafka.errors, inspect.isclass)
    return [name for name, cls in found if issubclass(cls, Exception)]


def test_there_are_errors_to_compare():
    assert len(their_errors()) > 120


@pytest.mark.parametrize("name", their_errors())
def test_every_error_can_be_caught_under_its_name(name):
    mine, theirs = getattr(errors, name), getattr(kafka.errors, name)
    assert issubclass(mine, errors.KafkaError)
    assert mine is getattr(errors, name), "the same class each time"
    if issubclass(theirs, kafka.errors.RetriableError) and name not in OTHER_RETRIABLE:
        assert mine.retriable
    if mine.retriable and mine.__name__ == name and name not in OTHER_RETRIABLE:
        assert theirs.retriable


@pytest.mark.parametrize("code", list(errors.CODES))
def test_errors_have_kafkas_numbers(code):
    assert errors.for_code(code).__name__ == kafka.errors.for_code(code).__name__
    assert errors.code_of(errors.for_code(code)) == code


def test_an_error_that_kafka_python_does_not_have_is_not_made_up():
    with pytest.raises(AttributeError):
        errors.SomethingElseError  # noqa: B018
    with pytest.raises(ImportError):
        exec("from streamlab.kafka.errors import SomethingElseError")
    assert errors.NotControllerError.__mro__[1] is errors.RetriableError


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "structs",
            "TopicPartition OffsetAndMetadata OffsetAndTimestamp ConsumerGroupMetadata",
        ),
        ("admin", "KafkaAdminClient NewTopic NewPartitions OffsetSpec OffsetTimestamp GroupState"),
        ("partitioner", "Partitioner DefaultPartitioner"),
        ("serializer", "Serializer Deserializer DefaultSerializer JsonSerializer"),
    ],
)
def test_a_module_has_kafka_pythons_names(module, names):
    theirs, mine = (
        importlib.import_module(f"kafka.{module}"),
        importlib.import_module(f"streamlab.kafka.{module}"),
    )
    for name in names.split():
        assert hasattr(theirs, name)
        assert hasattr(mine, name)


@pytest.mark.parametrize("name", ["TopicPartition", "OffsetAndMetadata", "OffsetAndTimestamp"])
def test_the_fields_of_the_structs_are_kafka_pythons_in_the_same_order(name):
    assert getattr(ours, name)._fields == getattr(kafka.structs, name)._fields


def test_a_record_has_kafka_pythons_fields():
    theirs = kafka.consumer.fetcher.ConsumerRecord._fields
    ours = ConsumerRecord("t", 0, 7, 1234, b"key", b"value")
    assert [field for field in theirs if not hasattr(ours, field)] == []
    assert (ours.serialized_key_size, ours.serialized_value_size, ours.serialized_header_size) == (3, 5, -1)
    assert RecordMetadata._fields == kafka.producer.future.RecordMetadata._fields


def kinds(function):
    return [parameter.kind for parameter in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("method", ["get", "add_callback", "add_errback", "add_both", "succeeded", "failed"])
def test_what_send_returns_is_asked_as_in_kafka_python(method):
    theirs = getattr(kafka.producer.future.FutureRecordMetadata, method)
    assert kinds(getattr(FutureRecordMetadata, method)) == kinds(theirs)


def test_the_numbers_of_offset_specs_are_kafkas():
    assert {s.name: s.value for s in ours.OffsetSpec} == {s.name: s.value for s in kafka.OffsetSpec}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("localhost:9092", "address of a Kafka broker"),
        (["a:9092", "b:9092"], "address of a Kafka broker"),
        (["redis://a/0", "redis://b/0"], "names 2 servers"),
        ([], "is empty"),
    ],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_an_address_that_is_no_redis_url_is_refused_in_words(cls, given, said):
    with pytest.raises(KafkaConfigurationError, match=said):
        getattr(ours, cls)(bootstrap_servers=given)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_url_of_another_kind_and_an_unknown_setting_are_refused(cls):
    with pytest.raises(StreamlabError, match="not a server address"):
        getattr(ours, cls)(bootstrap_servers="kafka://localhost:9092")
    with pytest.raises(KafkaConfigurationError, match="client_id"):
        getattr(ours, cls)(bootstrap_servers="redis://localhost/0", clientid="x")


def test_transactions_are_refused_with_the_reason():
    with pytest.raises(errors.UnsupportedVersionError, match="enable_idempotence"):
        ours.KafkaProducer(bootstrap_servers="redis://localhost/0", transactional_id="t")


def test_everything_that_is_not_there_stands_in_the_docs():
    assert [name for name in ABSENT if f"`{name}" not in DOCS] == []
