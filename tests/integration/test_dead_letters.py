"""Dead letters: their format, looking through them, and what operators decide about them."""

from __future__ import annotations

import pytest

from streamlab import keys, retention
from streamlab.broker import Broker
from streamlab.delivery.dead_letter import Cause, LetterAddress
from streamlab.delivery.dead_letter_topics import RETENTION_MS, DeadLetterTopics
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.letter_filter import LetterFilter
from streamlab.delivery.letter_states import LetterState
from streamlab.errors import UnknownTopicOrPartitionError
from streamlab.events import EVENTS_TOPIC, DeadLetterDiscarded, recorded_of
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic
from tests.dead_letter_builders import (
    DIED_MS,
    GROUP,
    a_letter,
    a_record,
    an_error,
    bury,
    dead_orders,
    records_of_topic,
)

pytestmark = pytest.mark.both_engines


def test_a_dead_letter_topic_has_the_partitions_of_its_source_and_a_retention_of_its_own(
    broker: Broker,
) -> None:
    topic = a_topic(broker, partitions=3)
    dlq = DeadLetterTopics(broker.connection).ensure(topic, GROUP)
    spec = Topics(broker.connection).require(dlq)
    assert dlq == f"{topic}.{GROUP}.dlq"
    assert (spec.partitions, spec.config("retention.ms")) == (3, RETENTION_MS)


def test_it_grows_with_its_source(broker: Broker) -> None:
    topic = a_topic(broker, partitions=2)
    dlq = DeadLetterTopics(broker.connection).ensure(topic, GROUP)
    Topics(broker.connection).add_partitions(topic, 5)
    assert DeadLetterTopics(broker.connection).ensure(topic, GROUP) == dlq
    assert Topics(broker.connection).require(dlq).partitions == 5


def test_two_pairs_whose_names_would_be_one_have_topics_of_their_own(broker: Broker) -> None:
    for topic in ("a", "a.b"):
        Topics(broker.connection).create(topic)
    topics = DeadLetterTopics(broker.connection)
    first, second = topics.ensure("a.b", "c"), topics.ensure("a", "b.c")
    assert first == "a.b.c.dlq" and second != first
    assert {(s.topic, s.group) for s in topics.all().values()} == {("a.b", "c"), ("a", "b.c")}
    assert DeadLetterTopics(broker.connection).find("a", "b.c") == second


def test_a_letter_comes_back_as_it_was_written(broker: Broker) -> None:
    topic = a_topic(broker, partitions=4)
    letter = a_letter(a_record(topic=topic, key=b"\xff\x00", value=b"\x80" * 1_000_000))
    bury(broker, [letter])
    found = DeadLetters(broker.connection, topic, GROUP).get((3, 0))
    assert found is not None
    assert found.letter == letter
    assert found.status.state is LetterState.DEAD


def test_newest_letters_come_first_over_all_partitions(broker: Broker) -> None:
    letters = dead_orders(broker, count=20, partitions=3)
    page = letters.list(limit=50)
    died = [letter.letter.died_ms for letter in page.letters]
    assert died == sorted(died, reverse=True) and len(died) == 20
    assert (page.scanned, page.total, page.cursor) == (20, 20, None)


def test_pages_follow_each_other_without_gap_or_repeat(broker: Broker) -> None:
    letters = dead_orders(broker, count=25, partitions=3)
    seen, cursor, pages = [], None, 0
    while True:
        page = letters.list(limit=4, cursor=cursor)
        seen += [letter.address for letter in page.letters]
        pages += 1
        cursor = page.cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 25 and pages >= 7


def test_a_search_that_finds_little_stops_and_says_how_far_it_came(broker: Broker) -> None:
    letters = dead_orders(broker, count=40, partitions=2)
    rare = LetterFilter(text="nothing says this")
    page = letters.list(rare, most=15)
    assert (page.letters, page.scanned, page.total) == ([], 15, 40)
    assert page.cursor is not None
    rest = letters.list(rare, cursor=page.cursor, most=100)
    assert (rest.scanned, rest.total, rest.cursor) == (40, 40, None)


