"""The advisor's rules: each cause is named from its own evidence, and nothing else is."""

from __future__ import annotations

import random
from dataclasses import replace

import msgspec
import pytest

from streamlab.advisor.judge import LINGER_MS, SWITCH_MS, judge
from streamlab.advisor.parsing import calm_rate
from streamlab.advisor.rules import burst
from streamlab.advisor.world import (
    MOST_SLOW,
    Attempts,
    HeavyKey,
    Kept,
    Server,
    SlowCommand,
)
from streamlab.groups.rebalances import Rebalance
from streamlab.lab.shop.rhythm import factor
from streamlab.metrics.positions import Positions
from tests.advisor_worlds import GROUP, TOPIC, a_client, a_consumer, a_worker, a_world, rules_of, sends
from tests.snapshots import NOW_MS, a_server

SIX, EVEN = [20.0] * 6, [10.0] * 6


def only(world, rule):
    found = judge(world).findings
    assert [finding.rule for finding in found] == [rule]
    return found[0]


def test_nothing_is_said_of_a_group_that_keeps_up():
    assert rules_of(a_world(SIX, SIX, clients=[a_worker(n) for n in range(3)])) == []


def test_nothing_is_said_of_a_lag_that_is_worked_off():
    assert rules_of(a_world(EVEN, [12.0] * 6, lag=1_000)) == []


def test_nothing_is_said_of_a_rise_that_is_over():
    world = a_world(SIX, EVEN)
    then = {p.partition: p.lag for p in world.past[3].groups[GROUP].partitions}
    group = world.snapshot.groups[GROUP]
    caught_up = Positions.of(msgspec.structs.replace(p, lag=then[p.partition]) for p in group.partitions)
    now = msgspec.structs.replace(
        world.snapshot, groups={GROUP: msgspec.structs.replace(group, partitions=caught_up)}
    )
    flow = world.flow(GROUP)
    assert flow is not None and flow.slope > 0
    assert rules_of(replace(world, snapshot=now, known_flows={})) == []


def test_a_first_half_minute_is_not_judged():
    world = a_world(SIX, EVEN)
    assert rules_of(replace(world, past=world.past[-2:])) == []
    assert "Rises are not judged yet" in " ".join(judge(replace(world, past=world.past[-2:])).missing)


def test_lag_on_all_partitions_is_a_matter_of_capacity_and_the_numbers_are_right():
    busy = [a_worker(n, ready=500, p50=50) for n in range(2)]
    found = only(a_world(SIX, EVEN, members=2, clients=busy), "capacity")
    numbers = {number.name: number.value for number in found.numbers}
    assert numbers["comes in"] == pytest.approx(120) and numbers["is handled"] == pytest.approx(60)
    assert numbers["lag grows"] == pytest.approx(60) and numbers["lag"] == 3_600
    assert "50 ms" in found.cause
    assert found.levers[0].says == "5 members instead of 2"
    assert "150 records/s" in found.levers[0].effect
    assert any("Not the size of polls" in sentence for sentence in found.not_causes)


def test_lag_without_members_is_nobodys_fault_but_theirs():
    assert only(a_world(SIX, [0.0] * 6, members=0), "nobody-reads").urgency == "now"


def test_a_paused_group_is_told_to_be_paused():
    world = a_world(SIX, [0.0] * 6, members=0, group={"paused": True})
    assert "paused" in only(world, "nobody-reads").title


HOT = {"in_rates": [10, 10, 100, 10, 10, 10], "out_rates": [10, 10, 60, 10, 10, 10]}


def test_lag_on_a_partition_with_a_heavy_key_is_a_hot_keys():
    world = a_world(**HOT, heavy_keys={TOPIC: [HeavyKey(2, "customer-7", 0.9)]})
    found = only(world, "hot-key")
    assert found.record_key == "customer-7" and "customer-7" not in found.cause
    assert found.levers[1].experiment.setting == "assignor"


def test_without_a_heavy_key_it_is_a_hot_partition():
    only(a_world(**HOT, heavy_keys={TOPIC: [HeavyKey(2, "customer-7", 0.1)]}), "hot-partition")


def test_a_fuller_partition_is_not_to_blame_where_its_one_reader_has_all_the_others_too():
    """Which handles 54 records a second: it could have those 18, were it not for the others."""
    fuller = {"in_rates": [9, 9, 10, 18, 10, 12], "out_rates": [7, 7, 8, 13, 8, 10]}
    only(a_world(**fuller, members=1), "capacity")
    only(a_world(**fuller, members=2), "capacity")


