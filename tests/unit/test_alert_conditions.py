"""What conditions see in a snapshot, and on which side of a rule's limits it is."""

from __future__ import annotations

import pytest

from dashboard.alerts.conditions import ALL, CONDITIONS, GROUP_WORDS, Side, described, seen
from dashboard.alerts.forms import proposed
from dashboard.alerts.judge import Seen
from dashboard.alerts.models import Rule
from dashboard.alerts.presets import PRESETS
from dashboard.alerts.preview import fired
from dashboard.alerts.world import World
from dashboard.presenters.trend import Direction, Trend
from streamlab.metrics.rings import FIELDS
from tests.snapshots import NOW_MS, a_group, a_position, a_server, a_snapshot, a_topic


def a_rule(condition: str, **changes: object) -> Rule:
    fields = {**proposed(CONDITIONS[condition]), **changes}
    return Rule(condition=condition, **fields)


def a_world(*things: object, **changes: object) -> World:
    return World(**{"now_ms": NOW_MS, "snapshot": a_snapshot(*things), "trends": {}, **changes})


def verdicts(rule: Rule, world: World) -> dict[str, str] | None:
    """Subject → on which side it is."""
    condition = CONDITIONS[rule.condition]
    readings = condition.read(world, rule)
    return None if readings is None else {r.subject: seen(rule, condition, r).value for r in readings}


def says(rule: Rule, world: World) -> list[str]:
    return [reading.says for reading in CONDITIONS[rule.condition].read(world, rule) or []]


STOPPED = a_group("inventory", lag=400, members=[], state="Empty")
LATE = a_group("revenue", partitions=[a_position(lag=12_000, time_lag_ms=400_000)])


def test_a_stopped_group_is_beyond_and_says_why():
    rule, world = a_rule("group-status", statuses=["stopped"]), a_world(STOPPED, a_group("revenue"))
    assert verdicts(rule, world) == {"group inventory": "beyond", "group revenue": "calm"}
    assert says(rule, world)[0] == "Group inventory is stopped: 400 records wait and the group has no members"


def test_a_scope_leaves_other_groups_out():
    rule = a_rule("group-lag", scope="rev*")
    assert verdicts(rule, a_world(STOPPED, LATE)) == {"group revenue": "beyond"}


def test_the_time_lag_is_in_seconds():
    rule, world = a_rule("group-time-lag"), a_world(LATE, a_group("other"))
    assert verdicts(rule, world) == {"group revenue": "beyond", "group other": "calm"}
    assert says(rule, world)[0] == "The oldest unread record of group revenue has waited 6 min 40 s"


def test_a_lag_that_is_not_known_is_neither():
    never = a_group("fresh", partitions=[a_position(lag=None)])
    assert verdicts(a_rule("group-lag"), a_world(never)) == {"group fresh": "unknown"}


def test_a_partition_without_an_owner_is_beyond_while_there_are_members():
    orphan = a_group("revenue", partitions=[a_position(lag=5, owner=None), a_position(partition=1, lag=0)])
    rule, world = a_rule("unowned"), a_world(orphan, STOPPED)
    assert verdicts(rule, world) == {"group revenue": "beyond", "group inventory": "calm"}
    assert says(rule, world)[0] == "1 partition of group revenue is read by nobody: orders/0"


def test_a_paused_group_is_neither_late_nor_unread_by_mistake_but_its_oldest_record_is_still_timed():
    waiting = a_position(lag=12_000, time_lag_ms=400_000, owner=None)
    world = a_world(a_group("revenue", partitions=[waiting], paused=True))
    assert verdicts(a_rule("group-status"), world) == {"group revenue": "calm"}
    assert says(a_rule("group-status"), world) == [
        "Group revenue is paused: 12,000 records wait; resume it when that is over"
    ]
    assert verdicts(a_rule("unowned"), world) == {"group revenue": "calm"}
    assert verdicts(a_rule("group-time-lag"), world) == {"group revenue": "beyond"}


def test_too_few_members_are_beyond():
    rule = a_rule("members", threshold=1)
    assert verdicts(rule, a_world(STOPPED, LATE)) == {"group inventory": "beyond", "group revenue": "calm"}


def test_topics_are_quiet_or_busy_and_internal_ones_only_when_they_are_named():
    world = a_world(
        a_topic("idle", rate=0.0), a_topic("full", rate=20_000.0), a_topic("__streamlab.events", rate=0.0)
    )
    assert verdicts(a_rule("topic-quiet"), world) == {"topic idle": "beyond", "topic full": "calm"}
    assert verdicts(a_rule("topic-busy"), world) == {"topic idle": "calm", "topic full": "beyond"}
    internal = a_rule("topic-quiet", scope="__*")
    assert verdicts(internal, world) == {"topic __streamlab.events": "beyond"}


