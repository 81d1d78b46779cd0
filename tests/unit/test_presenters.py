"""Snapshots in words: status, health, skew, trend, flow."""

from __future__ import annotations

import shlex

import pytest

from dashboard.pages import laggards
from dashboard.presenters import commands, flow, groups, health, skew, topics, trend
from dashboard.presenters.sparkline import sparkline
from dashboard.presenters.trend import Direction, Trend
from dashboard.presenters.words import Tone
from streamlab.metrics.partition_names import PartitionNames
from streamlab.metrics.snapshot import Skew
from tests.snapshots import NOW_MS, a_group, a_member, a_partition, a_position, a_server, a_snapshot, a_topic

RISING = Trend(Direction.RISING, 50.0, None)
FALLING = Trend(Direction.FALLING, -50.0, 20_000.0)

STATUSES = [
    ("reads along", a_group(), trend.UNKNOWN, "ok"),
    ("nobody there and nothing to read", a_group(members=[]), trend.UNKNOWN, "idle"),
    ("nobody there and records wait", a_group(lag=7, members=[]), RISING, "stopped"),
    ("old records, and the lag rises", a_group(lag=9, time_lag_ms=60_000), RISING, "late"),
    ("old records, and the lag stands", a_group(lag=9, time_lag_ms=60_000), trend.UNKNOWN, "late"),
    ("old records, but the lag falls", a_group(lag=9, time_lag_ms=60_000), FALLING, "catching up"),
    ("young records, and the lag rises", a_group(lag=9, time_lag_ms=9_000), RISING, "falling behind"),
    ("young records, and the lag rises a moment ago", a_group(lag=9, time_lag_ms=900), RISING, "ok"),
    ("partitions change hands", a_group(state="Reconciling"), trend.UNKNOWN, "rebalancing"),
    ("retention was faster", a_group(partitions=[a_position(lost=3)]), trend.UNKNOWN, "lost records"),
    (
        "somebody deleted them",
        a_group(partitions=[a_position(lag=9, purged=3)]),
        trend.UNKNOWN,
        "purged unread",
    ),
    (
        "nobody there, all deleted",
        a_group(partitions=[a_position(lag=9, purged=9)], members=[]),
        RISING,
        "purged unread",
    ),
    (
        "nobody there, some deleted",
        a_group(partitions=[a_position(lag=9, purged=3)], members=[]),
        RISING,
        "stopped",
    ),
    ("paused, and records wait", a_group(lag=9, time_lag_ms=60_000, paused=True), RISING, "paused"),
    ("paused, and nobody is there", a_group(lag=9, members=[], paused=True), RISING, "stopped"),
    (
        "paused, and retention was faster",
        a_group(partitions=[a_position(lost=3)], paused=True),
        RISING,
        "lost records",
    ),
    ("never committed", a_group(lag=None), trend.UNKNOWN, "nothing committed yet"),
]


@pytest.mark.parametrize(
    ("group", "heading", "word"), [row[1:] for row in STATUSES], ids=[row[0] for row in STATUSES]
)
def test_a_group_has_one_word_for_how_it_is(group, heading, word):
    assert groups.status(group, heading).word == word


def test_a_lag_that_nobody_measured_is_unknown_not_zero():
    row = groups.row(a_group(lag=None), trend.UNKNOWN)
    assert not row.lag.known
    assert not row.time_lag.known


def test_the_first_thing_to_look_at_is_the_worst():
    snapshot = a_snapshot(
        a_topic(),
        a_group("slow", lag=90, time_lag_ms=9_000),
        a_group("stopped-small", lag=5, members=[]),
        a_group("stopped-large", lag=500, members=[]),
    )
    verdict = health.verdict(snapshot, {"slow": RISING})
    assert verdict.tone is Tone.BAD
    assert verdict.headline == "stopped-large is stopped"
    assert (verdict.first.page, verdict.first.name) == ("group", "stopped-large")
    assert [finding.name for finding in verdict.others] == ["stopped-small", "slow"]


AT_REST = trend.of_lag(list(range(0, 60_000, 1_000)), [400.0] * 60)


def test_what_an_ended_reader_left_is_a_note_and_never_the_headline():
    snapshot = a_snapshot(a_topic(), a_group("revenue"), a_group("tried-once", lag=400, members=[]))
    verdict = health.verdict(snapshot, {"tried-once": AT_REST})
    assert (verdict.tone, verdict.headline) == (Tone.OK, "The group keeps up")
    assert [(note.tone, note.headline) for note in verdict.others] == [(Tone.NOTE, "tried-once is stopped")]
    assert groups.status(a_group(lag=400, members=[]), AT_REST).tone is Tone.NOTE