def test_filters_find_exactly_what_they_name(broker: Broker) -> None:
    topic = a_topic(broker, partitions=4)
    base = {"topic": topic, "value": b"plain"}
    bury(
        broker,
        [
            a_letter(a_record(**base, offset=0, partition=0, key=b"A"), died_ms=DIED_MS),
            a_letter(a_record(**base, offset=0, partition=1, key=b"B"), error=an_error("x", KeyError)),
            a_letter(a_record(**base, offset=0, partition=2, key=None), cause=Cause.SCHEMA, schema_version=7),
            a_letter(
                a_record(topic=topic, offset=0, value=b"\xff needle \xfe", _headers=[("h", None)]),
                died_ms=DIED_MS + 90_000,
            ),
        ],
    )
    letters = DeadLetters(broker.connection, topic, GROUP)

    def partitions(**wanted: object) -> set[int]:
        return {x.address.partition for x in letters.list(LetterFilter(**wanted)).letters}  # type: ignore[arg-type]

    assert partitions() == {0, 1, 2, 3}
    assert partitions(error_classes=["OutOfStock"]) == {0, 2, 3}
    assert partitions(error_classes=["KeyError"]) == {1}
    assert partitions(key=b"A") == {0}
    assert partitions(causes=[Cause.SCHEMA]) == {2}
    assert partitions(schema_versions=[7]) == {2}
    assert partitions(partitions=[1, 2]) == {1, 2}
    assert partitions(text="NEEDLE") == {3}
    assert partitions(since_ms=DIED_MS + 1) == {3}
    assert partitions(until_ms=DIED_MS + 1) == {0, 1, 2}
    assert partitions(record_ids=["536365-1"]) == {0, 1, 2}
    assert partitions(letters=[LetterAddress(letters.dlq, 1, 0)]) == {1}
    assert partitions(states=[LetterState.DISCARDED]) == set()
    fingerprint = letters.list(LetterFilter(key=b"B")).letters[0].letter.fingerprint
    assert partitions(fingerprints=[fingerprint[:6]]) == {1}


def test_failures_of_one_kind_are_one_group(broker: Broker) -> None:
    errors = [an_error(f"no stock for order {n}") for n in range(5)] + [an_error("'x'", KeyError)]
    letters = dead_orders(broker, count=12, partitions=2, errors=errors)
    found = letters.groups()
    assert [(g.error_class.rpartition(".")[2], g.count) for g in found.groups] == [
        ("OutOfStock", 10),
        ("KeyError", 2),
    ]
    stock = found.groups[0]
    assert stock.last_ms > stock.first_ms and sum(stock.partitions.values()) == 10
    assert (found.scanned, found.total, found.cursor) == (12, 12, None)


def test_discarded_letters_say_who_and_why_and_can_be_called_back(broker: Broker) -> None:
    letters = dead_orders(broker, count=6, partitions=2)
    one = LetterFilter(partitions=[1])
    assert letters.discard(one, "test data", "ann") == 3
    assert letters.counts().dead == 6  # that was only counted
    assert letters.discard(one, "test data", "ann", execute=True) == 3
    assert (letters.counts().dead, letters.counts().discarded) == (3, 3)
    status = letters.list(LetterFilter(states=[LetterState.DISCARDED])).letters[0].status
    assert (status.by, status.reason) == ("ann", "test data")
    assert letters.discard(one, "again", "bob", execute=True) == 0
    assert letters.restore(one, "bob", execute=True) == 3
    assert (letters.counts().dead, letters.counts().discarded) == (6, 0)