def test_a_partition_that_gets_more_than_its_reader_handles_is_to_blame_though_nobody_else_reads():
    only(a_world([1, 1, 100, 1], [1, 1, 60, 1], members=1), "hot-partition")


def test_of_three_heavy_keys_none_is_to_blame_alone():
    """Without one of them the partition would still be hot, whatever a small sample makes of its share."""
    keys = [HeavyKey(2, f"key-{n}", share) for n, share in enumerate((0.43, 0.3, 0.27))]
    only(a_world(**HOT, heavy_keys={TOPIC: keys}), "hot-partition")


def test_a_member_that_is_slower_than_the_others_is_named():
    world = a_world(
        EVEN, [4, 10, 10, 4, 10, 10], members=3, clients=[a_worker(0, 500, 90), a_worker(1), a_worker(2)]
    )
    assert "reader-0" in only(world, "slow-member").title


def test_as_many_members_as_partitions_need_more_partitions():
    world = a_world([75, 75], [50, 50], members=4)
    found = only(world, "too-few-partitions")
    assert found.levers[0].what_if["partitions"] == "4"
    assert any("number of members" in sentence for sentence in found.not_causes)


def test_members_without_work_are_a_hint_where_nothing_is_late():
    assert only(a_world([10, 10], members=4), "idle-members").urgency == "hint"


def test_ten_times_as_much_as_a_while_ago_is_a_burst():
    found = only(a_world(SIX, EVEN, calm_rates={TOPIC: 12.0}), "burst")
    assert found.urgency == "hint" and "10 times" in found.cause


def test_while_a_rise_is_a_few_seconds_old_nothing_else_is_blamed():
    world = a_world(SIX, EVEN)
    topic = msgspec.structs.replace(world.snapshot.topics[TOPIC], rate=10 * 120.0)
    rises = replace(world, snapshot=msgspec.structs.replace(world.snapshot, topics={TOPIC: topic}))
    assert rules_of(world) == ["capacity"]
    assert rules_of(rises) == []
    assert rules_of(replace(rises, calm_rates={TOPIC: 12.0})) == ["burst"]
    assert rules_of(rises, judge(world).findings) == ["capacity"], "what stood before goes on standing"


def seconds_of_the_shop(from_hour: float, minutes: int, orders_per_s: float, seed: int = 7) -> list[float]:
    """What comes in each second while the simulated shop's day goes on, an hour of it a minute; by chance, as there."""
    chance = random.Random(seed)

    def count(rate: float) -> float:
        after_s, found = chance.expovariate(rate), 0
        while after_s < 1:
            after_s, found = after_s + chance.expovariate(rate), found + 1
        return float(found)

    return [count(orders_per_s * factor(from_hour + second / 60)) for second in range(minutes * 60)]


@pytest.mark.parametrize("orders_per_s", [10.0, 50.0, 400.0])
def test_a_morning_that_comes_over_minutes_is_no_burst(orders_per_s):
    for seed in range(10):
        night_and_morning = seconds_of_the_shop(1, 15, orders_per_s, seed)
        assert calm_rate(night_and_morning, burst.TIMES.enter) is None


def test_a_shop_that_is_closed_at_night_and_opened_at_ten_does_not_burst():
    night, day = seconds_of_the_shop(23, 5, 50.0), seconds_of_the_shop(10, 5, 50.0)
    assert calm_rate([*night, *[None] * 90, *day], burst.TIMES.enter) is None


def test_a_burst_in_the_evening_is_told_by_what_came_in_right_before_it():
    evening = seconds_of_the_shop(15, 4, 50.0)
    ten_times = [10 * rate for rate in evening[-60:]]
    calm = calm_rate(evening + ten_times, burst.TIMES.enter)
    assert calm is not None and 60 < calm < 110


def test_a_load_that_the_group_never_kept_up_with_is_no_burst():
    assert rules_of(a_world(SIX, EVEN, calm_rates={TOPIC: 110.0})) == ["capacity"]


def test_a_group_that_could_not_keep_up_before_the_burst_either_is_too_slow():
    assert rules_of(a_world(SIX, [50 / 6] * 6, calm_rates={TOPIC: 45.0})) == ["capacity"]


