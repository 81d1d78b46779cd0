"""History: what was measured comes back at its time, whatever the ring has been through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab import keys
from streamlab.broker import Broker
from streamlab.connection import Connection
from streamlab.errors import IllegalArgumentError
from streamlab.metrics import rings
from streamlab.metrics.history import History, Recorder
from tests.snapshots import a_group, a_server, a_snapshot, a_topic

HOUR_S = 3_600
START_S = 1_700_000_000 // HOUR_S * HOUR_S  # the first second of an hour, so of every step too


@dataclass
class Times:
    """Records one lag a second, at any second that a test asks for."""

    connection: Connection
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.connection.client)

    def tick(self, at_s: float, lag: int | None) -> None:
        self.recorder.record(a_snapshot(a_group("g", lag), as_of_ms=int((START_S + at_s) * 1000)))

    def lags(self, resolution: str, since_s: float, until_s: float) -> tuple[list[int], list[float | None]]:
        """(seconds since START_S, lags) of the steps after `since_s` up to `until_s`."""
        since_ms, until_ms = (int((START_S + s) * 1000) for s in (since_s, until_s))
        series = History(self.connection).series("group", "g", ["lag"], resolution, since_ms, until_ms)
        return [int(t) // 1000 - START_S for t in series["t"] if t is not None], series["lag"]


@pytest.fixture
def times(broker: Broker) -> Iterator[Times]:
    return Times(broker.connection)


def test_what_was_recorded_comes_back_in_order(times: Times) -> None:
    for second in range(5):
        times.tick(second + 0.5, lag=10 * second)
    assert times.lags("1s", -10, 10) == ([0, 1, 2, 3, 4], [0, 10, 20, 30, 40])


def test_steps_after_a_moment_are_those_that_the_last_look_had_not(times: Times) -> None:
    for second in range(5):
        times.tick(second + 0.5, lag=second)
    assert times.lags("1s", 2.5, 4.5) == ([3, 4], [3, 4])
    assert times.lags("1s", 4.5, 4.5) == ([], [])


def test_a_skipped_second_and_an_unknown_figure_are_gaps(times: Times) -> None:
    for second, lag in [(0, 1), (1, None), (4, 5)]:
        times.tick(second, lag)
    assert times.lags("1s", -1, 9) == ([0, 1, 2, 3, 4], [1, None, None, None, 5])


def test_nothing_recorded_is_an_empty_series(times: Times) -> None:
    assert times.lags("1s", -900, 0) == ([], [])


def test_the_ring_wraps_and_forgets_what_it_overwrote(times: Times) -> None:
    for second in range(900 + 50):
        times.tick(second, lag=second)
    seconds, lags = times.lags("1s", -10_000, 949)
    assert seconds == list(range(50, 950))
    assert lags == list(range(50, 950))
    assert times.lags("1s", 880, 910) == (list(range(881, 911)), list(range(881, 911)))


def test_cells_of_the_round_before_are_not_taken_for_new_ones(times: Times) -> None:
    for second in range(20):
        times.tick(second, lag=7)
    times.tick(900 + 10, lag=8)
    assert times.lags("1s", 900 - 1, 900 + 60) == ([910], [8])


def test_ten_seconds_keep_the_worst_lag_of_their_ticks(times: Times) -> None:
    for second in range(21):
        times.tick(second, lag=None if second == 3 else 100 - second)
    assert times.lags("10s", -20, 20) == ([0, 10], [100, 90])


def test_a_minute_keeps_the_mean_of_rates(broker: Broker) -> None:
    recorder = Recorder(broker.connection.client)
    for second in range(61):
        topic = a_topic("orders", rate=None if second < 30 else float(second), records=second)
        recorder.record(a_snapshot(topic, as_of_ms=(START_S + second) * 1000))
    read = History(broker.connection).series(
        "topic", "orders", ["rate", "records"], "60s", (START_S - 60) * 1000, (START_S + 60) * 1000
    )
    assert read == {
        "t": [START_S * 1000],
        "rate": [sum(range(30, 60)) / 30],
        "records": [sum(range(60)) / 60],
    }


def test_a_stop_keeps_the_coarse_cells_as_far_as_they_are(times: Times) -> None:
    times.tick(1, lag=4)
    assert times.lags("60s", -60, 60) == ([], [])
    times.recorder.flush()
    assert times.lags("60s", -60, 60) == ([0], [4])


def test_the_broker_has_the_sums_of_what_is_known(broker: Broker) -> None:
    topics = [a_topic("a", rate=2.0), a_topic("b", rate=None)]
    groups = [a_group("g", lag=3, consumed_rate=1.5), a_group("h", lag=None, consumed_rate=None)]
    snapshot = a_snapshot(*topics, *groups, as_of_ms=START_S * 1000, server=a_server(cpu_share=0.5))
    Recorder(broker.connection.client).record(snapshot)
    fields = ["in_rate", "out_rate", "lag", "cpu_share"]
    read = History(broker.connection).series("broker", "all", fields, "1s", 0, START_S * 1000)
    assert [read[name] for name in fields] == [[2.0], [1.5], [3.0], [0.5]]


def test_several_things_are_read_in_one_go(broker: Broker) -> None:
    recorder = Recorder(broker.connection.client)
    for second in (895, 900, 905):  # around the end of the ring
        snapshot = a_snapshot(
            a_topic("a", rate=1.0 * second), a_topic("b", rate=None), as_of_ms=(START_S + second) * 1000
        )
        recorder.record(snapshot)
    read = History(broker.connection).many(
        "topic", ["a", "b", "c"], ["rate"], "1s", (START_S + 890) * 1000, (START_S + 910) * 1000
    )
    assert [rate for rate in read["a"]["rate"] if rate is not None] == [895, 900, 905]
    assert (len(read["b"]["t"]), set(read["b"]["rate"])) == (11, {None})
    assert read["c"] == {"t": [], "rate": []}


def test_rings_expire_after_twice_their_span(times: Times) -> None:
    times.tick(0, lag=1)
    times.recorder.flush()
    for resolution in rings.RESOLUTIONS.values():
        left_s = times.connection.client.ttl(keys.history(resolution.name, "group", "g"))
        assert 2 * resolution.span_s - 60 <= left_s <= 2 * resolution.span_s


def test_a_ring_has_its_whole_size_from_the_first_cell_on_and_never_grows(times: Times) -> None:
    key = keys.history("1s", "group", "g")
    cells = 900 * rings.cell_bytes("group")
    for second in range(0, 2_000, 7):
        times.tick(second, lag=1)
        assert times.connection.client.strlen(key) == cells + 1
    assert times.connection.client.memory_usage(key) < 1.25 * cells


def test_a_sampler_that_starts_again_goes_on_in_the_same_ring(times: Times) -> None:
    times.tick(899, lag=1)
    times.recorder = Recorder(times.connection.client)
    times.tick(900, lag=2)
    assert times.lags("1s", 890, 910) == ([899, 900], [1, 2])


@pytest.mark.parametrize(
    ("kind", "field_name", "resolution"),
    [("shop", "lag", "1s"), ("group", "rate", "1s"), ("group", "lag", "5s")],
)
def test_what_is_not_kept_cannot_be_asked_for(
    broker: Broker, kind: str, field_name: str, resolution: str
) -> None:
    with pytest.raises(IllegalArgumentError):
        History(broker.connection).series(kind, "g", [field_name], resolution, 0, START_S)


@given(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
def test_a_cell_keeps_seven_digits_and_the_difference_between_zero_and_unknown(
    amounts: list[float | None], at_s: int
) -> None:
    (cell,) = rings.unpack("group", rings.pack("group", at_s, amounts))
    assert cell[0] == at_s
    for stored, amount in zip(map(rings.known, cell[1:]), amounts, strict=True):
        assert stored == (amount if amount is None else pytest.approx(amount, rel=1e-6, abs=1e-30))


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=1))
def test_an_aggregate_is_between_the_least_and_the_most_of_its_ticks(ticks: list[float | None]) -> None:
    aggregate = rings.Aggregate("group")
    for tick in ticks:
        aggregate.add((tick, tick, tick))
    known = [tick for tick in ticks if tick is not None]
    lag, time_lag_ms, rate = aggregate.amounts()
    if not known:
        assert (lag, time_lag_ms, rate) == (None, None, None)
    else:
        assert lag == time_lag_ms == max(known)
        assert min(known) - 1e-6 <= (rate or 0) <= max(known) + 1e-6
