"""Events in, tables out: the same tables in whatever order and however often the events come."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.projections.apply import apply
from dashboard.projections.models import (
    BrokerEvent,
    ConfigChange,
    DeadLetter,
    FailureGroup,
    LetterState,
    OffsetReset,
    Rebalance,
    RecordEvent,
)
from dashboard.projections.prune import prune
from dashboard.projections.rebuild import TABLES
from streamlab.events import Event, Recorded
from streamlab.events.envelope import letter_of
from streamlab.events.reading import recorded_of
from streamlab.model import ConsumerRecord
from tests.stories import START_MS, Life, of_the_group

pytestmark = pytest.mark.django_db


def recorded(event: Event) -> Recorded:
    """As it comes from the topic."""
    letter = letter_of(event)
    found = recorded_of(ConsumerRecord("e", 0, 0, letter.at_ms, letter.key, letter.value, letter.headers))
    assert found is not None
    return found


def project(*events: Event) -> None:
    apply([recorded(event) for event in events])


def tables() -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables but their primary keys, sorted."""
    found = {}
    for table in TABLES:
        names = [f.attname for f in table._meta.concrete_fields if not f.primary_key]
        found[table.__name__] = sorted(table.objects.values_list(*names), key=repr)
    return found


def the_letter() -> DeadLetter:
    [letter] = DeadLetter.objects.all()
    return letter


# -- the life of a dead letter --------------------------------------------------------------------------------

LIVES = [
    ("died", Life().fails().dies(), [LetterState.DEAD]),
    ("is being replayed", Life().dies().is_replayed(), [LetterState.REPLAYING]),
    ("recovered after a replay", Life().dies().is_replayed().recovers(), [LetterState.RECOVERED]),
    (
        "failed again",
        Life().dies().is_replayed().fails().dies(),
        [LetterState.FAILED_AGAIN, LetterState.DEAD],
    ),
    ("was discarded", Life().dies().is_discarded(), [LetterState.DISCARDED]),
    ("was discarded and restored", Life().dies().is_discarded().is_restored(), [LetterState.DEAD]),
    (
        "was restored, then replayed",
        Life().dies().is_discarded().is_restored().is_replayed(),
        [LetterState.REPLAYING],
    ),
    (
        "failed twice, then recovered",
        Life().dies().is_replayed().dies().is_replayed().recovers(),
        [LetterState.FAILED_AGAIN, LetterState.RECOVERED],
    ),
    ("was only retried", Life().fails().fails().recovers(), []),
]


@pytest.mark.parametrize(("what", "life", "states"), LIVES, ids=[row[0] for row in LIVES])
def test_a_record_that(what, life, states):
    project(*life.events)
    assert list(DeadLetter.objects.order_by("replays").values_list("state", flat=True)) == states


def test_a_letter_says_why_and_where():
    project(*Life().fails().dies(cause="rejected", schema_subject="orders-value", schema_version=2).events)
    letter = the_letter()
    assert (letter.cause, letter.exception, letter.attempts) == ("rejected", "shop.errors.OutOfStock", 2)
    assert (letter.schema_subject, letter.schema_version) == ("orders-value", 2)
    assert (letter.dlq_topic, letter.dlq_partition, letter.dlq_offset) == ("orders.revenue.dlq", 3, 141)
    assert (letter.record_id, letter.record_key) == ("r-41", "MTc4NDE=")


def test_a_letter_says_who_replayed_it_and_when():
    project(*Life().dies().is_replayed(by="ann", replay_id="r1", edited=True).events)
    letter = the_letter()
    assert (letter.replayed_by, letter.replay_id, letter.edited) == ("ann", "r1", True)
    assert letter.replayed_ms == letter.state_ms == START_MS + 2_000


def test_of_a_letter_whose_death_was_not_heard_of_only_the_aftermath_is_known():
    project(*Life().dies().is_replayed().recovers().events[1:])
    letter = the_letter()
    assert (letter.state, letter.died_ms, letter.cause) == (LetterState.RECOVERED, None, "")


def test_a_record_that_dies_in_two_groups_leaves_two_letters():
    project(*Life(group="revenue").dies().events, *Life(group="mail").dies().events)
    assert DeadLetter.objects.count() == 2