def test_small_polls_of_a_cheap_handler_are_told():
    small = a_consumer(0, 0.1, **{"time-between-poll-avg": 5.0, "records-consumed-rate": 200.0})
    small = msgspec.structs.replace(small, values=small.values | {"max_poll_records": 1})
    found = only(a_world([100] * 3, [66] * 3, members=1, clients=[small]), "small-polls")
    assert found.levers[0].experiment.values == ("1", "100", "500")


def a_rebalance(ago_s: int, cause: str = "left") -> Rebalance:
    return Rebalance(
        epoch=100 - ago_s, cause=cause, words="", at_ms=NOW_MS - ago_s * 1000, started_ms=NOW_MS - ago_s * 1000 - 50,
        took_ms=50, outcome="finished", assignor="cooperative-sticky", members_before=[], members_after=[], moved=[],
    )  # fmt: skip


def test_rebalances_over_a_minute_are_a_storm_and_explain_the_lag():
    storm = {GROUP: [a_rebalance(s) for s in range(0, 60, 5)]}
    only(a_world(SIX, EVEN, rebalances=storm), "rebalance-storm")


def test_the_rebalances_of_a_deployment_are_none():
    assert rules_of(a_world(rebalances={GROUP: [a_rebalance(s) for s in range(10)]})) == []
    twice = [a_rebalance(s) for s in (*range(6), *range(50, 60))]
    assert rules_of(a_world(rebalances={GROUP: twice})) == []


def test_silent_members_get_another_lever_than_those_that_leave():
    storm = {GROUP: [a_rebalance(s, "expired") for s in range(0, 60, 5)]}
    assert (
        only(a_world(rebalances=storm), "rebalance-storm").levers[0].experiment.setting
        == "session_timeout_ms"
    )


def test_few_very_slow_records_that_fail_point_at_what_the_handler_calls():
    slow = a_worker(0, ready=500, p50=8, p95=2_000)
    tried = {slow.instance: Attempts(30, 300, 45, 0, 0)}
    only(a_world(SIX, EVEN, members=1, clients=[slow], attempts=tried), "slow-downstream")


def test_while_nobody_knows_how_many_attempts_fail_no_other_cause_is_named():
    slow = a_worker(0, ready=500, p50=8, p95=2_000)
    assert rules_of(a_world(SIX, EVEN, members=1, clients=[slow])) == []


def test_unread_records_close_to_their_end_are_urgent():
    found = judge(growing_old(a_world(SIX, EVEN, lag=600, kept={TOPIC: Kept(ms=90_000)}))).findings
    assert [f.rule for f in found] == ["retention-edge", "capacity"]
    assert found[0].urgency == "now" and "first records are lost in" in found[0].symptom


def test_a_paused_group_is_warned_of_retention_and_told_to_resume():
    world = a_world(SIX, [0.0] * 6, lag=600, group={"paused": True}, kept={TOPIC: Kept(ms=90_000)})
    edge, other = judge(growing_old(world)).findings
    assert (edge.rule, other.rule) == ("retention-edge", "nobody-reads"), "records that go come first"
    assert edge.urgency == "now"
    assert edge.cause.startswith("The group is paused, so nothing is read")
    assert "Resume the group" in [lever.says for lever in edge.levers]


@pytest.mark.parametrize("kept", [Kept(), Kept(ms=7 * 86_400_000)], ids=["unlimited", "a week"])
def test_a_deletion_by_hand_is_not_retentions_doing(kept):
    world = a_world(EVEN, lag=100, kept={TOPIC: kept})
    gone = removed(world, purged=30)
    assert rules_of(gone) == []
    assert "retention-edge" in rules_of(removed(world, lost=30))


def removed(world, **counts):
    group = world.snapshot.groups[GROUP]
    positions = Positions.of(msgspec.structs.replace(p, **counts) for p in group.partitions)
    now = msgspec.structs.replace(group, partitions=positions)
    return replace(world, snapshot=msgspec.structs.replace(world.snapshot, groups={GROUP: now}))


def growing_old(world):
    ages = [
        msgspec.structs.replace(s, groups={GROUP: aged(s.groups[GROUP], 20_000 + 600 * n)})
        for n, s in enumerate(world.past)
    ]
    now = msgspec.structs.replace(world.snapshot, groups={GROUP: aged(world.snapshot.groups[GROUP], 50_000)})
    return replace(world, past=ages, snapshot=now)