@pytest.mark.parametrize(("used", "side"), [(95, "beyond"), (85, "between"), (50, "calm")])
def test_memory_is_judged_by_its_share(used, side):
    server = a_server(used_memory_bytes=used * 10**6, max_memory_bytes=100 * 10**6)
    world = World(NOW_MS, snapshot=a_snapshot(server=server))
    assert verdicts(a_rule("memory"), world) == {"the server": side}


def test_memory_without_a_limit_has_nothing_to_judge():
    assert verdicts(a_rule("memory"), a_world()) == {}


def test_dead_letters_are_counted_over_the_rules_own_window():
    deaths = {300: {("billing", "orders"): 3}, 60: {}}
    rule = a_rule("dead-letters")
    assert verdicts(rule, a_world(deaths=deaths)) == {"group billing on orders": "beyond"}
    assert says(rule, a_world(deaths=deaths)) == ["3 records of orders died in group billing within 5 min"]
    assert verdicts(a_rule("dead-letters", window_s=60), a_world(deaths=deaths)) == {}


def test_retries_refusals_and_parts_are_seen():
    world = a_world(
        retrying={"billing": 1_200},
        refusals={"checkout": {"linger_ms": "linger_ms is too long"}},
        parts={"worker": (False, "no heartbeat"), "sampler": (True, "up")},
    )
    assert verdicts(a_rule("retrying"), world) == {"group billing": "beyond"}
    assert verdicts(a_rule("refusals"), world) == {"client checkout": "beyond"}
    assert verdicts(a_rule("part"), world) == {"part worker": "beyond", "part sampler": "calm"}


@pytest.mark.parametrize("condition", ALL, ids=lambda condition: condition.name)
def test_what_cannot_be_seen_gives_no_readings(condition):
    assert condition.read(World(NOW_MS), a_rule(condition.name)) is None


def test_a_status_without_the_trends_of_lags_is_not_known():
    assert verdicts(a_rule("group-status"), a_world(LATE, trends=None)) is None


def test_every_word_of_a_group_can_be_chosen():
    rising = Trend(Direction.RISING, 50.0, None, (Direction.RISING,) * 5)
    falling = Trend(Direction.FALLING, -50.0, None, (Direction.FALLING,) * 5)
    waiting = a_group("b", partitions=[a_position(lag=100, time_lag_ms=8_000)])
    losing = a_group("c", partitions=[a_position(lag=3, lost=4)])
    idle = a_group("d", members=[])
    moving = a_group("e", state="Reconciling")
    fresh = a_group("f", partitions=[a_position(lag=None)])
    catching = a_group("g", partitions=[a_position(lag=12_000, time_lag_ms=400_000)])
    paused = a_group("i", lag=7, paused=True)
    purged = a_group("j", partitions=[a_position(lag=7, purged=4)])
    world = a_world(STOPPED, LATE, waiting, losing, paused, purged, idle, moving, fresh, catching, a_group("h"),
                    trends={"b": rising, "g": falling})  # fmt: skip
    readings = CONDITIONS["group-status"].read(world, a_rule("group-status"))
    assert {reading.word for reading in readings} == set(GROUP_WORDS)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_fits_its_condition(preset):
    condition = CONDITIONS[preset.condition]
    rule = Rule(condition=condition.name, **proposed(condition, preset))
    assert described(rule)
    if condition.side is Side.WORDS:
        assert set(rule.statuses) <= set(condition.words)
    else:
        assert rule.threshold is not None


def test_what_conditions_look_back_at_is_kept():
    for condition in ALL:
        if condition.past:
            kind, field = condition.past
            assert field in FIELDS[kind]


def test_the_past_is_judged_by_the_same_rules():
    rule = a_rule("group-time-lag", for_s=20, clear_for_s=10)
    values = [0, 400_000, 0, 400_000, 400_000, 400_000, 250_000, 0, 0, 400_000, 400_000, 400_000]
    times = [10_000 * n for n in range(len(values))]
    found = fired(rule, CONDITIONS["group-time-lag"], times, values)
    assert found == [(50_000, 80_000), (110_000, None)]


def test_a_limit_to_clear_that_is_left_out_is_the_threshold():
    rule = a_rule("group-lag", threshold=100, clear_at=None)
    group = a_group("revenue", partitions=[a_position(lag=100)])
    reading = next(iter(CONDITIONS["group-lag"].read(a_world(group), rule)))
    assert seen(rule, CONDITIONS["group-lag"], reading) is Seen.CALM
