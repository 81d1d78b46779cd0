"""What experiments conclude: known effects are found, nothing where there is nothing; plans are checked."""

from __future__ import annotations

import math
import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.errors import StreamlabError
from streamlab.lab.experiments.judging import Verdict, holm, judge, leans, words
from streamlab.lab.experiments.measuring import MEASURES
from streamlab.lab.experiments.plan import MOST_VALUES, ROUNDS, Plan, distinct, plan_of
from streamlab.lab.experiments.reach import enough_rounds, least_times
from streamlab.metrics.distribution import GAMMA, bucket

TYPICAL = {
    "rate_in": 800.0,
    "rate_out": 800.0,
    "lag": 40.0,
    "lag_ms": 50.0,
    "e2e_p50": 9.0,
    "e2e_p95": 20.0,
    "e2e_p99": 35.0,
    "queue_p99": 6.0,
    "request_p50": 1.0,
    "request_p95": 3.0,
    "request_p99": 9.0,
    "fetch_p99": 12.0,
    "batch_records": 7.0,
    "record_bytes": 130.0,
    "server_cpu": 0.2,
}


def a_plan(**changes) -> Plan:
    return Plan(
        **{"entity": "client:a", "setting": "linger_ms", "values": [0, 50], "topic": "orders"} | changes
    )


def windows(chance: Random, rounds: int, effect: dict[str, float], drift: float, spread: float):
    """(windows of A, windows of B) of rounds that all drift alike; tails are long, as those of latencies are."""
    level = [1 + drift * n for n in range(2 * rounds)]
    orders = [(0, 1) if n % 2 == 0 else (1, 0) for n in range(rounds)]
    found: tuple[list, list] = ([], [])
    for n, order in enumerate(orders):
        for position, which in enumerate(order):
            found[which].append(
                {
                    name: value
                    * level[2 * n + position]
                    * chance.lognormvariate(0, spread)
                    * (effect.get(name, 1.0) if which else 1.0)
                    for name, value in TYPICAL.items()
                }
            )
    return found


@pytest.mark.parametrize(
    ("rounds", "spread", "drift"), [(5, 0.1, 0.0), (5, 0.4, 0.02), (3, 0.2, 0.01), (12, 0.1, 0.03)]
)
def test_a_against_a_says_no_detectable_change_in_at_least_95_of_100(rounds, spread, drift):
    chance = Random(rounds * 1000 + int(spread * 100))
    said = [words(judge(*windows(chance, rounds, {}, drift, spread))[0]) for _ in range(100)]
    assert said.count("No detectable change.") >= 95


@pytest.mark.parametrize(("values", "rounds"), [(5, 3), (8, 5)])
def test_a_sweep_that_changes_nothing_says_so_of_every_value(values, rounds):
    """Small windows are noisy, so that by chance one of many values seems to do something."""
    chance, said = Random(values), []
    for _ in range(100):
        measured = [windows(chance, rounds, {}, 0.0, 0.2)[0] for _ in range(values)]
        said.append({words(effects) for effects in judge(*measured)})
    assert said.count({"No detectable change."}) >= 95


def a_sweep(
    chance: Random, effects: list[float], spread: float, swing: float, rounds: int = ROUNDS
) -> list[list[dict[str, float]]]:
    """Windows of each value in the order of a plan, on a machine that gets quicker and slower as others work on it."""
    plan = a_plan(values=list(range(len(effects))), repetitions=rounds)
    found: list[list[dict[str, float]]] = [[] for _ in effects]
    level = 1.0
    for index in plan.order():
        level *= chance.lognormvariate(0, swing)
        window = {name: v * level * chance.lognormvariate(0, spread) for name, v in TYPICAL.items()}
        window["rate_in"] *= effects[index]
        found[index].append(window)
    return found


def test_a_sweep_of_the_usual_length_tells_a_doubling_on_a_busy_machine():
    """Where windows differ by a fifth although nothing was changed; each pair of values alone would hardly tell it."""
    chance, told = Random(5), []
    for _ in range(40):
        effects = judge(*a_sweep(chance, [1, 2, 2, 2, 2], 0.15, 0.15))
        told += [e.verdict is Verdict.BETTER for found in effects for e in found if e.measure == "rate_in"]
    assert told.count(True) >= 0.6 * len(told)


def test_what_swings_with_the_machine_is_taken_for_no_effect_of_a_value():
    chance, said = Random(6), []
    for _ in range(100):
        said.append({words(effects) for effects in judge(*a_sweep(chance, [1] * 5, 0.1, 0.25))})
    assert said.count({"No detectable change."}) >= 95