def aged(group, ms):
    return msgspec.structs.replace(
        group, partitions=Positions.of(msgspec.structs.replace(p, time_lag_ms=ms) for p in group.partitions)
    )


def test_a_lag_that_is_half_as_old_as_retention_and_does_not_age_is_left_alone():
    world = a_world(EVEN, lag=100, kept={TOPIC: Kept(ms=9_000)})
    assert rules_of(world) == []


def test_a_full_partition_loses_nothing_while_nothing_comes_in():
    world = a_world([0.0] * 3, lag=500, kept={TOPIC: Kept(bytes=10_000)})
    quiet = [msgspec.structs.replace(p, rate=0.0) for p in world.snapshot.topics[TOPIC].partitions]
    topic = msgspec.structs.replace(world.snapshot.topics[TOPIC], partitions=quiet)
    assert rules_of(world) == ["retention-edge"]
    still = msgspec.structs.replace(world.snapshot, topics={TOPIC: topic})
    assert rules_of(replace(world, snapshot=still)) == []


def slow(ms: float, name: str = "shop", **values):
    metrics = {
        "producer-metrics": {"request-rate": 20.0, "request-latency-p50": ms, "request-latency-p95": 2 * ms}
    }
    return a_client(name, metrics=metrics, values=values)


@pytest.mark.parametrize(
    ("about", "server", "here", "cause"),
    [
        ("a busy processor", Server(slower_than_ms=10), a_server(cpu_share=0.97), "server is busy"),
        ("a full memory", Server(), a_server(max_memory_bytes=51_000_000), "memory is 98 % full"),
        ("one slow command", Server(slow=[SlowCommand(NOW_MS, 400, "KEYS")] * 40), a_server(), "KEYS stands 40 times"),
        ("a machine without time", Server(slow=[SlowCommand(NOW_MS, 28, "EVALSHA")]), a_server(), "gives it no time"),
        ("a late disk", Server(fsyncs_delayed=3), a_server(), "waits for its disk"),
        ("nothing at the server", Server(fsyncs_delayed=0), a_server(), "the network between"),
    ],
)  # fmt: skip
def test_slow_requests_say_where_the_time_goes(about, server, here, cause):
    world = a_world(clients=[slow(40), slow(50, "till")], server=server)
    world = replace(world, snapshot=msgspec.structs.replace(world.snapshot, server=here))
    assert cause in only(world, "slow-requests").cause


def test_a_command_that_holds_up_the_server_is_named_though_most_requests_are_quick():
    """While it runs next to nothing is sent, so that the median knows nothing of it."""
    metrics = {"request-rate": 20.0, "request-latency-p50": 1.0, "request-latency-p95": 98.0}
    clients = [
        a_client("shop", metrics={"producer-metrics": metrics}),
        *(slow(1, f"till-{n}") for n in range(3)),
    ]
    often = Server(slow=[SlowCommand(NOW_MS - 100 * n, 75, "KEYS") for n in range(MOST_SLOW)])
    found = only(a_world(clients=clients, server=often), "slow-requests")
    assert (found.subject, "KEYS stands 128 times" in found.cause) == ("broker", True)
    assert "one in twenty takes 98 ms" in found.title
    seldom = Server(slow=[SlowCommand(NOW_MS - 9_000 * n, 75, "KEYS") for n in range(5)])
    assert rules_of(a_world(clients=clients, server=seldom)) == []


def test_one_slow_producer_among_many_is_named_alone():
    found = only(a_world(clients=[slow(40), slow(1, "till"), slow(2, "stock")]), "slow-requests")
    assert found.subject == "client:shop"


def test_a_batch_a_record_is_told_when_there_are_many():
    found = only(a_world(clients=[sends(800, 800)]), "tiny-batches")
    assert found.levers[0].experiment.setting == "linger_ms"
    assert (
        only(a_world(clients=[sends(800, 800, batch_size=1)]), "tiny-batches").levers[0].experiment.setting
        == "batch_size"
    )


@pytest.mark.parametrize(("batches", "records"), [(100, 100), (600, 6_000)])
def test_few_or_full_batches_are_no_tiny_ones(batches, records):
    assert rules_of(a_world(clients=[sends(batches, records)])) == []


