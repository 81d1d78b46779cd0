"""When an alert fires and clears: a character a second, `x` beyond, `~` between, `.` calm, `?` unknown, `-` gone."""

from __future__ import annotations

import pytest

from dashboard.alerts.judge import Event, Hold, Phase, Seen, State, judge

SEEN = {"x": Seen.BEYOND, "~": Seen.BETWEEN, ".": Seen.CALM, "?": Seen.UNKNOWN}
ONE = "group revenue"


def play(seconds: str, fire_s: int = 3, clear_s: int = 3) -> list[str]:
    """What is told of one subject, as `second event`. A space is a second in which nobody looked."""
    states: dict[str, State] = {}
    told, unbroken = [], True
    for second, character in enumerate(seconds):
        if character == " ":
            unbroken = False
            continue
        seen = {} if character == "-" else {ONE: SEEN[character]}
        hold = Hold(fire_s * 1000, clear_s * 1000)
        for change in judge(states, seen, hold, second * 1000, unbroken=unbroken):
            if change.after:
                states[change.subject] = change.after
            else:
                del states[change.subject]
            if change.event:
                told.append(f"{second} {change.event}")
        unbroken = True
    return told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        pytest.param("......", [], id="what is calm is never told"),
        pytest.param("..xx..", [], id="what is over before it held is never told"),
        pytest.param("..xxx.xxx.xxx.", [], id="flapping does not fire"),
        pytest.param("..xxxx", ["5 opened"], id="what held fires"),
        pytest.param("..xxxxxxxxxxxx", ["5 opened"], id="it fires once however long it lasts"),
        pytest.param(
            "xxxx.......", ["3 opened", "7 cleared"], id="it clears when it was calm for long enough"
        ),
        pytest.param("xxxx..x..x..x", ["3 opened"], id="flapping does not clear, nor fire anew"),
        pytest.param("xxxx~~~~~~~", ["3 opened"], id="between the limits it goes on firing"),
        pytest.param("~~~~~~", [], id="between the limits it does not begin to fire"),
        pytest.param("xx~xxx", [], id="between the limits what waits is forgotten"),
        pytest.param("xxxx..~...", ["3 opened"], id="between the limits what clears fires on"),
        pytest.param("xxxx..~....", ["3 opened", "10 cleared"], id="and begins to clear anew"),
        pytest.param("xxxx----", ["3 opened", "7 cleared"], id="what is gone is calm"),
        pytest.param("xx--", [], id="what goes while it waits is forgotten"),
        pytest.param("xx?xxx", [], id="what was not seen did not hold"),
        pytest.param("xx?xxxx", ["6 opened"], id="its time begins anew"),
        pytest.param("xxxx??????", ["3 opened"], id="what is not known does not clear"),
        pytest.param("xxxx..??....", ["3 opened", "11 cleared"], id="and holds up what clears"),
        pytest.param("?????", [], id="what is not known does not fire"),
        pytest.param("xx         xxx", [], id="a time without a look does not count"),
        pytest.param("xxxx       xxx", ["3 opened"], id="after such a time nothing fires again"),
        pytest.param("xxxx...  ....x", ["3 opened", "12 cleared"], id="nor clears before its time"),
        pytest.param(
            "xxxx....xxxx", ["3 opened", "7 cleared", "11 opened"], id="a second time is told again"
        ),
    ],
)
def test_what_is_told(seconds, told):
    assert play(seconds) == told


def test_without_a_time_to_hold_it_fires_and_clears_at_once():
    assert play("x.x", fire_s=0, clear_s=0) == ["0 opened", "1 cleared", "2 opened"]


def test_when_nothing_at_all_can_be_seen_nothing_is_told():
    states = {
        "a": State(Phase.PENDING, 1_000),
        "b": State(Phase.FIRING, 1_000),
        "c": State(Phase.CLEARING, 1_000),
    }
    changes = judge(states, None, Hold(0, 0), 9_000)
    assert {c.subject: c.after for c in changes} == {"a": None, "c": State(Phase.FIRING, 9_000)}
    assert not any(c.event for c in changes)


def test_each_subject_is_judged_alone():
    states = {"old": State(Phase.FIRING, 0)}
    seen = {"old": Seen.CALM, "new": Seen.BEYOND, "well": Seen.CALM}
    assert {c.subject: c.event for c in judge(states, seen, Hold(0, 0), 5_000)} == {
        "old": Event.CLEARED,
        "new": Event.OPENED,
    }