@pytest.mark.parametrize("noisy", [0, 4])
@pytest.mark.parametrize(("values", "rounds"), [(5, 8), (8, 8), (5, 3), (8, 5)])
def test_a_value_that_is_noisier_than_the_others_is_not_believed_for_their_sake(values, rounds, noisy):
    """Above all not the first one, with which all are compared."""
    chance, said = Random(8), []
    for _ in range(100):
        measured = a_sweep(chance, [1] * values, 0.1, 0.05, rounds)
        for window in measured[noisy]:
            window |= {name: v * chance.lognormvariate(0, 0.4) for name, v in window.items()}
        said.append({words(effects) for effects in judge(*measured)})
    assert said.count({"No detectable change."}) >= 95


def test_rounds_that_agree_to_the_last_digit_because_they_are_rounded_prove_nothing():
    """Percentiles are read from buckets 2 % wide: what hardly varies is often the same, or the next one, thrice."""
    chance, said = Random(11), []
    for _ in range(200):
        pair = [
            [
                {
                    name: GAMMA ** (bucket(GAMMA**29 * chance.lognormvariate(0, 0.006)) + 0.5)
                    for name in MEASURES
                }
                for _ in range(3)
            ]
            for _ in range(2)
        ]
        said.append(words(judge(*pair)[0]))
    assert said.count("No detectable change.") >= 190


def test_what_is_the_same_in_all_rounds_is_found_where_rounding_cannot_explain_it():
    [effects] = judge([{"batch_records": 1.0}] * 3, [{"batch_records": 30.0}] * 3)
    batches = next(e for e in effects if e.measure == "batch_records")
    assert batches.verdict is Verdict.BETTER
    assert batches.low < 29 < batches.high


def test_a_known_effect_is_found_with_its_cost_although_everything_drifts():
    chance = Random(7)
    effect = {"rate_in": 1.4, "queue_p99": 8.0}
    found = [judge(*windows(chance, 6, effect, 0.02, 0.03))[0] for _ in range(50)]
    verdicts = [{e.measure: e.verdict for e in effects} for effects in found]
    assert sum(v["rate_in"] is Verdict.BETTER for v in verdicts) >= 45
    assert sum(v["queue_p99"] is Verdict.WORSE for v in verdicts) >= 45
    sentence = words(next(e for e, v in zip(found, verdicts, strict=True) if v["rate_in"] is Verdict.BETTER))
    assert sentence.startswith("Better: throughput in +")
    assert "Paid with: wait in the producer, p99 8." in sentence or "p99 7." in sentence
    assert "times as high" in sentence


def test_the_interval_holds_the_true_effect_about_as_often_as_it_says():
    chance, held = Random(3), 0
    for _ in range(200):
        [effects] = judge(*windows(chance, 8, {"lag": 0.5}, 0.0, 0.1))
        lag = next(e for e in effects if e.measure == "lag")
        held += lag.low / lag.baseline <= -0.5 <= lag.high / lag.baseline
    assert held >= 180


def test_what_doubles_in_each_round_is_sure_however_much_the_rounds_differ():
    a = [1_000.0, 2_500.0, 700.0, 4_000.0]
    [found] = judge(
        [{"rate_in": v} for v in a], [{"rate_in": v * f} for v, f in zip(a, (2.1, 1.9, 2, 2.2), strict=True)]
    )
    rate = next(e for e in found if e.measure == "rate_in")
    assert (rate.verdict, round(rate.relative, 1)) == (Verdict.BETTER, 1.0)


def test_what_was_0_is_compared_by_its_differences():
    [found] = judge([{"lag": v} for v in (0, 2, 0, 1, 0)], [{"lag": v} for v in (90, 101, 95, 99, 93)])
    lag = next(e for e in found if e.measure == "lag")
    assert lag.verdict is Verdict.WORSE
    assert lag.change == pytest.approx(95.0)
    assert lag.low < 95 < lag.high


def test_an_effect_too_small_to_turn_a_knob_for_is_none():
    a = [{"rate_in": 1000.0 + n} for n in range(6)]
    b = [{"rate_in": 1010.0 + n + 0.01 * (n % 2)} for n in range(6)]
    assert words(judge(a, b)[0]) == "No detectable change."


def test_what_was_not_measured_is_not_judged():
    [effects] = judge([{"rate_in": 1.0, "rate_out": None}] * 5, [{"rate_in": 2.0}] * 5)
    verdicts = {e.measure: e.verdict for e in effects}
    assert verdicts["rate_in"] is Verdict.BETTER
    assert verdicts["rate_out"] is Verdict.UNKNOWN


def test_two_rounds_are_too_few_to_say_anything():
    assert "Too few rounds" in words(judge([{"rate_in": 1.0}] * 2, [{"rate_in": 9.0}] * 2)[0])
    assert "Too few rounds" in words(judge([], [])[0])