def test_a_discard_is_told_to_the_brokers_history(broker: Broker) -> None:
    letters = dead_orders(broker, count=2, partitions=1)
    letters.discard(
        LetterFilter(letters=[LetterAddress(letters.dlq, 0, 1)]), "test data", "ann", execute=True
    )
    told = [recorded_of(record).event for record in records_of_topic(broker, EVENTS_TOPIC)]
    discards = [event for event in told if isinstance(event, DeadLetterDiscarded)]
    assert [(e.topic, e.offset, e.dlq_offset, e.reason, e.by) for e in discards] == [
        (letters.topic, 1, 1, "test data", "ann")
    ]


def test_letters_that_retention_removed_leave_no_state_behind(broker: Broker) -> None:
    letters = dead_orders(broker, count=6, partitions=1)
    letters.discard(LetterFilter(), "old", "ann", execute=True)
    broker.admin().delete_records({TopicPartition(letters.dlq, 0): -1})
    retention.sweep(broker.connection)
    assert letters.counts().total == 0
    left = broker.connection.client.hgetall(keys.letters(letters.dlq, 0))
    assert left == {b"#discarded": b"0", b"#swept": b"6"}


def test_a_topic_of_dead_letters_that_is_made_anew_knows_nothing_of_the_old_ones(broker: Broker) -> None:
    letters = dead_orders(broker, count=2, partitions=1)
    letters.discard(LetterFilter(), "old", "ann", execute=True)
    broker.admin().delete_topics([letters.dlq])
    bury(broker, [a_letter(a_record(topic=letters.topic, partition=0, offset=0))])
    assert letters.counts().dead == 1


def test_a_letter_that_cannot_be_read_hides_no_other(broker: Broker) -> None:
    letters = dead_orders(broker, count=3, partitions=1)
    name = keys.log(letters.dlq, 0)
    [last] = broker.connection.client.xrevrange(name, count=1)
    ms, _, offset = last[0].decode().partition("-")
    broker.connection.client.xadd(name, {"n": 1, "c": 1, "b": b"rubbish"}, id=f"{ms}-{int(offset) + 1}")
    broker.connection.client.hset(keys.meta(letters.dlq, 0), "end", int(offset) + 2)
    page = letters.list()
    assert [x.address.offset for x in page.letters] == [2, 1, 0]
    assert (page.scanned, page.total) == (4, 4)


def test_who_has_no_dead_letters_is_told_so(broker: Broker) -> None:
    topic = a_topic(broker)
    with pytest.raises(UnknownTopicOrPartitionError, match="no dead letters"):
        DeadLetters(broker.connection, topic, GROUP).list()


def test_a_restore_can_take_back_one_decision_and_leave_what_others_discarded(broker: Broker) -> None:
    letters = dead_orders(broker, count=9, partitions=3)
    first = letters.discard(LetterFilter(partitions=[0]), "test data", "ann", execute=True, decision="first")
    second = letters.discard(LetterFilter(), "all of it", "bob", execute=True, decision="second")
    assert first > 0 and first + second == 9
    meant = LetterFilter(decisions=["second"])
    assert letters.restore(meant, "bob") == letters.restore(meant, "bob", execute=True) == second
    left = letters.list(LetterFilter(states=[LetterState.DISCARDED])).letters
    assert {(found.address.partition, found.status.decision) for found in left} == {(0, "first")}


def test_what_was_decided_anew_meanwhile_is_no_longer_of_the_decision_before(broker: Broker) -> None:
    """Between looking for letters and changing them, another may restore and discard them."""
    letters = dead_orders(broker, count=3)
    letters.discard(LetterFilter(), "test data", "ann", execute=True, decision="first")
    found = [letter.address for letter in letters.all()]
    letters.restore(LetterFilter(letters=found[:1]), "bob", execute=True)
    letters.discard(LetterFilter(letters=found[:1]), "not that one", "bob", execute=True)
    changed = letters.states.restore(found, "ann", decided=["first"])
    assert [change.address for change in changed] == found[1:]