@pytest.mark.parametrize("arrived", [1.0, 400.0])
def test_a_group_without_members_for_which_anything_came_in_the_last_minute_is_bad(arrived):
    lags = [400.0] * 20 + [400.0 + arrived] * 40
    heading = trend.of_lag(list(range(0, 60_000, 1_000)), lags)
    status = groups.status(a_group(lag=int(lags[-1]), members=[]), heading)
    assert (status.word, status.tone) == ("stopped", Tone.BAD)


def test_a_stopped_group_is_bad_until_a_minute_shows_that_nothing_comes_in():
    assert groups.status(a_group(lag=400, members=[]), trend.UNKNOWN).tone is Tone.BAD


def test_records_that_wait_are_not_passed_over_when_every_group_is_at_rest():
    snapshot = a_snapshot(a_topic(), a_group("a", members=[]), a_group("b", lag=400, members=[]))
    verdict = health.verdict(snapshot, {"b": AT_REST})
    assert (verdict.tone, verdict.headline) == (Tone.IDLE, "Nobody reads now")
    assert verdict.detail == "No group has members. 400 records wait, and nothing more comes in."


def test_when_all_is_well_it_says_so():
    verdict = health.verdict(a_snapshot(a_topic(), a_group("a"), a_group("b")), {})
    assert (verdict.tone, verdict.headline, verdict.first) == (Tone.OK, "All 2 groups keep up", None)


def test_only_groups_that_read_are_counted_among_those_that_keep_up():
    snapshot = a_snapshot(a_topic(), a_group("a"), a_group("b"), a_group("asleep", members=[]))
    assert health.verdict(snapshot, {}).headline == "All 2 groups keep up"


def test_a_group_that_is_minutes_behind_is_the_headline_though_it_catches_up():
    late = a_group("notifications", lag=900, time_lag_ms=286_000)
    verdict = health.verdict(a_snapshot(a_topic(), a_group("a"), late), {"notifications": FALLING})
    assert verdict.headline == "notifications is 4 min 46 s behind, catching up"
    assert verdict.tone is Tone.WARN


def test_a_paused_group_is_a_note_that_leads_to_its_resumption():
    waiting = a_position(lag=900, time_lag_ms=286_000, owner=None)
    paused = a_group("billing", partitions=[waiting], paused=True)
    verdict = health.verdict(a_snapshot(a_topic(), a_group("a"), paused), {"billing": RISING})
    assert (verdict.tone, verdict.headline) == (Tone.OK, "The group keeps up")
    [note] = verdict.others
    assert (note.tone, note.headline, note.detail) == (
        Tone.NOTE,
        "billing is paused",
        "Lag 900 on orders; its members read nothing.",
    )
    assert (note.name, note.operation, note.verb) == ("billing", "resume-group", "Resume")
    assert groups.status(paused, RISING).why == "900 records wait; resume it when that is over"


def test_groups_that_are_paused_are_not_said_to_keep_up():
    paused = a_group("billing", lag=900, paused=True)
    verdict = health.verdict(a_snapshot(a_topic(), paused), {})
    assert (verdict.tone, verdict.headline) == (Tone.NOTE, "The group that reads is paused")
    both = health.verdict(a_snapshot(a_topic(), paused, a_group("b", paused=True)), {})
    assert both.headline == "All 2 groups that read are paused"


def test_records_that_somebody_deleted_are_a_note_and_no_loss():
    purged = a_group("billing", partitions=[a_position(lag=9, purged=3)])
    verdict = health.verdict(a_snapshot(a_topic(), purged), {})
    assert (verdict.tone, verdict.headline) == (Tone.OK, "The group keeps up")
    assert [(note.tone, note.headline) for note in verdict.others] == [
        (Tone.NOTE, "3 records were deleted before billing read them")
    ]
    left = a_group("billing", partitions=[a_position(lag=9, purged=3)], members=[])
    assert groups.status(left, RISING).why == "6 records wait and the group has no members"


def test_a_group_without_a_commit_does_not_count_as_keeping_up():
    verdict = health.verdict(a_snapshot(a_topic(), a_group("new", lag=None)), {})
    assert (verdict.tone, verdict.headline) == (Tone.NOTE, "Nothing is committed yet")
    assert [note.headline for note in verdict.others] == ["new has committed nothing yet"]


def test_every_part_of_a_page_says_the_same_word_for_a_group():
    group = a_group("a", lag=900, time_lag_ms=286_000)
    snapshot, trends = a_snapshot(a_topic("orders", groups=["a"]), group), {"a": FALLING}
    [drawn] = flow.picture(snapshot, groups.Statuses(trends)).groups
    [reader] = topics.readers(snapshot, "orders", groups.Statuses(trends))
    words = {drawn.status.word, reader.status.word, groups.row(group, FALLING).status.word}
    assert words == {"catching up"}


