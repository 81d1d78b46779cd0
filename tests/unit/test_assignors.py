"""Whatever the group looks like, every partition has exactly one member that wants its topic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.groups.assignors import ASSIGNORS, sticky
from streamlab.model import TopicPartition

topics = st.sampled_from(["a", "b", "c"])
groups = st.dictionaries(
    st.sampled_from([f"m{n}" for n in range(6)]), st.frozensets(topics, min_size=1), min_size=1
)
counts = st.fixed_dictionaries({t: st.integers(1, 9) for t in "abc"})


@st.composite
def situations(draw):
    """Members, partition counts, and an assignment left over from before, partly to members that are gone."""
    subscriptions, sizes = draw(groups), draw(counts)
    everyone = st.sampled_from([*subscriptions, "gone"])
    partitions = [TopicPartition(t, n) for t, size in sizes.items() for n in range(size)]
    owners = {p: draw(everyone) for p in partitions if draw(st.booleans())}
    return subscriptions, sizes, owners


@pytest.mark.parametrize("name", sorted(ASSIGNORS))
@given(situations())
def test_every_subscribed_partition_has_exactly_one_owner_that_wants_it(name, situation):
    subscriptions, sizes, owners = situation
    assignment = ASSIGNORS[name](subscriptions, sizes, owners)
    given_out = [p for partitions in assignment.values() for p in partitions]
    wanted = {t for subscribed in subscriptions.values() for t in subscribed}
    assert sorted(given_out) == sorted(TopicPartition(t, n) for t in wanted for n in range(sizes[t]))
    assert all(p.topic in subscriptions[member] for member, ps in assignment.items() for p in ps)
    assert set(assignment) == set(subscriptions)


@given(situations())
def test_sticky_is_even_to_within_one_when_all_want_the_same(situation):
    subscriptions, sizes, owners = situation
    same = dict.fromkeys(subscriptions, frozenset("abc"))
    loads = [len(ps) for ps in sticky(same, sizes, owners).values()]
    assert max(loads) - min(loads) <= 1


@given(situations())
def test_sticky_moves_nothing_when_nothing_changed(situation):
    subscriptions, sizes, owners = situation
    first = sticky(subscriptions, sizes, owners)
    held = {p: member for member, ps in first.items() for p in ps}
    assert sticky(subscriptions, sizes, held) == first


@given(st.integers(1, 8), st.integers(1, 40))
def test_a_new_member_takes_its_share_and_nothing_moves_between_the_others(members, partitions):
    old = {f"m{n}": frozenset("t") for n in range(members)}
    first = sticky(old, {"t": partitions}, {})
    held = {p: member for member, ps in first.items() for p in ps}
    then = sticky(old | {"new": frozenset("t")}, {"t": partitions}, held)
    moved = [p for member, ps in then.items() for p in ps if held[p] != member]
    assert all(p in then["new"] for p in moved)
    assert len(moved) == partitions // (members + 1)


@given(st.integers(2, 8), st.integers(1, 40))
def test_when_a_member_dies_only_its_partitions_move(members, partitions):
    everyone = {f"m{n}": frozenset("t") for n in range(members)}
    first = sticky(everyone, {"t": partitions}, {})
    left = {m: s for m, s in everyone.items() if m != "m0"}
    held = {p: member for member, ps in first.items() for p in ps}
    then = sticky(left, {"t": partitions}, held)
    assert {p for m, ps in then.items() for p in ps if held[p] != m} == set(first["m0"])