def test_a_letter_whose_record_is_read_again_after_a_reset_and_dies_again_is_dead():
    first = Life().dies().is_replayed().recovers().events
    again = Life(at_ms=START_MS + 60_000).dies().events
    project(*first, *again)
    assert the_letter().state == LetterState.DEAD


# -- groups of failures ---------------------------------------------------------------------------------------


def test_letters_that_differ_in_numbers_only_are_one_group_with_its_counts():
    for n in range(5):
        project(*Life(offset=n, at_ms=START_MS + n).dies(f"no stock for order {n}").events)
    project(*Life(offset=0, at_ms=START_MS).dies("no stock for order 0").is_replayed().events[1:])
    [group] = FailureGroup.objects.all()
    assert (group.message, group.example) == ("no stock for order <n>", "no stock for order 4")
    assert (group.dead, group.replaying, group.total) == (4, 1, 5)
    assert (group.first_ms, group.last_ms) == (START_MS + 1_000, START_MS + 1_004)


def test_a_group_whose_only_letter_died_of_something_else_this_time_is_gone():
    project(*Life().dies("no stock").events)
    project(*Life(at_ms=START_MS + 5_000).dies("no price").events)
    assert [group.message for group in FailureGroup.objects.all()] == ["no price"]


def test_the_counts_of_the_groups_are_those_of_the_letters():
    rng = random.Random(7)
    project(*_many_lives(rng, 300))
    for group in FailureGroup.objects.all():
        theirs = DeadLetter.objects.filter(
            group=group.group, topic=group.topic, fingerprint=group.fingerprint
        )
        counted = {state: theirs.filter(state=state).count() for state in LetterState.values}
        assert counted == {state: getattr(group, state.replace(" ", "_")) for state in counted}


# -- attempts and the way of a record -------------------------------------------------------------------------


def test_attempts_are_kept_with_their_planned_and_their_actual_time():
    project(*Life().fails().fails().dies().events)
    first, second, last = RecordEvent.objects.attempts().order_by("attempt")
    assert (first.planned_ms, first.late_ms) == (None, None)
    assert (second.late_ms, second.took_ms, second.due_ms) == (10, 10.0, START_MS + 2_900)
    assert (last.kind, last.attempt) == ("record.dead_lettered", 3)


def test_the_whole_way_of_a_record_is_one_query():
    life = Life().fails().dies().is_replayed().fails().recovers()
    project(*Life(offset=9).dies().events, *reversed(life.events))
    kinds = [row.kind.partition(".")[2] for row in RecordEvent.objects.timeline("r-41")]
    assert kinds == ["retried", "dead_lettered", "replayed", "retried", "recovered"]


def test_a_record_that_could_not_even_be_read_has_no_attempt():
    event = Life().dies(cause="deserialization").events[0]
    project(msgspec.structs.replace(event, attempt=0))
    assert (RecordEvent.objects.count(), RecordEvent.objects.attempts().count()) == (1, 0)


# -- groups, configuration, offsets ---------------------------------------------------------------------------


def test_a_rebalance_is_kept_with_what_moved_and_how_long_it_stood_still():
    project(*of_the_group())
    [row] = Rebalance.objects.all()
    assert (row.epoch, row.cause, row.moved_count, row.longest_standstill_ms) == (7, "joined", 1, 12.5)
    assert row.members_after == ["m-1", "m-2"]


def test_resets_and_changes_of_configuration_have_their_tables():
    project(*of_the_group())
    [reset], [change] = OffsetReset.objects.all(), ConfigChange.objects.all()
    assert (reset.strategy, reset.repeated, reset.positions[0]["before"]) == ("to-earliest", 41, 41)
    assert (change.entity, change.name, change.before, change.after) == ("orders", "retention.ms", None, "1")


def test_everything_that_is_about_no_record_is_in_one_table_too():
    project(*of_the_group())
    kinds = set(BrokerEvent.objects.values_list("kind", flat=True))
    assert kinds == {"member.joined", "group.rebalanced", "offsets.reset", "config.changed"}


def test_an_event_of_a_type_that_is_not_known_is_kept_with_its_fields():
    event = recorded(of_the_group()[0])
    apply([msgspec.structs.replace(event, type="streamlab.member.sang", event=None, id="x")])
    [row] = BrokerEvent.objects.all()
    assert (row.kind, row.data["member"], row.group) == ("member.sang", "m-2", "revenue")