def test_fetches_that_cannot_bring_anything_are_told():
    hasty = a_consumer(0, 0.9, **{"fetch-rate": 10.0, "fetch-latency-avg": 2.0, "fetch-size-avg": 5_000.0})
    hasty = msgspec.structs.replace(hasty, values=hasty.values | {"fetch_max_wait_ms": 5})
    assert only(a_world(clients=[hasty]), "idle-fetches").levers[0].experiment.values == ("5", "500")


def test_a_short_wait_does_not_matter_where_every_fetch_brings_something():
    quick = a_consumer(0, 0.2, **{"fetch-rate": 100.0, "fetch-latency-avg": 10.0, "fetch-size-avg": 5_000.0})
    quick = msgspec.structs.replace(quick, values=quick.values | {"fetch_max_wait_ms": 5})
    assert rules_of(a_world(clients=[quick])) == []


def test_crumbs_are_told_unless_tiny_batches_explain_them():
    crumbs = a_consumer(0, 0.6, **{"fetch-rate": 400.0, "fetch-latency-avg": 2.0, "fetch-size-avg": 330.0})
    only(a_world([300] * 3, clients=[crumbs]), "idle-fetches")
    only(a_world([300] * 3, clients=[crumbs, sends(900, 900)]), "tiny-batches")


def test_a_member_that_polls_too_seldom_is_told_before_it_is_put_out():
    found = only(a_world(clients=[a_consumer(0, 0.01, **{"time-between-poll-max": 200_000.0})]), "long-polls")
    assert found.levers[0].experiment.setting == "max_poll_records"


# -- standing ----------------------------------------------------------------------------------------------------


def test_what_was_found_stays_between_its_two_limits():
    between = a_world(EVEN, [9.9] * 6, lag=55)  # behind by 6 s, and a hundredth of what comes in is added
    assert rules_of(between) == []
    assert rules_of(between, judge(a_world(SIX, EVEN)).findings) == ["capacity"]


def test_a_finding_outlives_its_evidence_by_some_seconds_and_then_goes():
    found = judge(a_world(SIX, EVEN)).findings
    calm = a_world(SIX, SIX)
    assert rules_of(calm, found) == ["capacity"]
    old = [msgspec.structs.replace(f, seen_ms=NOW_MS - LINGER_MS) for f in found]
    assert rules_of(calm, old) == []


def test_a_lag_gets_another_cause_only_when_the_first_was_not_found_for_a_while():
    found = judge(a_world(SIX, EVEN)).findings
    burst = a_world(SIX, EVEN, calm_rates={TOPIC: 12.0})
    assert rules_of(burst, found) == ["capacity"]
    old = [msgspec.structs.replace(f, seen_ms=NOW_MS - SWITCH_MS) for f in found]
    assert rules_of(burst, old) == ["burst"]


def test_the_lag_that_a_slow_downstream_left_gets_no_other_cause_right_after_its_remedy():
    slow = a_worker(0, ready=500, p50=8, p95=2_000)
    tried = {slow.instance: Attempts(30, 300, 45, 0, 0)}
    found = judge(a_world(SIX, EVEN, members=1, clients=[slow], attempts=tried)).findings
    mended = a_world(SIX, EVEN, members=1)
    assert rules_of(mended) == ["capacity"]
    assert rules_of(mended, found) == ["slow-downstream"]
    old = [msgspec.structs.replace(f, seen_ms=NOW_MS - SWITCH_MS) for f in found]
    assert rules_of(mended, old) == ["capacity"]


def test_what_explains_the_lag_from_outside_takes_its_place_at_once():
    found = judge(a_world(SIX, EVEN)).findings
    storm = {GROUP: [a_rebalance(s) for s in range(0, 60, 5)]}
    assert rules_of(a_world(SIX, EVEN, rebalances=storm), found) == ["rebalance-storm"]


def test_a_finding_of_a_group_that_is_gone_goes_with_it():
    found = judge(a_world(SIX, EVEN)).findings
    world = a_world()
    gone = msgspec.structs.replace(world.snapshot, groups={})
    assert rules_of(replace(world, snapshot=gone), found) == []


def test_since_is_the_first_look_that_found_it():
    first = [msgspec.structs.replace(f, since_ms=5) for f in judge(a_world(SIX, EVEN)).findings]
    assert judge(a_world(SIX, EVEN), first).findings[0].since_ms == 5
