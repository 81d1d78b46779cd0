"""Records that die and attempts that fail: they are told, and a change is named only when far more fail since."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from dashboard.presenters.advice import card
from streamlab.advisor.judge import judge
from streamlab.advisor.onset import Failed
from streamlab.advisor.parsing import changes_since
from streamlab.advisor.working import attempts_since, failures_since
from streamlab.advisor.world import Attempts, Happened, Letters
from tests.advisor_worlds import GROUP, TOPIC, a_worker, a_world
from tests.snapshots import NOW_MS, a_partition, a_topic


def only(world, rule):
    found = judge(world).findings
    assert [finding.rule for finding in found] == [rule]
    return found[0]


def with_letters(world, dead: int):
    """The last minute brought so many dead letters."""
    name = f"{TOPIC}.{GROUP}.dlq"
    empty, full = (a_topic(name, logs=[a_partition(0, log_end=end)], groups=[]) for end in (5, 5 + dead))
    past = [msgspec.structs.replace(s, topics=s.topics | {name: empty}) for s in world.past]
    now = msgspec.structs.replace(world.snapshot, topics=world.snapshot.topics | {name: full})
    return replace(world, past=past, snapshot=now, dead_letters={name: (TOPIC, GROUP)})


def test_dead_letters_are_told_with_what_they_died_of():
    world = with_letters(a_world(letters={(TOPIC, GROUP): Letters(20, [("PoisonError", 20)])}), 60)
    found = only(world, "dead-letters")
    assert "20 letters of the newest 20 died of PoisonError" in found.symptom
    shown = card(found, NOW_MS).levers[0]
    assert (shown.look, shown.look_href) == ("Dead letters", f"/dead-letters/?group={GROUP}&topic={TOPIC}")


SCHEMA = Happened(NOW_MS - 60_000, f"schema:{TOPIC}-value", "version 4 of schema orders-value", "anna")


def died(since_s: float, per_s: float = 1.0, before: float = 0.0, known_s: int = 600) -> dict[str, object]:
    """So many a second since so long ago, and before that `before` a second."""
    seconds = [
        Failed(NOW_MS - 1_000 * s, NOW_MS - 1_000 * (s - 1), 1.0, per_s if s <= since_s else before)
        for s in range(known_s, 0, -1)
    ]
    return {"deaths": {(TOPIC, GROUP): seconds}}


def test_a_change_right_before_is_named_and_one_of_something_else_is_not():
    found = only(with_letters(a_world(changes=[SCHEMA], **died(55)), 60), "failing-after-change")
    assert "version 4 of schema orders-value by anna" in found.cause
    other = replace(SCHEMA, entity="group:other")
    only(with_letters(a_world(changes=[other], **died(55)), 60), "dead-letters")


@pytest.mark.parametrize(
    ("about", "deaths", "rule"),
    [
        ("they die since long before", died(600), "dead-letters"),
        ("they die since right before", died(70), "dead-letters"),
        ("hardly more die than before", died(55, per_s=1.3, before=1.0), "dead-letters"),
        ("far more die than before", died(55, per_s=5.0, before=0.5), "failing-after-change"),
        ("what was before is not known", died(600, known_s=60), "dead-letters"),
        ("nothing is known", {}, "dead-letters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_is_named_only_when_more_die_since(about, deaths, rule):
    only(with_letters(a_world(changes=[SCHEMA], **deaths), 60), rule)


def test_while_the_history_does_not_show_the_first_letters_no_cause_is_named():
    late = replace(SCHEMA, at_ms=NOW_MS - 3_000)
    world = with_letters(a_world(changes=[late], **died(2)), 3)
    assert judge(world).findings == []
    only(replace(world, **died(3)), "failing-after-change")
    only(replace(world, changes=[]), "dead-letters")
    stood = judge(replace(world, changes=[])).findings
    assert [f.rule for f in judge(world, stood).findings] == ["dead-letters"]


def test_of_two_changes_that_is_named_after_which_they_began_to_die():
    later = Happened(
        NOW_MS - 20_000, f"group:{GROUP}", "max_poll_records of group revenue from 500 to 5", "bob"
    )
    found = only(with_letters(a_world(changes=[later, SCHEMA], **died(50)), 60), "failing-after-change")
    assert "by anna" in found.cause


def test_a_change_is_named_as_long_as_records_die():
    long_ago = replace(SCHEMA, at_ms=NOW_MS - 12 * 60_000)
    only(with_letters(a_world(changes=[long_ago], **died(700, known_s=900)), 60), "failing-after-change")
    only(with_letters(a_world(changes=[long_ago], **died(300, known_s=900)), 60), "dead-letters")


@pytest.mark.parametrize(
    ("before", "rule"), [(0, "failing-after-change"), (19, "retries"), (None, "retries")]
)
def test_a_change_is_named_for_attempts_that_fail_only_since(before, rule):
    worker = a_worker(0)
    looks = [Failed(NOW_MS - 60_000 + t, NOW_MS - 50_000 + t, 300.0, 20.0) for t in range(0, 60_000, 10_000)]
    if before is not None:
        looks.insert(0, Failed(NOW_MS - 72_000, NOW_MS - 61_000, 300.0, float(before)))
    world = a_world(
        clients=[worker],
        attempts={worker.instance: Attempts(30, 280, 20, 0, 0)},
        changes=[SCHEMA],
        failures={GROUP: looks},
    )
    only(world, rule)


def test_attempts_that_fail_and_succeed_later_are_a_hint():
    worker = a_worker(0)
    world = a_world(clients=[worker], attempts={worker.instance: Attempts(30, 280, 20, 0, 0)})
    assert only(world, "retries").urgency == "hint"


def test_what_experiments_try_is_no_change_and_what_a_load_is_told_is_one():
    def entry(reason, by="lab"):
        change = {
            "entity_type": "group", "entity": GROUP, "name": "max_poll_records", "before": "500", "after": "5",
            "by": by, "reason": reason, "revision": 1, "at_ms": NOW_MS,
        }  # fmt: skip
        return b"1-0", {b"data": msgspec.json.encode(change)}

    reasons = ["experiment 7", "end of experiment 7", "load steady-shop"]
    found = changes_since([*(entry(reason) for reason in reasons), entry("experiment 8", "anna")], 0)
    assert [change.by for change in found] == ["lab", "anna"]


def test_looks_remember_how_many_attempts_failed_between_them():
    worker, told, spans = a_worker(0), {}, {}
    for look, (handled, failed) in enumerate([(100, 0), (200, 0), (290, 10), (380, 20)]):
        at_ms = NOW_MS + 6_000 * look
        figures = {"records-handled-total": float(handled), "records-failed-total": float(failed)}
        now = msgspec.structs.replace(worker, as_of_ms=at_ms, metrics={"worker-metrics": figures})
        before, clients = told, {now.instance: now}
        told, _ = attempts_since(clients, before)
        spans = failures_since(told, clients, before, spans, NOW_MS - 60_000)
    assert [(s.from_ms - NOW_MS, s.until_ms - NOW_MS, s.of, s.failed) for s in spans[GROUP]] == [
        (0, 6_000, 100.0, 0.0),
        (6_000, 12_000, 100.0, 10.0),
        (12_000, 18_000, 100.0, 10.0),
    ]
    assert failures_since({}, {}, told, spans, NOW_MS + 60_000) == {}