@pytest.mark.parametrize("text", ["a\x00b", "x" * 10_000, "\U0001f600 ä", "'; DROP TABLE x; --", "%s %(a)s"])
def test_whatever_text_strangers_wrote_can_be_stored(text):
    project(*Life().fails(text).dies(text).events)
    assert the_letter().message[:5] == text[:5].replace("\x00", "\ufffd")


# -- order and repetition -------------------------------------------------------------------------------------


def _many_lives(rng: random.Random, count: int) -> list[Event]:
    events: list[Event] = []
    for n in range(count):
        life = Life(offset=n, group=rng.choice(["revenue", "mail"]), at_ms=START_MS + n)
        for _ in range(rng.randrange(3)):
            life.fails(f"{rng.choice(['no stock', 'no price', 'late'])} {n}")
        for _ in range(rng.randrange(4)):
            life.dies(f"{rng.choice(['no stock', 'no price', 'late'])} {n}")
            if rng.random() < 0.8:
                life.is_replayed()
            else:
                life.is_discarded()
                if rng.random() < 0.5:
                    life.is_restored().is_discarded()
                break
        else:
            life.recovers()
        events += life.events
        if rng.random() < 0.1:  # the group was reset, and the record is read and dies once more
            events += Life(offset=n, group=life._who["group"], at_ms=START_MS + 90_000).dies("other").events
    return events


@given(st.randoms(use_true_random=False), st.integers(1, 12), st.integers(1, 7))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_order_and_any_repetition_of_the_same_events_gives_the_same_tables(rng, lives, pieces):
    events = _many_lives(rng, lives) + of_the_group()
    shuffled = events + rng.choices(events, k=len(events) // 2)
    rng.shuffle(shuffled)
    with _undone():
        project(*events)
        expected = tables()
    with _undone():
        for piece in range(pieces):
            project(*shuffled[piece::pieces])
        assert tables() == expected
        project(*shuffled)
        assert tables() == expected


class _undone:
    """Whatever is written inside is rolled back."""

    def __enter__(self) -> None:
        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        self._point = transaction.savepoint()

    def __exit__(self, *error: Any) -> None:
        transaction.savepoint_rollback(self._point)
        self._atomic.__exit__(None, None, None)


def test_pages_find_what_they_ask_for_by_an_index():
    """The queries of the pages; SQLite says how it would go about them."""
    project(*_many_lives(random.Random(1), 50))
    asked = [
        DeadLetter.objects.filter(state="dead").order_by("-died_ms"),
        DeadLetter.objects.filter(group="revenue", topic="orders", state="dead").order_by("-died_ms"),
        DeadLetter.objects.filter(fingerprint="x").order_by("-died_ms"),
        DeadLetter.objects.filter(topic="orders", partition=3, offset=41),
        DeadLetter.objects.filter(record_id="r-41"),
        RecordEvent.objects.filter(record_id="r-41").order_by("at_ms"),
        RecordEvent.objects.filter(topic="orders", partition=3, offset=41),
        RecordEvent.objects.filter(group="revenue").order_by("-at_ms"),
        BrokerEvent.objects.filter(kind="member.left").order_by("-at_ms"),
        Rebalance.objects.filter(group="revenue").order_by("-at_ms"),
    ]
    if connection.vendor != "sqlite":
        pytest.skip("EXPLAIN reads differently here")
    for query in asked:
        plan = query.explain()
        assert "USING INDEX" in plan or "USING COVERING INDEX" in plan, plan
        assert "TEMP B-TREE" not in plan, plan


# -- what is forgotten ----------------------------------------------------------------------------------------


def test_old_attempts_are_forgotten_and_dead_letters_stay():
    day_ms = 86_400_000
    project(
        *Life(1, at_ms=START_MS).fails().dies().events, *Life(2, at_ms=START_MS + 80 * day_ms).fails().events
    )
    project(*of_the_group())
    assert prune(90, now_ms=START_MS + 100 * day_ms) == 2 + 4 + 1 + 1
    assert [row.record_id for row in RecordEvent.objects.all()] == ["r-2"]
    assert (DeadLetter.objects.count(), FailureGroup.objects.count(), ConfigChange.objects.count()) == (
        1,
        1,
        1,
    )


def test_nothing_is_forgotten_where_all_is_to_be_kept():
    project(*Life(1, at_ms=0).fails().events)
    assert prune(0) == 0
    assert RecordEvent.objects.count() == 1
