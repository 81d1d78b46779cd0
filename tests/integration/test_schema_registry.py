"""The registry on a real server: ids, races, levels, deleting, and what survives."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from streamlab import keys
from streamlab.broker import Broker
from streamlab.events.relay import Relay
from streamlab.schemas import (
    SCHEMAS_TOPIC,
    IncompatibleSchemaError,
    InvalidSchemaError,
    Level,
    Mode,
    Reference,
    Schema,
    SchemaRegistry,
    SchemaType,
)
from streamlab.schemas import errors as schema_errors
from streamlab.topics import Topics
from tests.history import history


def order(*fields: str, **defaults: Any) -> Schema:
    """A record of ints; those with a default say so."""
    listed = [{"name": name, "type": "int"} for name in fields]
    listed += [{"name": name, "type": "int", "default": value} for name, value in defaults.items()]
    return Schema(json.dumps({"type": "record", "name": "Order", "fields": listed}))


def a_json(**keywords: Any) -> Schema:
    return Schema(json.dumps(keywords), SchemaType.JSON)


@pytest.fixture
def registry(broker: Broker) -> Iterator[SchemaRegistry]:
    with SchemaRegistry(broker.connection, by="ada") as made:
        yield made


def test_nothing_is_stored_by_looking(registry, broker):
    assert registry.subjects() == []
    assert registry.level() is Level.BACKWARD
    assert Topics(broker.connection).get(SCHEMAS_TOPIC) is None


def test_the_same_schema_has_one_id_however_it_is_spelled_and_wherever_it_is(registry):
    first = registry.register("a-value", order("x"))
    spelled = Schema(
        '{"fields": [{"type": {"type": "int"}, "name": "x"}],\n "name": "Order", "type": "record"}'
    )
    assert registry.register("a-value", spelled) == first
    assert registry.register("b-value", spelled).id == first.id == 1
    assert registry.lookup("a-value", spelled).version == 1
    assert {v.subject for v in registry.uses(1)} == {"a-value", "b-value"}


def test_a_default_or_an_alias_makes_another_schema(registry):
    """They change how data is read; the Parsing Canonical Form would not tell them apart."""
    ids = [registry.register("a-value", schema).id for schema in (order(x=1), order(x=2))]
    assert ids == [1, 2]


def test_what_is_registered_twice_at_once_has_one_id(broker):
    """Four processes' worth of threads register the same twenty schemas, each by its own registry."""
    found: list[tuple[int, int]] = []

    def register() -> None:
        with SchemaRegistry(broker.connection) as own:
            for n in range(20):
                found.append((n, own.register(f"s{n}", order("a", b=n)).id))

    threads = [threading.Thread(target=register) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 80
    assert len(set(found)) == 20
    assert sorted(id for _, id in set(found)) == list(range(1, 21))


def test_versions_of_one_subject_registered_at_once_are_numbered_without_a_gap(broker):
    with SchemaRegistry(broker.connection) as own:
        own.set_level(Level.NONE)
    numbers: list[int] = []

    def register(name: str) -> None:
        with SchemaRegistry(broker.connection) as own:
            for n in range(10):
                numbers.append(own.register("one", order(f"{name}{n}")).version)

    threads = [threading.Thread(target=register, args=(name,)) for name in "abc"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(numbers) == list(range(1, 31))


_PROGRAM = """
import json, sys, streamlab
from streamlab.schemas import Schema, SchemaRegistry
with streamlab.connect(sys.argv[1]) as broker, SchemaRegistry(broker.connection) as registry:
    for n in range(int(sys.argv[2])):
        text = json.dumps({"type": "fixed", "name": "F", "size": n + 1})
        print(n, registry.register(f"s{n}", Schema(text)).id, flush=True)
"""


def test_processes_that_race_agree(redis_url):
    processes = [
        subprocess.Popen([sys.executable, "-c", _PROGRAM, redis_url, "15"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert said[0] == said[1]
    assert len(set(said[0])) == 15


def test_an_incompatible_version_is_refused_with_version_path_and_reason(registry):
    registry.register("a-value", order("x"))
    registry.register("a-value", order("x", y=0))
    with pytest.raises(IncompatibleSchemaError, match="version 2 /fields/1: The reader's field z") as caught:
        registry.register("a-value", order("x", "z"))
    (reason,) = caught.value.incompatibilities
    assert (reason.kind, reason.path, reason.version) == (
        "READER_FIELD_MISSING_DEFAULT_VALUE",
        "/fields/1",
        2,
    )
    assert registry.check("a-value", order("x", "z")) == [reason]
    assert registry.check("a-value", order("x", z=1)) == []
    assert len(registry.versions("a-value")) == 2


V1, V2, V3 = order("x"), order("x", y=0), order("x", "y")


@pytest.mark.parametrize(
    ("level", "candidate", "taken"),
    [
        (Level.BACKWARD, V3, True),  # reads what V2 wrote
        (Level.BACKWARD_TRANSITIVE, V3, False),  # y was missing in V1
        (Level.BACKWARD_TRANSITIVE, order("x", z=1), True),
        (Level.FORWARD, order("x"), True),  # V2 has a default for y
        (Level.FORWARD, order(y=0), False),  # V2 needs x
        (Level.FORWARD_TRANSITIVE, order("x", "y", "z"), True),
        (Level.FULL, order("x", "z"), False),
        (Level.FULL, order("x", z=1), True),
        (Level.FULL_TRANSITIVE, V3, False),
        (Level.NONE, Schema('"string"'), True),
        (Level.NONE, a_json(type="string"), True),
        (Level.BACKWARD, a_json(type="string"), False),
    ],
)
def test_a_level_decides_what_a_new_version_is_held_against(registry, level, candidate, taken):
    registry.register("a-value", V1)
    registry.register("a-value", V2)
    registry.set_level(level, "a-value")
    assert (registry.check("a-value", candidate) == []) is taken
    if taken:
        registry.register("a-value", candidate)
    else:
        with pytest.raises(IncompatibleSchemaError):
            registry.register("a-value", candidate)


def test_a_subject_without_a_level_of_its_own_has_the_global_one(registry):
    registry.set_level(Level.FULL)
    registry.set_level(Level.NONE, "a-value")
    assert (registry.level("a-value"), registry.level("b-value"), registry.level()) == (
        Level.NONE,
        Level.FULL,
        Level.FULL,
    )
    assert registry.unset_level("a-value") is Level.NONE
    assert registry.level("a-value") is Level.FULL
    with pytest.raises(schema_errors.LevelNotConfiguredError):
        registry.level("a-value", default_to_global=False)
    registry.unset_level()
    assert registry.level() is Level.BACKWARD


def test_a_read_only_registry_still_answers(registry):
    registry.register("a-value", V1)
    registry.set_mode(Mode.READONLY)
    assert registry.register("a-value", V1).version == 1  # nothing has to be written for it
    with pytest.raises(schema_errors.OperationNotPermittedError):
        registry.register("a-value", V2)
    registry.set_mode(Mode.READWRITE)
    registry.register("a-value", V2)


def test_deleting_is_soft_first_and_an_id_never_comes_back(registry):
    registry.register("a-value", V1)
    going = registry.register("a-value", V2)
    with pytest.raises(schema_errors.VersionNotSoftDeletedError):
        registry.delete_version("a-value", 2, permanent=True)
    registry.delete_version("a-value", 2)
    assert [v.version for v in registry.versions("a-value")] == [1]
    assert registry.schema(going.id) == V2  # records written with it can still be read
    assert registry.register("a-value", V2).id == going.id
    registry.delete_subject("a-value")
    registry.delete_subject("a-value", permanent=True)
    with pytest.raises(schema_errors.SchemaNotFoundError):
        registry.schema(going.id)
    assert registry.register("a-value", V2).id == going.id + 1


def test_ids_are_not_given_again_after_compaction_either(registry, broker):
    from streamlab.compaction import compact, edges
    from streamlab.model import TopicPartition

    registry.register("a-value", V1)
    registry.register("b-value", V3)
    registry.delete_subject("b-value")
    registry.delete_subject("b-value", permanent=True)
    Topics(broker.connection).configure(SCHEMAS_TOPIC, {"delete.retention.ms": 0})
    partition, spec = TopicPartition(SCHEMAS_TOPIC, 0), Topics(broker.connection).require(SCHEMAS_TOPIC)
    for _ in range(2):  # the first pass keeps tombstones, the second removes them
        now_ms = broker.connection.server_time_ms() + 1
        (edge,) = edges(broker.connection, [(partition, spec)], now_ms).values()
        compact(broker.connection, partition, spec, edge, now_ms)
    with SchemaRegistry(broker.connection) as another:
        assert another.subjects(deleted=True) == ["a-value"]
        assert another.register("c-value", order("new")).id == 3
    assert registry.register("a-value", V2).id == 4


def test_a_schema_may_refer_to_others(registry):
    address = Schema(
        json.dumps({"type": "record", "name": "geo.Address", "fields": [{"name": "city", "type": "string"}]})
    )
    registry.register("address", address)
    text = json.dumps({"type": "record", "name": "C", "fields": [{"name": "at", "type": "geo.Address"}]})
    with pytest.raises(InvalidSchemaError, match=r"'geo.Address' is not known"):
        registry.register("c-value", Schema(text))
    with pytest.raises(InvalidSchemaError, match="leads nowhere: 'address' has no version 2"):
        registry.register("c-value", Schema(text, references=(Reference("geo.Address", "address", 2),)))
    made = registry.register("c-value", Schema(text, references=(Reference("geo.Address", "address", 1),)))
    assert registry.referenced_by("address") == [made]
    with pytest.raises(schema_errors.ReferenceExistsError):
        registry.delete_subject("address")
    registry.delete_subject("c-value")
    registry.delete_subject("address")


def test_json_schemas_refer_to_each_other_by_name(registry):
    registry.register("city", a_json(type="string", maxLength=5))
    whole = {"type": "object", "properties": {"city": {"$ref": "city.json"}}}
    schema = Schema(json.dumps(whole), SchemaType.JSON, (Reference("city.json", "city", 1),))
    made = registry.register("person-value", schema)
    parsed = registry.parsed(made.id)
    assert parsed.accepts({"city": "Ulm"}) and not parsed.accepts({"city": "Hamburg"})
    with pytest.raises(InvalidSchemaError, match=r"'other.json' leads nowhere"):
        registry.register("x-value", a_json(**{"$ref": "other.json"}))


@pytest.mark.parametrize(
    "schema",
    [
        Schema(""),
        Schema("{"),
        Schema('{"type": "record", "name": "a-b", "fields": []}'),
        Schema('{"type": "record", "name": "A", "fields": [{"name": "x", "type": "int", "default": "1"}]}'),
        Schema(
            '{"type": "record", "name": "A", "fields": [{"name": "x", "type": "int"}, {"name": "x", "type": "int"}]}'
        ),
        Schema('["int", "int"]'),
        Schema("[" * 3_000 + '"int"' + "]" * 3_000),
        Schema('"' + "x" * 2_000_000 + '"'),
        a_json(type="nonsense"),
        a_json(pattern="("),
        a_json(items=True, additionalItems=False),
        a_json(**{"$ref": "http://127.0.0.1:1/never-asked.json"}),
        Schema("[]", SchemaType.JSON),
        Schema('{"maximum": 1, "maximum": 2}', SchemaType.JSON),
    ],
    ids=lambda schema: schema.text[:60],
)
def test_what_is_no_schema_is_refused(registry, schema):
    with pytest.raises(InvalidSchemaError):
        registry.register("a-value", schema)
    assert registry.subjects() == []


@pytest.mark.parametrize("subject", ["", "a\n", "x" * 600])
def test_what_is_no_subject_is_refused(registry, subject):
    with pytest.raises(schema_errors.InvalidSubjectError):
        registry.register(subject, V1)


def test_two_copies_agree_at_once_where_it_matters(registry, broker):
    with SchemaRegistry(broker.connection) as other:
        other.subjects()
        made = registry.register("a-value", V1)
        assert other.parsed(made.id).canonical == registry.parsed(made.id).canonical
        assert other.subjects() == ["a-value"]


def test_a_registry_whose_topic_was_deleted_starts_anew(registry, broker):
    registry.register("a-value", V1)
    registry.register("b-value", V3)
    broker.admin().delete_topics([SCHEMAS_TOPIC])
    assert registry.subjects() == []
    assert registry.register("c-value", V2).id == 1


def test_after_a_failover_that_lost_a_schema_its_id_means_what_the_log_says(registry, broker):
    """The server is put back to what it was before the second schema, and another takes its id and its place."""
    client = broker.connection.client
    registry.register("a-value", V1)
    stored = [(key, client.dump(key)) for key in (keys.log(SCHEMAS_TOPIC, 0), keys.meta(SCHEMAS_TOPIC, 0))]
    lost = registry.register("lost-value", V2)
    assert registry.parsed(lost.id).canonical
    for key, value in stored:
        client.restore(key, 0, value, replace=True)
    with SchemaRegistry(broker.connection) as other:
        taken = other.register("b-value", Schema('"string"'))
    assert taken.id == lost.id
    assert registry.subjects() == ["a-value", "b-value"]
    assert registry.parsed(taken.id).canonical == '"string"'
    assert registry.register("lost-value", V2).id == 3


def test_registering_and_deleting_are_events_whatever_becomes_of_who_did_it(registry, broker):
    registry.register("a-value", V1)
    registry.register("a-value", V1)
    registry.delete_subject("a-value")
    with closing(Relay(broker.connection)) as relay:
        assert relay.carry() == 2
    registered, deleted = history(broker)
    assert (registered.name, deleted.name) == ("schema.registered", "schema.deleted")
    assert (registered.event.schema_id, registered.event.by) == (1, "ada")
    assert deleted.event.at_ms >= registered.event.at_ms > 0
    assert deleted.subject == "a-value" and not deleted.event.permanent