def test_an_empty_broker_says_what_to_type():
    verdict = health.verdict(a_snapshot(), {})
    assert verdict.tone is Tone.IDLE
    assert verdict.command.startswith(".venv/bin/python -m streamlab play")


def test_topics_without_a_group_say_how_to_read_them():
    verdict = health.verdict(a_snapshot(a_topic("orders")), {})
    assert verdict.command == ".venv/bin/python -m streamlab consume orders --group G --from-beginning"


def test_partitions_that_nobody_reads_are_found_though_the_group_has_members():
    orphan = a_position(partition=4, lag=5, owner=None, time_lag_ms=12_000)
    verdict = health.verdict(a_snapshot(a_topic(), a_group(partitions=[a_position(), orphan])), {})
    assert verdict.headline == "1 partition of analytics unread"
    assert "orders/4" in verdict.detail


def test_a_full_redis_is_bad_news_and_a_redis_without_aof_is_worth_a_note():
    full = a_server(used_memory_bytes=95, max_memory_bytes=100)
    assert health.verdict(a_snapshot(a_topic(), a_group(), server=full), {}).tone is Tone.BAD
    forgetful = health.verdict(a_snapshot(a_topic(), a_group(), server=a_server(aof=False)), {})
    assert forgetful.headline == "The group keeps up"
    assert [note.headline for note in forgetful.others] == ["Redis keeps nothing over a restart"]


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        (Skew(1.05, 0.02, 0.01, []), "even"),
        (Skew(1.30, 0.20, 0.10, []), "slight"),
        (Skew(1.80, 0.50, 0.30, []), "uneven"),
        (Skew(2.80, 0.90, 0.50, [2]), "hot"),
    ],
)
def test_skew_has_a_word_and_the_numbers_behind_it(numbers, word):
    status = skew.in_a_word(a_topic(skew=numbers))
    assert status.word == word
    assert "× the mean" in status.why


def test_one_partition_has_no_skew_and_says_why():
    figures = topics.skew_figures(a_topic(partitions=1))
    assert not figures.max_over_mean.known
    assert figures.max_over_mean.exact == "One partition cannot be uneven"


def test_a_hot_partition_is_marked_in_the_table():
    logs = [a_partition(0, log_end=100), a_partition(1, log_end=100), a_partition(2, log_end=800)]
    rows = topics.partition_rows(a_topic(logs=logs, skew=Skew(2.4, 0.9, 0.4, [2])), NOW_MS)
    assert [row.hot for row in rows] == [False, False, True]
    assert [row.share.plain for row in rows] == ["10 %", "10 %", "80 %"]


def test_shares_of_an_empty_topic_are_unknown():
    [row] = topics.partition_rows(a_topic(logs=[a_partition(log_end=0, rate=0.0)]), NOW_MS)
    assert not row.share.known
    assert not row.traffic.known


def test_a_steady_climb_is_rising_and_noise_around_a_level_is_not():
    times = list(range(0, 60_000, 1_000))
    assert trend.of_lag(times, [10.0 * i for i in range(60)]).direction is Direction.RISING
    noise = [500.0 + (i * 37 % 91) for i in range(60)]
    assert trend.of_lag(times, noise).direction is Direction.STEADY


@pytest.mark.parametrize("change", [85.0, -85.0])
def test_a_change_of_pace_shows_in_full_within_six_seconds(change):
    lags = [50_000.0] * 54 + [50_000.0 + change * s for s in range(1, 7)]
    assert trend.of_lag(list(range(0, 60_000, 1_000)), lags).per_s == pytest.approx(change, rel=0.1)


def test_a_rise_that_is_over_is_no_longer_a_rise():
    lags = [85.0 * min(s, 53) + (s * 7 % 5) for s in range(60)]
    assert trend.of_lag(list(range(0, 60_000, 1_000)), lags).direction is Direction.STEADY


def test_a_lag_that_grows_between_commits_and_drops_with_each_is_steady():
    for phase in range(5):
        lags = [85.0 * ((s + phase) % 5) for s in range(60)]
        assert trend.of_lag(list(range(0, 60_000, 1_000)), lags).held is Direction.STEADY


def test_an_age_around_the_threshold_does_not_come_and_go():
    ages = [1_000.0, 5_100, 4_900, 5_100, 4_000, 2_900, 5_050, 4_800]
    climb = [10.0 * n for n in range(20)]
    words = set()
    for end in range(2, len(ages) + 1):
        heading = trend.of_lag(list(range(0, 20_000, 1_000)), climb, ages[:end])
        words.add(groups.status(a_group(lag=190, time_lag_ms=ages[end - 1]), heading).word)
    assert words == {"falling behind"}