def test_what_follows_from_the_lever_itself_is_no_gain_but_what_else_changed():
    a = [{"rate_in": 100.0 + n % 2, "batch_records": 1.0, "record_bytes": 200.0} for n in range(5)]
    b = [{"rate_in": 101.0 - n % 2, "batch_records": 30.0, "record_bytes": 120.0} for n in range(5)]
    said = words(judge(a, b)[0])
    assert said.startswith("No detectable change of throughput, latency or lag. What else changed: ")
    assert "records in a batch 30.0 times as high" in said
    assert "Better" not in said and "Paid with" not in said


def test_what_is_not_certain_is_named_beside_what_is():
    """Throughput triples, by 2 to 5 times: alone that would do, among so many figures it does not."""
    a = [dict.fromkeys(MEASURES, 100.0)] * 4
    b = [
        dict.fromkeys(MEASURES, 100.0) | {"lag_ms": 1_000.0, "rate_in": v}
        for v in (200.0, 300.0, 500.0, 250.0)
    ]
    [effects] = judge(a, b)
    rate = next(e for e in effects if e.measure == "rate_in")
    assert rate.verdict is Verdict.NONE and rate.low > 0 and leans(rate)
    said = words(effects)
    assert said.startswith("Worse: time behind 10.0 times as high")
    assert said.endswith("Not certain: throughput in; more rounds decide.")


@pytest.mark.parametrize("values", range(2, MOST_VALUES + 1))
def test_enough_rounds_are_the_fewest_that_tell_a_doubling(values):
    enough = enough_rounds(values)
    assert least_times(values, enough) < 2 < (least_times(values, enough - 1) or math.inf)


def test_what_rounds_are_said_to_tell_they_tell():
    """Rounds that differ by 10 %, and a change a little beyond, or short of, what is said."""
    steps = [
        1.1053,
        0.8954,
        1.1053,
        0.8954,
        1.0,
    ]  # logarithms of 0.1 times -1.1..1: their spread is about 0.1
    for more, certain in ((1.3, True), (0.8, False)):
        times = least_times(2, 5) * more
        other = [dict.fromkeys(MEASURES, 100.0) | {"rate_in": 100 * times * step} for step in steps]
        [effects] = judge([dict.fromkeys(MEASURES, 100.0)] * 5, other)
        rate = next(e for e in effects if e.measure == "rate_in")
        assert (rate.verdict is Verdict.BETTER) is certain


@given(st.dictionaries(st.sampled_from(sorted(MEASURES)), st.floats(0, 1), min_size=1))
def test_correction_never_makes_anything_more_certain(p_values):
    corrected = holm(p_values)
    assert corrected.keys() == p_values.keys()
    assert all(1 >= corrected[name] >= p_values[name] - 1e-9 for name in p_values)


@given(st.integers(2, MOST_VALUES), st.integers(2, 20))
def test_every_value_is_measured_once_a_round(values, repetitions):
    plan = a_plan(values=list(range(values)), repetitions=repetitions, window_s=1, warm_up_s=0)
    order = plan.order()
    rounds = [order[n : n + values] for n in range(0, len(order), values)]
    assert len(rounds) == repetitions
    assert all(sorted(each) == list(range(values)) for each in rounds)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"values": [5]}, "2 to 8 values"),
        ({"values": [0, -1]}, "linger_ms"),
        ({"setting": "linger"}, "linger_ms"),
        ({"entity": "planet:mars"}, "planet"),
        ({"repetitions": 1}, "repetitions"),
        ({"window_s": 3000, "repetitions": 20}, "at most 180"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(changes, says):
    with pytest.raises(StreamlabError, match=says):
        a_plan(**changes)


@pytest.mark.parametrize("values", [[1, 1], ["5", 7, 5], [None, 5, None]])
def test_a_value_that_is_asked_for_twice_is_refused_and_a_kept_plan_that_has_one_is_read(values):
    kept = a_plan(values=values)
    with pytest.raises(StreamlabError, match="asked for twice"):
        distinct(kept)
    with pytest.raises(StreamlabError, match="asked for twice"):
        plan_of({"entity": "client:a", "setting": "linger_ms", "values": values, "topic": "orders"})


def test_latencies_count_only_where_the_window_begins_long_enough_after_the_change():
    assert a_plan(warm_up_s=2, window_s=10).tells_latencies
    assert not a_plan(warm_up_s=1, window_s=10).tells_latencies


def test_scipy_is_read_only_when_something_is_judged():
    program = (
        "import sys, streamlab.lab.experiments.runner, streamlab.lab.loads.manager; "
        "sys.exit('scipy' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
