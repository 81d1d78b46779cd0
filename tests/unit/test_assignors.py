"""Whatever the group looks like, every partition has exactly one member that wants its topic."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.groups import lag_aware
from streamlab.groups.assignors import ASSIGNORS, by_work, sticky
from streamlab.groups.target import in_order
from streamlab.groups.words import Member
from streamlab.model import TopicPartition

patient = settings(max_examples=60)  # busy machines
BY_COUNT = ["cooperative-sticky", "sticky", "roundrobin"]
KEEPING = {"cooperative-sticky": sticky, "sticky": sticky, "lag-aware": by_work}

topics = st.sampled_from(["a", "b", "c"])
groups = st.dictionaries(
    st.sampled_from([f"m{n}" for n in range(6)]), st.frozensets(topics, min_size=1), min_size=1
)
counts = st.fixed_dictionaries({t: st.integers(1, 9) for t in "abc"})
work = st.one_of(st.just(0.0), st.floats(0, 1e6, allow_nan=False))


@st.composite
def situations(draw):
    """Members, partition counts, an assignment left over from before, partly to members that are gone, and work."""
    subscriptions, sizes = draw(groups), draw(counts)
    everyone = st.sampled_from([*subscriptions, "gone"])
    partitions = [TopicPartition(t, n) for t, size in sizes.items() for n in range(size)]
    owners = {p: draw(everyone) for p in partitions if draw(st.booleans())}
    loads = {p: draw(work) for p in partitions if draw(st.booleans())}
    return subscriptions, sizes, owners, loads


def held_after(assignment):
    return {p: member for member, ps in assignment.items() for p in ps}


def moved(assignment, owners):
    """Partitions that were taken away from a member that is still there."""
    return {p for p, m in held_after(assignment).items() if owners.get(p) in assignment and owners[p] != m}


# -- what holds for all of them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ASSIGNORS))
@patient
@given(situations())
def test_every_subscribed_partition_has_exactly_one_owner_that_wants_it(name, situation):
    subscriptions, sizes, owners, loads = situation
    assignment = ASSIGNORS[name](subscriptions, sizes, owners, loads)
    given_out = [p for partitions in assignment.values() for p in partitions]
    wanted = {t for subscribed in subscriptions.values() for t in subscribed}
    assert sorted(given_out) == sorted(TopicPartition(t, n) for t in wanted for n in range(sizes[t]))
    assert all(p.topic in subscriptions[member] for member, ps in assignment.items() for p in ps)
    assert set(assignment) == set(subscriptions)


@pytest.mark.parametrize("name", sorted(ASSIGNORS))
@patient
@given(situations(), st.randoms())
def test_whoever_computes_it_comes_to_the_same(name, situation, random):
    subscriptions, sizes, owners, loads = situation
    members = [
        a_member(m, sorted(ts), None if random.random() < 0.5 else m) for m, ts in subscriptions.items()
    ]
    results = []
    for _ in range(2):
        random.shuffle(members)
        mixed = dict(random.sample(sorted(owners.items()), len(owners)))
        known = {m.member_id: frozenset(m.topics) for m in in_order(members)}
        results.append(ASSIGNORS[name](known, sizes, mixed, loads))
    assert results[0] == results[1]


@pytest.mark.parametrize("name", BY_COUNT)
@patient
@given(situations())
def test_those_that_count_are_even_to_within_one_when_all_want_the_same(name, situation):
    subscriptions, sizes, owners, _ = situation
    same = dict.fromkeys(subscriptions, frozenset("abc"))
    shares = [len(ps) for ps in ASSIGNORS[name](same, sizes, owners, {}).values()]
    assert max(shares) - min(shares) <= 1


@patient
@given(situations())
def test_range_is_even_to_within_one_for_each_topic(situation):
    subscriptions, sizes, owners, _ = situation
    same = dict.fromkeys(subscriptions, frozenset("abc"))
    assignment = ASSIGNORS["range"](same, sizes, owners, {})
    for topic in "abc":
        shares = [sum(p.topic == topic for p in ps) for ps in assignment.values()]
        assert max(shares) - min(shares) <= 1


# -- only what must move moves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(KEEPING))
@patient
@given(situations())
def test_nothing_moves_when_nothing_changed(name, situation):
    subscriptions, sizes, owners, loads = situation
    first = KEEPING[name](subscriptions, sizes, owners, loads)
    assert KEEPING[name](subscriptions, sizes, held_after(first), loads) == first


def test_a_gain_of_rounding_errors_keeps_nobody_from_a_swap():
    """m5 and m3 differ by the weight of c/2 and a hair: to give it gains nothing, to swap it does."""
    subscriptions = {"m0": "a", "m1": "a", "m2": "ab", "m3": "c", "m4": "ab", "m5": "abc"}
    subscriptions = {member: frozenset(topics) for member, topics in subscriptions.items()}
    sizes, heavy = {"a": 1, "b": 9, "c": 5}, TopicPartition("c", 2)
    b = {TopicPartition("b", n): load for n, load in ((1, 25453.5), (4, 25671.5), (5, 66807.5))}
    loads = b | {heavy: 51012.0}
    first = ASSIGNORS["lag-aware"](subscriptions, sizes, {heavy: "m5"}, loads)
    assert ASSIGNORS["lag-aware"](subscriptions, sizes, held_after(first), loads) == first


@patient
@given(situations())
def test_sticky_moves_no_more_than_evenness_asks_for(situation):
    subscriptions, sizes, owners, _ = situation
    same = dict.fromkeys(subscriptions, frozenset("abc"))
    kept = sorted((sum(o == m for o in owners.values()) for m in same), reverse=True)
    share, extra = divmod(sum(sizes.values()), len(same))
    too_many = sum(max(0, k - share - (i < extra)) for i, k in enumerate(kept))
    assert len(moved(sticky(same, sizes, owners), owners)) == too_many


@patient
@given(situations())
def test_sticky_leaves_no_pair_that_one_partition_would_make_more_even(situation):
    subscriptions, sizes, owners, _ = situation
    assignment = sticky(subscriptions, sizes, owners)
    for giver, share in assignment.items():
        for taker, theirs in assignment.items():
            if len(share) - len(theirs) >= 2:
                assert not any(p.topic in subscriptions[taker] for p in share), (giver, taker)


@patient
@given(st.integers(1, 8), st.integers(1, 40))
def test_a_new_member_takes_its_share_and_nothing_moves_between_the_others(members, partitions):
    old = {f"m{n}": frozenset("t") for n in range(members)}
    held = held_after(sticky(old, {"t": partitions}, {}))
    then = sticky(old | {"new": frozenset("t")}, {"t": partitions}, held)
    went = moved(then, held)
    assert went <= set(then["new"])
    assert len(went) == partitions // (members + 1)


@pytest.mark.parametrize("name", ["cooperative-sticky", "sticky"])
@patient
@given(st.integers(2, 8), st.integers(1, 40))
def test_when_a_member_dies_only_its_partitions_move(name, members, partitions):
    everyone = {f"m{n}": frozenset("t") for n in range(members)}
    first = KEEPING[name](everyone, {"t": partitions}, {}, {})
    left = {m: s for m, s in everyone.items() if m != "m0"}
    held = held_after(first)
    then = KEEPING[name](left, {"t": partitions}, held, {})
    assert {p for m, ps in then.items() for p in ps if held[p] != m} == set(first["m0"])


@patient
@given(st.integers(1, 6), st.integers(1, 12), st.integers(1, 12))
def test_partitions_that_are_added_move_nothing_when_there_are_enough_of_them(members, before, added):
    everyone = {f"m{n}": frozenset("t") for n in range(members)}
    held = held_after(sticky(everyone, {"t": before}, {}))
    then = sticky(everyone, {"t": before + added}, held)
    assert moved(then, held) == set()


# -- by work ----------------------------------------------------------------------------------------------------------


@patient
@given(situations())
def test_by_work_no_step_is_left_that_would_bring_two_members_closer(situation):
    subscriptions, sizes, owners, loads = situation
    same = dict.fromkeys(subscriptions, frozenset("abc"))
    assignment = by_work(same, sizes, owners, loads)
    weight = lag_aware.weights(sorted(held_after(assignment)), loads)
    sums = {m: sum(weight[p] for p in ps) for m, ps in assignment.items()}
    mean = sum(sums.values()) / len(sums)
    for giver, share in assignment.items():
        for taker in assignment:
            gap = sums[giver] - sums[taker]
            if gap > lag_aware.TOLERANCE * mean:
                useful = [p for p in share if 1e-6 * gap < weight[p] < gap * (1 - 1e-6)]
                gains = [2 * weight[p] * (gap - weight[p]) for p in useful]
                assert max(gains, default=0) <= 1e-8 * (sum(sums.values()) + 1) ** 2


@patient
@given(st.integers(1, 6), st.integers(1, 30))
def test_by_work_partitions_that_are_all_alike_are_counted(members, partitions):
    everyone = {f"m{n}": frozenset("t") for n in range(members)}
    shares = [len(ps) for ps in by_work(everyone, {"t": partitions}, {}, {}).values()]
    assert max(shares) - min(shares) <= 1


@patient
@given(st.lists(st.floats(90, 110), min_size=12, max_size=12))
def test_by_work_what_differs_by_a_tenth_moves_nothing(measured):
    everyone = {f"m{n}": frozenset("t") for n in range(4)}
    even = dict.fromkeys((TopicPartition("t", n) for n in range(12)), 100.0)
    held = held_after(by_work(everyone, {"t": 12}, {}, even))
    then = by_work(everyone, {"t": 12}, held, dict(zip(even, measured, strict=True)))
    assert moved(then, held) == set()


def test_by_work_a_backlog_moves_what_is_beside_it_and_not_itself():
    two = {"a": frozenset("t"), "b": frozenset("t")}
    held = {TopicPartition("t", n): "a" if n < 3 else "b" for n in range(6)}
    loads = dict.fromkeys(held, 10.0) | {TopicPartition("t", 0): 50.0}
    then = by_work(two, {"t": 6}, held, loads)
    assert TopicPartition("t", 0) in then["a"]
    assert [sum(loads[p] for p in ps) for ps in then.values()] == [50.0, 50.0]


def test_by_work_two_are_swapped_where_no_single_one_may_move():
    two = {"a": frozenset("t"), "b": frozenset("t")}
    t = [TopicPartition("t", n) for n in range(4)]
    loads = dict(zip(t, [100.0, 90.0, 60.0, 50.0], strict=True))
    then = by_work(two, {"t": 4}, {t[0]: "a", t[1]: "a", t[2]: "b", t[3]: "b"}, loads)
    assert [sum(loads[p] for p in ps) for ps in then.values()] == [150.0, 150.0]


# -- the cases of Kafka's own tests -----------------------------------------------------------------------------------


def a_member(member_id, wanted, instance_id=None):
    return Member(member_id, "app", "host", instance_id, wanted, "range", 1_000)


def shared_out(name, members, sizes, owners=None):
    known = {m.member_id: frozenset(m.topics) for m in in_order(members)}
    return {m: " ".join(map(str, ps)) for m, ps in ASSIGNORS[name](known, sizes, owners or {}, {}).items()}


ONE, TWO, BOTH = ["t1"], ["t2"], ["t1", "t2"]


@pytest.mark.parametrize("name", sorted(ASSIGNORS))
@pytest.mark.parametrize(
    ("why", "members", "sizes", "expected"),
    [
        ("one consumer, no topic", [a_member("c", [])], {}, {"c": ""}),
        ("one consumer, a topic that is not there", [a_member("c", [])], {"t1": 0}, {"c": ""}),
        ("one consumer, one topic", [a_member("c", ONE)], {"t1": 3}, {"c": "t1/0 t1/1 t1/2"}),
        ("only subscribed topics", [a_member("c", ONE)], {"t1": 2, "t2": 2}, {"c": "t1/0 t1/1"}),
        ("one consumer, two topics", [a_member("c", BOTH)], {"t1": 1, "t2": 2}, {"c": "t1/0 t2/0 t2/1"}),
        (
            "one partition for two",
            [a_member("c1", ONE), a_member("c2", ONE)],
            {"t1": 1},
            {"c1": "t1/0", "c2": ""},
        ),
        ("two for two", [a_member("c1", ONE), a_member("c2", ONE)], {"t1": 2}, {"c1": "t1/0", "c2": "t1/1"}),
    ],
)
def test_small_groups_as_in_kafka(name, why, members, sizes, expected):
    assert shared_out(name, members, sizes) == expected, why


MIXED = [a_member("c1", ONE), a_member("c2", BOTH), a_member("c3", ONE)]
PAIR = [a_member("c1", BOTH), a_member("c2", BOTH)]
STATIC_PAIR = [a_member("c-b", BOTH, "i1"), a_member("c-a", BOTH, "i2")]
HALF_STATIC = [a_member("c-b", BOTH, "i1"), a_member("c-a", BOTH)]
THREE_STATIC = [a_member(f"c{n}", BOTH, f"i{n}") for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("name", "members", "sizes", "expected"),
    [
        ("range", MIXED, {"t1": 3, "t2": 2}, {"c1": "t1/0", "c2": "t1/1 t2/0 t2/1", "c3": "t1/2"}),
        ("roundrobin", MIXED, {"t1": 3, "t2": 2}, {"c1": "t1/0", "c2": "t1/1 t2/0 t2/1", "c3": "t1/2"}),
        ("range", PAIR, {"t1": 3, "t2": 3}, {"c1": "t1/0 t1/1 t2/0 t2/1", "c2": "t1/2 t2/2"}),
        ("roundrobin", PAIR, {"t1": 3, "t2": 3}, {"c1": "t1/0 t1/2 t2/1", "c2": "t1/1 t2/0 t2/2"}),
        ("sticky", PAIR, {"t1": 3, "t2": 3}, {"c1": "t1/0 t1/2 t2/1", "c2": "t1/1 t2/0 t2/2"}),
        ("range", STATIC_PAIR, {"t1": 3, "t2": 3}, {"c-b": "t1/0 t1/1 t2/0 t2/1", "c-a": "t1/2 t2/2"}),
        ("roundrobin", STATIC_PAIR, {"t1": 3, "t2": 3}, {"c-b": "t1/0 t1/2 t2/1", "c-a": "t1/1 t2/0 t2/2"}),
        ("range", HALF_STATIC, {"t1": 3, "t2": 3}, {"c-b": "t1/0 t1/1 t2/0 t2/1", "c-a": "t1/2 t2/2"}),
        ("roundrobin", HALF_STATIC, {"t1": 3, "t2": 3}, {"c-b": "t1/0 t1/2 t2/1", "c-a": "t1/1 t2/0 t2/2"}),
        (
            "range",
            [*THREE_STATIC, a_member("c4", BOTH)],
            {"t1": 5, "t2": 4},
            {"c1": "t1/0 t1/1 t2/0", "c2": "t1/2 t2/1", "c3": "t1/3 t2/2", "c4": "t1/4 t2/3"},
        ),
        (
            "roundrobin",
            [*THREE_STATIC, a_member("c4", BOTH)],
            {"t1": 3, "t2": 3},
            {"c1": "t1/0 t2/1", "c2": "t1/1 t2/2", "c3": "t1/2", "c4": "t2/0"},
        ),
    ],
)
def test_larger_groups_as_in_kafka(name, members, sizes, expected):
    assert shared_out(name, members, sizes) == expected


@pytest.mark.parametrize("name", ["range", "roundrobin"])
def test_a_static_member_has_the_same_share_under_another_member_id(name):
    before = shared_out(name, THREE_STATIC, {"t1": 3, "t2": 3})
    ids = {"i1": "z", "i2": "a", "i3": "m"}
    again = [a_member(ids[m.instance_id], BOTH, m.instance_id) for m in THREE_STATIC]
    after = shared_out(name, again, {"t1": 3, "t2": 3})
    assert [before[m.member_id] for m in THREE_STATIC] == [after[ids[m.instance_id]] for m in THREE_STATIC]


def test_a_dynamic_member_that_is_replaced_leaves_the_static_ones_alone():
    before = shared_out("range", [*THREE_STATIC, a_member("c4", BOTH)], {"t1": 5, "t2": 4})
    after = shared_out("range", [*THREE_STATIC, a_member("c5", BOTH)], {"t1": 5, "t2": 4})
    assert before.pop("c4") == after.pop("c5")
    assert before == after


def test_sticky_members_that_own_the_smaller_share_get_the_larger_one_as_in_kafka():
    owners = {TopicPartition("t1", 0): "c1", TopicPartition("t2", 1): "c1"}
    owners |= {TopicPartition("t1", 1): "c2", TopicPartition("t2", 2): "c2"}
    shares = shared_out("sticky", PAIR, {"t1": 2, "t2": 3}, owners)
    assert shares == {"c1": "t1/0 t2/0 t2/1", "c2": "t1/1 t2/2"}


def test_sticky_mixed_subscriptions_are_as_even_as_they_can_be_as_in_kafka():
    shares = shared_out("sticky", MIXED, {"t1": 3, "t2": 2})
    assert shares["c2"] == "t2/0 t2/1"
    assert sorted(len(share.split()) for share in shares.values()) == [1, 2, 2]