def test_an_age_that_stays_low_ends_it():
    heading = Trend(Direction.RISING, 9.0, None, ages_ms=(6_000, 2_000, 2_000))
    assert heading.older_than(5_000, 3_000, 2_000) is False
    assert heading.older_than(5_000, 3_000, 3_500) is True
    assert heading.older_than(5_000, 3_000, None) is False


def test_one_sample_of_another_direction_changes_nothing_and_three_do():
    up, flat = Direction.RISING, Direction.STEADY
    assert Trend(flat, 0.0, None, (up, up, up, flat)).held is up
    assert Trend(flat, 0.0, None, (up, flat, flat, flat)).held is flat


def test_a_falling_lag_says_when_it_is_closed():
    times = list(range(0, 60_000, 1_000))
    falling = trend.of_lag(times, [2_000.0 - 20 * i for i in range(60)])
    assert falling.words == "falling 20/s, caught up in 41 s"


def test_too_little_history_has_no_trend():
    assert trend.of_lag([0, 1_000], [1.0, 2.0]).direction is Direction.UNKNOWN
    assert trend.of_lag([0, 1_000] * 10, [None] * 20).direction is Direction.UNKNOWN


def test_the_matrix_shows_who_has_gets_and_gives_up_each_partition():
    going = a_member("m1", ("orders/0",), client_id="c1", owned=PartitionNames.of(["orders/0", "orders/1"]))
    coming = a_member("m2", ("orders/1",), client_id="c2", owned=PartitionNames.of([]))
    positions = [a_position(partition=n, owner=None) for n in range(3)]
    [matrix] = groups.matrices(a_group(members=[going, coming], partitions=positions), ["orders"])
    assert [(line.client_id, line.cells) for line in matrix.lines] == [
        ("c1", ["own", "leaving", ""]),
        ("c2", ["", "coming", ""]),
    ]
    assert matrix.orphans == [2]


def test_the_flow_draws_a_band_for_each_pair_and_the_widest_for_the_most():
    snapshot = a_snapshot(
        a_topic("clicks", groups=["a"]),
        a_topic("orders", groups=["a"]),
        a_group(
            "a",
            partitions=[a_position("clicks", consumed_rate=900.0), a_position("orders", consumed_rate=9.0)],
        ),
    )
    picture = flow.picture(snapshot, groups.Statuses({}))
    widths = {edge.key: float(edge.width) for edge in picture.edges}
    assert widths["clicks/a"] == flow.MAX_STROKE
    assert flow.MIN_STROKE < widths["orders/a"] < widths["clicks/a"]


def test_the_flow_of_very_many_topics_says_what_it_leaves_out():
    picture = flow.picture(a_snapshot(*[a_topic(f"t{n:02}") for n in range(20)]), groups.Statuses({}))
    assert len(picture.topics) == flow.MOST_NODES
    assert picture.left_out == f"The busiest are drawn; {20 - flow.MOST_NODES} more topics not."


def test_the_flow_draws_no_quiet_unread_topic_and_puts_groups_that_do_nothing_last():
    quiet = [a_topic(f"a{n}", rate=0.0) for n in range(9)]
    asleep = [a_group(f"a{n}", members=[], consumed_rate=0.0) for n in range(flow.MOST_NODES)]
    snapshot = a_snapshot(*quiet, a_topic("orders"), *asleep, a_group("z", consumed_rate=0.0))
    picture = flow.picture(snapshot, groups.Statuses({}))
    assert [node.name for node in picture.topics] == ["orders"]
    assert "z" in [node.name for node in picture.groups]


def test_what_does_nothing_comes_after_what_works_in_a_list_and_in_the_chart():
    asleep = [a_group(f"a{n}", members=[], consumed_rate=0.0) for n in range(9)]
    busy, calm = a_group("y", consumed_rate=50.0), a_group("b", consumed_rate=5.0)
    rows = sorted((groups.row(g, trend.UNKNOWN) for g in (*asleep, calm, busy)), key=lambda r: r.severity)
    assert [row.name for row in rows][:3] == ["y", "b", "a0"]
    assert [g.group for g in laggards.in_order(a_snapshot(*asleep, calm, busy))][:3] == ["y", "b", "a0"]


def test_names_in_commands_are_quoted_and_never_options():
    for name in ("o'clock & co", "$(reboot)", "--help"):
        words = shlex.split(commands.consume(name))
        assert words.count(name) == 1
    assert commands.consume("--help").endswith(" -- --help")


def test_only_groups_of_the_simulated_shop_have_a_command_that_starts_them():
    assert commands.start_again("notifications").endswith("shop scale notifications 1")
    assert commands.start_again("somebody's") == ""


def test_a_sparkline_breaks_where_nothing_was_measured():
    line = sparkline([0, 25, 50, 75], [1.0, None, 1.0, 1.0], 0, 100)
    assert line.path.count("M") == 2
