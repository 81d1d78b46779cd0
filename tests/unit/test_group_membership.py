"""In which state a group is, from what its keys say and which leases still run."""

from __future__ import annotations

import msgspec
import pytest

from streamlab.metrics import membership, picture
from streamlab.metrics.picture import GroupPicture

NOW_MS = 1_700_000_000_000
SHARED = {"a": ["t/0"], "b": ["t/1"]}
TAKEN = {"t/0": "a", "t/1": "b"}
BOTH = {"a": 9, "b": 9}


def a_group_picture(
    target: dict[str, list[str]],
    owners: dict[str, str],
    lease_left_ms: dict[str, int],
    epoch: int = 3,
    assigned: int = 3,
    **meta: object,
) -> GroupPicture:
    def flat(fields: dict[str, object]) -> list[bytes]:
        return [part for name, value in fields.items() for part in (name.encode(), str(value).encode())]

    members = {name: msgspec.json.encode({"member_id": name}).decode() for name in lease_left_ms}
    targets = {name: msgspec.json.encode(partitions).decode() for name, partitions in target.items()}
    replies = [
        flat({"epoch": epoch, "assigned": assigned, "assignor": "range", **meta}),
        flat(members),
        flat(targets),
        flat({partition: f"{owner} 9" for partition, owner in owners.items()}),
        flat({name: NOW_MS + left for name, left in lease_left_ms.items()}),
    ]
    return picture.group(replies, None)


@pytest.mark.parametrize(
    ("why", "target", "owners", "leases", "epochs", "state"),
    [
        ("nobody is in it", {}, {}, {}, (3, 3), "Empty"),
        ("its only member was killed", {"a": ["t/0"]}, {"t/0": "a"}, {"a": -1}, (3, 3), "Empty"),
        ("a member joined, nobody made a target yet", {}, {}, {"a": 9}, (4, 3), "Assigning"),
        ("the target is made, nothing is taken", {"a": ["t/0"]}, {}, {"a": 9}, (3, 3), "Reconciling"),
        ("the old owner has not let go", {"b": ["t/0"]}, {"t/0": "a"}, BOTH, (3, 3), "Reconciling"),
        ("one of two was killed", SHARED, TAKEN, {"a": 9, "b": -1}, (3, 3), "Reconciling"),
        ("everybody has what it should", SHARED, TAKEN, BOTH, (3, 3), "Stable"),
        ("more members than partitions", {"a": ["t/0"], "b": []}, {"t/0": "a"}, BOTH, (3, 3), "Stable"),
    ],
)
def test_state(
    why: str,
    target: dict[str, list[str]],
    owners: dict[str, str],
    leases: dict[str, int],
    epochs: tuple[int, int],
    state: str,
) -> None:
    group = a_group_picture(target, owners, leases, *epochs)
    assert membership.state(group, membership.living(group, NOW_MS)) == state, why


@pytest.mark.parametrize(
    ("why", "owners", "state"),
    [
        ("nobody has given up yet", TAKEN, "Reconciling"),
        ("one has", {"t/0": "a"}, "Reconciling"),
        ("all have, which is what was asked for", {}, "Stable"),
    ],
)
def test_state_while_the_group_is_paused(why: str, owners: dict[str, str], state: str) -> None:
    group = a_group_picture(SHARED, owners, BOTH, paused="{}")
    assert membership.state(group, membership.living(group, NOW_MS)) == state, why


def test_members_are_listed_with_what_they_should_have_and_have_in_order_of_number() -> None:
    target = {"a": ["t/10", "t/9"], "b": ["t/2"]}
    group = a_group_picture(target, {"t/10": "a", "t/9": "a"}, {"b": 100, "a": 44_000, "gone": 0})
    first, second = membership.members(group, membership.living(group, NOW_MS), NOW_MS)
    assert (first.member_id, second.member_id) == ("a", "b")
    assert [list(names) for names in (first.assigned, first.owned)] == [["t/9", "t/10"], ["t/9", "t/10"]]
    assert [list(names) for names in (second.assigned, second.owned)] == [["t/2"], []]
    assert (first.lease_left_ms, second.lease_left_ms) == (44_000, 100)


def test_a_heartbeat_moves_the_lease_and_nothing_else_is_parsed_again() -> None:
    before = a_group_picture({"a": ["t/0"]}, {"t/0": "a"}, {"a": 1_000})
    replies = [*before.raw[:4], [b"a", str(NOW_MS + 9_000).encode()]]
    after = picture.group(replies, before)
    assert after.leases == {"a": NOW_MS + 9_000}
    assert after.target is before.target
    assert picture.group(replies, after) is after
