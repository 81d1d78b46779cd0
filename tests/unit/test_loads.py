"""Loads and scenarios: what is written is checked, shared as files and changed by field; chance stays in its bounds."""

import json
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.errors import IllegalArgumentError
from streamlab.lab.experiments.plan import Plan
from streamlab.lab.loads.draws import Due, Fate, KeyDraw, burst_factor, fate, handler_s
from streamlab.lab.loads.files import changed, exported, imported, load_of, parsed
from streamlab.lab.loads.folder import path_of
from streamlab.lab.loads.load import (
    MOST_RATE,
    Burst,
    Consumers,
    Failures,
    InvalidLoadError,
    Keys,
    Load,
    Producers,
)
from streamlab.lab.rows import SourceError
from streamlab.lab.scenarios import FIGURES, SCENARIOS, scenario

DOCS = (Path(__file__).parents[2] / "docs" / "lab.md").read_text()


def a_load(**changes) -> Load:
    return changed(Load(name="a-load"), changes)


def places(struct: msgspec.Struct, prefix: str = ""):
    """Every field by its place, as `producers.keys.kind`."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, msgspec.Struct):
            yield from places(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}" + (".*" if isinstance(value, dict) else "")


# -- what is written is checked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "Großer Tag"}, "small letters, digits and hyphens"),
        ({"partitions": "0"}, "partitions is 1 to 128"),
        ({"minutes": "nan"}, "minutes is"),
        ({"producers.rate": "1e9"}, "producers.rate is 0 to 5000"),
        ({"producers.rate": "viel"}, "producers.rate"),
        ({"producers.rate": "1000", "producers.burst.times": "10"}, "at most 5000 records/s"),
        ({"producers.rate": "5000", "producers.size_bytes": "100000"}, "more than 20 MiB/s"),
        ({"producers.keys.kind": "gaussian"}, "gaussian"),
        ({"producers.file": "../../etc/passwd"}, "without folders"),
        ({"producers.settings.linger": "5"}, "Did you mean 'linger_ms'"),
        ({"producers.settings.client_id": "me"}, "the lab itself sets client_id"),
        ({"consumers.settings.group_id": "revenue"}, "the lab itself sets group_id"),
        (
            {"consumers.failures.permanent_share": "0.7", "consumers.failures.stall_share": "0.7"},
            "more than 1",
        ),
        ({"consumers.kind": "consumer", "consumers.ordering": "key"}, "make it worker"),
        ({"consumers.rejoin_every_s": "0.2"}, "1 and more"),
        ({"topic.retention": "5"}, "retention"),
        ({"producers.burst.for_s": "60", "producers.burst.every_s": "10"}, "must not be less"),
        ({"consumer.count": "5"}, "There is no field consumer."),
        ({"consumers.cuont": "5"}, "There is no field consumers.cuont."),
        ({"title.font": "serif"}, "holds no others"),
    ],
)
def test_what_cannot_be_is_refused_with_the_name_of_the_field(changes, says):
    with pytest.raises(InvalidLoadError, match=says):
        a_load(**changes)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from([*places(Load(name="a")), "producers.burst.times", "producers", "consumers.failures"]),
)
def test_any_value_at_any_place_gives_a_load_that_can_be_run_or_a_sentence(value, place):
    plain = msgspec.to_builtins(Load(name="a-load"))
    *way, last = place.removesuffix(".*").split(".")
    here = plain
    for step in way:
        if here[step] is None:
            here[step] = {}
        here = here[step]
    here[last] = value
    try:
        load = load_of(plain)
    except InvalidLoadError as error:
        assert str(error)
        return
    assert load.producers.most_rate <= MOST_RATE
    assert imported(exported(load)) == load


@given(st.binary(max_size=200))
def test_a_file_of_anything_is_a_load_or_a_sentence(data):
    with pytest.raises(InvalidLoadError):
        imported(data)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 60_000, "not JSON"),
        ("x" * 100_000, "more than 64 KiB"),
        ('{"name": "a"}', '"format": "streamlab-load"'),
        ('{"format": "streamlab-load", "version": 9, "load": {"name": "a"}}', "version 9"),
        ('{"format": "streamlab-load", "version": 1, "load": {"nam": "a"}}', "nam"),
        ('{"format": "streamlab-load", "version": 1}', "Expected `object`"),
    ],
)
def test_a_file_that_is_no_load_says_why(text, says):
    with pytest.raises(InvalidLoadError, match=says):
        imported(text)


def test_the_file_of_a_load_is_read_back_as_the_same_load():
    load = a_load(**{"producers.burst.times": "3", "topic.retention.ms": "60000", "title": "Zwölf"})
    assert imported(exported(load)) == load
    assert json.loads(exported(load))["format"] == "streamlab-load"


def test_changes_go_to_their_place_and_can_be_taken_back():
    load = a_load(**{"producers.settings.linger_ms": "20", "producers.burst.times": "3"})
    assert load.producers.settings == {"linger_ms": 20}
    assert load.producers.burst == Burst(times=3.0)
    back = changed(load, {"producers.settings.linger_ms": "", "producers.burst": "none"})
    assert back == Load(name="a-load")


def test_the_name_of_a_running_load_cannot_be_changed():
    with pytest.raises(InvalidLoadError, match="name"):
        changed(Load(name="a"), {"name": "b"})


def test_a_change_without_a_value_says_how_to_write_it():
    with pytest.raises(InvalidLoadError, match=r"producers\.rate=400"):
        parsed(["producers.rate"])


def test_files_are_found_in_the_labs_folder_only(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMLAB_VAR", str(tmp_path))
    (tmp_path / "lab").mkdir()
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (tmp_path / "lab" / "mine.csv").write_text("a\n1\n")
    (tmp_path / "lab" / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert path_of("mine.csv") == tmp_path / "lab" / "mine.csv"
    assert path_of("orders.csv").is_file()
    for name in ("link.csv", "../secret.csv", "none.csv"):
        with pytest.raises(SourceError, match="no file"):
            path_of(name)


# -- scenarios -------------------------------------------------------------------------------------------------

PAGES = {"overview", "topic", "group", "clients", "retries", "dead-letters", "records"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_says_what_to_look_at_what_should_be_seen_and_what_helps(name):
    found = scenario(name)
    assert found.name == name
    assert found.title
    assert found.look and {look.page for look in found.look} <= PAGES
    assert found.expect and found.levers
    load = found.load
    for lever in found.levers:
        assert changed(load, lever.changes) != load, lever.says
        load = changed(load, lever.changes)


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_scenario_offers_to_measure_is_a_plan_that_can_be_run(name):
    told = scenario(name)
    for trial in told.trials:
        plan = Plan(
            entity=trial.entity(told.load),
            setting=trial.setting,
            values=list(trial.values),
            topic=told.load.topic_name,
            group=told.load.group_id,
        )
        assert plan.seconds < told.load.minutes * 60, "it is over before its load is"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"producers.full_speed": "true", "producers.count": "3"}, "up to 2"),
        ({"producers.full_speed": "true", "minutes": "600"}, "at most 60"),
        ({"producers.full_speed": "true", "producers.file": "orders.csv"}, "a file has a rate"),
        ({"stalls.ms": "90", "stalls.every_ms": "100"}, "80%"),
        ({"stalls.ms": "10", "minutes": "600"}, "at most 30"),
        ({"group.retry_max_attempts": "0"}, "group:"),
        ({"group.no_such_setting": "1"}, "group:"),
    ],
)
def test_what_others_would_feel_too_much_is_refused(changes, says):
    with pytest.raises(InvalidLoadError, match=says):
        changed(Load(name="a"), changes)


def test_a_scenario_that_does_not_exist_says_which_there_are():
    with pytest.raises(IllegalArgumentError, match="hot-key"):
        scenario("cold-key")


def test_every_scenario_and_every_field_of_a_load_stands_in_the_docs():
    assert [name for name in SCENARIOS if f"`{name}`" not in DOCS] == []
    fields = {place for place in places(Load(name="a")) if place != "producers.burst"}
    fields |= {f"producers.burst.{name}" for name in Burst.__struct_fields__}
    assert sorted(field for field in fields if f"`{field}`" not in DOCS) == []


# -- chance, in its bounds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "low", "high"),
    [
        (Keys(count=10), 0.08, 0.12),
        (Keys(kind="hot", count=10, hot_share=0.7), 0.67, 0.73),
        (Keys(kind="zipf", count=10, skew=1.0), 0.31, 0.37),  # 1 / H(10)
    ],
)
def test_the_first_key_comes_as_often_as_the_load_says(keys, low, high):
    drawn = KeyDraw(keys, Random(1)).draw(20_000)
    assert low < drawn.count(b"key-1") / 20_000 < high
    assert len(set(drawn)) == 10


@given(st.floats(0, 5_000), st.lists(st.floats(0.001, 0.9), min_size=1, max_size=50))
def test_exactly_as_many_records_become_due_as_the_rate_says(rate, gaps):
    due, now, total = Due(), 100.0, 0
    due.take(rate, now)
    for gap in gaps:
        now += gap
        total += due.take(rate, now)
    assert abs(total - rate * (now - 100.0)) <= 1.01


@given(st.floats(1, 100), st.floats(1, 600), st.floats(0, 600), st.floats(0, 100_000))
def test_a_burst_is_on_or_off_and_nothing_between(times, for_s, pause_s, at_s):
    burst = Burst(times=times, for_s=for_s, every_s=for_s + pause_s)
    assert burst_factor(burst, at_s) in (1.0, times)


def test_a_handlers_times_have_the_mean_and_the_spread_that_were_asked_for():
    chance = Random(1)
    times = [handler_s(20, 0.5, chance) for _ in range(20_000)]
    mean = sum(times) / len(times)
    deviation = (sum((t - mean) ** 2 for t in times) / len(times)) ** 0.5
    assert 0.0195 < mean < 0.0205
    assert 0.45 < deviation / mean < 0.55


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.text(max_size=20))
def test_a_record_that_fails_fails_at_any_larger_share_too(small, more, record_id):
    if fate(Failures(permanent_share=small), record_id) is Fate.PERMANENT:
        assert fate(Failures(permanent_share=min(1.0, small + more)), record_id) is Fate.PERMANENT


def test_structs_check_themselves_without_a_file():
    with pytest.raises(InvalidLoadError):
        Producers(rate=-1)
    with pytest.raises(InvalidLoadError):
        Consumers(concurrency=0)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_can_be_told_so_that_what_is_said_is_waited_for(name):
    told = scenario(name)
    assert told.sights, "nothing of it could be waited for"
    for sight in told.sights:
        assert sight.figure in FIGURES
        assert sight.least is not None or sight.most is not None
        assert sight.least is None or sight.most is None or sight.least < sight.most
