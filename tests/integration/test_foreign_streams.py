"""Streams that another program made with redis-py are found and described, and stay as they are."""

from __future__ import annotations

import json

import pytest

import streamlab
from streamlab import foreign_streams, keys
from streamlab.connection import Connection
from streamlab.errors import StreamlabError
from tests.builders import a_topic, numbered, produce
from tests.waiting import until


@pytest.fixture
def other(redis_url):
    """The other program."""
    connection = Connection(redis_url)
    yield connection.client
    connection.close()


def ten_entries(other, key="jobs"):
    """Ids 1000-0 to 1009-0."""
    for n in range(10):
        other.xadd(key, {"n": n}, id=f"{1000 + n}-0")


def lag(broker, group, key=b"jobs"):
    found = {g.name: g.lag for g in foreign_streams.describe(broker.connection, key).groups}
    return found[group.encode()]


# finding


def test_only_streams_of_others_are_found(broker, other):
    produce(broker, a_topic(broker, 2), numbered(4))
    other.set("text", "x")
    other.lpush("list", "x")
    other.xadd("jobs", {"a": 1})
    other.xadd("sl:mine", {"a": 1})
    other.xadd(b"\xff\x00", {"a": 1})
    other.xadd(keys.past("10s"), {"a": 1})
    assert foreign_streams.find(broker.connection) == ([b"jobs", b"sl:mine", b"\xff\x00"], True)


def test_a_search_is_bounded_in_streams_and_in_time_and_says_when_it_is_not_complete(broker, other):
    pipe = other.pipeline(transaction=False)
    for n in range(40):
        pipe.xadd(f"s{n:02}", {"a": 1})
    for n in range(20_000):
        pipe.set(f"k{n}", "")
    pipe.execute()
    assert len(foreign_streams.find(broker.connection, most=10).keys) == 10
    assert not foreign_streams.find(broker.connection, most=10).complete
    assert not foreign_streams.find(broker.connection, within_s=0).complete
    assert foreign_streams.find(broker.connection, "s1*").keys == [b"s%d" % n for n in range(10, 20)]
    assert len(foreign_streams.find(broker.connection, most=40).keys) == 40


def test_the_server_is_scanned_and_never_asked_for_all_keys(broker, other):
    ten_entries(other)
    other.config_resetstat()
    foreign_streams.find(broker.connection)
    commands = set(other.info("commandstats"))
    assert "cmdstat_scan" in commands
    assert "cmdstat_keys" not in commands


def test_a_stream_that_is_deleted_between_finding_and_describing_is_left_out(broker, other):
    ten_entries(other)
    other.set("text", "x")
    found = foreign_streams.summaries(broker.connection, [b"gone", b"jobs", b"text"])
    assert [summary.key for summary in found] == [b"jobs"]


# describing


def test_describing_changes_nothing(broker, other):
    ten_entries(other)
    other.xgroup_create("jobs", "g", "0")
    other.xreadgroup("g", "c1", {"jobs": ">"}, count=3)
    before = [other.dump("jobs"), other.xpending("jobs", "g"), other.xinfo_groups("jobs")]
    other.config_resetstat()
    foreign_streams.summaries(broker.connection, foreign_streams.find(broker.connection).keys)
    foreign_streams.describe(broker.connection, b"jobs")
    asked = {name.removeprefix("cmdstat_").partition("|")[0] for name in other.info("commandstats")}
    reading = {"scan", "xinfo", "xpending", "xrevrange", "type", "time", "evalsha"}
    around = {
        "config",
        "info",
        "client",
        "script",
        "cluster",
        "ping",
        "replconf",
    }  # of clients, nodes and replicas
    assert asked - around <= reading
    assert [other.dump("jobs"), other.xpending("jobs", "g"), other.xinfo_groups("jobs")] == before


def test_length_ids_and_rate_are_told(broker, other):
    now = other.time()[0] * 1000
    for seconds in range(30, 0, -1):
        other.xadd("clicks", {"a": 1}, id=f"{now - seconds * 1000}-0")
    summary = foreign_streams.describe(broker.connection, b"clicks").summary
    assert (summary.length, summary.groups) == (30, 0)
    assert str(summary.first_id) == f"{now - 30_000}-0"
    assert summary.last_entry_ms == now - 1000
    assert summary.rate.value == pytest.approx(1.0, rel=0.1)


def test_ids_that_are_no_times_make_no_rate(broker, other):
    ten_entries(other)
    summary = foreign_streams.describe(broker.connection, b"jobs").summary
    assert summary.rate == (None, "its ids are no times")
    assert summary.last_entry_ms is None


def test_an_empty_stream_is_described(broker, other):
    other.xgroup_create("jobs", "g", "$", mkstream=True)
    found = foreign_streams.describe(broker.connection, b"jobs")
    assert (found.summary.length, found.summary.first_id, found.summary.rate.value) == (0, None, 0.0)
    assert found.groups[0].lag.value == 0


def test_pending_entries_and_consumers_are_told(broker, other):
    ten_entries(other)
    other.xgroup_create("jobs", "g", "0")
    other.xreadgroup("g", "busy", {"jobs": ">"}, count=3)
    other.xreadgroup("g", "other", {"jobs": ">"}, count=1)
    other.xclaim("jobs", "g", "busy", 0, ["1000-0"], retrycount=4)
    group = foreign_streams.describe(broker.connection, b"jobs").groups[0]
    assert (group.pending, group.oldest_deliveries) == (4, 4)
    assert group.oldest_pending_ms is not None
    assert {c.name: c.pending for c in group.consumers} == {b"busy": 3, b"other": 1}
    assert str(group.last_delivered_id) == "1003-0"


# the lag, and when it is unknown


def test_the_lag_is_known_while_the_server_counts(broker, other):
    ten_entries(other)
    other.xgroup_create("jobs", "g", "0")
    other.xgroup_create("jobs", "end", "$")
    assert (lag(broker, "g").value, lag(broker, "end").value) == (10, 0)
    other.xreadgroup("g", "c", {"jobs": ">"}, count=3)
    assert lag(broker, "g").value == 7


def test_a_group_made_in_the_middle_has_an_unknown_lag_until_it_has_read_to_the_end(broker, other):
    ten_entries(other)
    other.xgroup_create("jobs", "g", "1004-0")
    assert other.xinfo_groups("jobs")[0]["lag"] is None
    assert (
        "in the middle, where the server does not count; it is at 1004-0 now"
        in lag(broker, "g").unknown_because
    )
    other.xreadgroup("g", "c", {"jobs": ">"}, count=100)
    assert lag(broker, "g").value == 0


def test_a_group_whose_unread_entries_were_deleted_has_an_unknown_lag(broker, other):
    ten_entries(other)
    other.xgroup_create("jobs", "g", "0")
    other.xreadgroup("g", "c", {"jobs": ">"}, count=3)
    other.xdel("jobs", "1006-0")
    assert other.xinfo_groups("jobs")[0]["lag"] is None
    assert "deleted, the last of them 1006-0" in lag(broker, "g").unknown_because


def test_a_group_set_to_the_middle_again_has_an_unknown_lag(broker, other):
    ten_entries(other)
    other.xgroup_create("jobs", "g", "0")
    other.xreadgroup("g", "c", {"jobs": ">"}, count=8)
    other.xgroup_setid("jobs", "g", "1004-0")
    assert "in the middle" in lag(broker, "g").unknown_because


def test_a_group_that_was_trimmed_away_has_everything_left_as_its_lag_whatever_the_server_says(broker, other):
    ten_entries(other)
    other.xgroup_create("jobs", "g", "0")
    other.xreadgroup("g", "c", {"jobs": ">"}, count=3)
    other.xtrim("jobs", maxlen=2, approximate=False)
    assert other.xinfo_groups("jobs")[0]["lag"] != 2, "servers say 7 or nothing"
    assert lag(broker, "g").value == 2


# the shell


def test_streams_are_listed_and_described(shell, other):
    ten_entries(other)
    other.xgroup_create("jobs", "workers", "1004-0")
    other.xreadgroup("workers", "w1", {"jobs": ">"}, count=2)
    other.xadd("clicks", {"a": 1})
    listed = [line.split() for line in shell("streams").stdout.splitlines()]
    assert listed[0] == ["STREAM", "ENTRIES", "FIRST-ID", "LAST-ID", "ENTRIES/S", "GROUPS"]
    assert [line[0] for line in listed[1:]] == ["clicks", "jobs"]
    assert listed[2][1:] == ["10", "1000-0", "1009-0", "-", "1"]
    told = shell("streams", "describe", "jobs").stdout
    assert "Group workers at 1006-0. Lag: unknown, because the group was set to an id in the middle" in told
    assert "2 pending; the oldest was delivered 1 time" in told
    assert told.splitlines()[-1].split()[0] == "w1"


def test_unknown_figures_are_null_with_a_reason_in_json(shell, other):
    ten_entries(other)
    other.xgroup_create("jobs", "workers", "1004-0")
    found = json.loads(shell("streams", "describe", "jobs", "--json").stdout)
    assert (found["rate"], found["rate_unknown_because"]) == (None, "its ids are no times")
    assert found["groups"][0]["lag"] is None
    assert "1004-0" in found["groups"][0]["lag_unknown_because"]
    line = json.loads(shell("streams", "list", "--json").stdout)
    assert (line["stream"], line["length"], line["groups"]) == ("jobs", 10, 1)


def test_a_consumer_that_asks_for_nothing_is_idle(shell, other):
    ten_entries(other)
    other.xgroup_create("jobs", "workers", "0")
    other.xreadgroup("workers", "w1", {"jobs": ">"}, count=2)
    until(lambda: other.xinfo_consumers("jobs", "workers")[0]["idle"] >= 10)

    def state(seconds):
        found = json.loads(shell("streams", "describe", "jobs", "--idle", seconds, "--json").stdout)
        return found["groups"][0]["consumers"][0]["idle"]

    assert (state("0.01"), state("3600")) == (True, False)


def test_bytes_of_strangers_are_made_harmless(shell, other):
    other.xadd(b"\x1b[2Jkey", {"a": 1})
    told = shell("streams").stdout
    assert "\x1b" not in told
    assert "\\x1b[2Jkey" in told


def test_a_search_that_is_cut_short_says_so(shell, other):
    for n in range(3):
        other.xadd(f"s{n}", {"a": 1})
    cut = shell("streams", "--max", "2")
    assert len(cut.stdout.splitlines()) == 3
    assert "There may be more" in cut.stderr
    assert shell("streams", "list", "--match", "s0").stderr == ""


def test_what_cannot_be_described_is_said_in_words(broker, other, shell):
    topic = a_topic(broker)
    produce(broker, topic, numbered(1))
    other.lpush("list", "x")
    for key, said in [
        (b"nothing", "There is no stream 'nothing'"),
        (b"list", "'list' is no stream but a list"),
        (f"sl:{{{topic}/0}}:log".encode(), f"streamlab topics describe {topic}"),
    ]:
        with pytest.raises(StreamlabError, match=said):
            foreign_streams.describe(broker.connection, key)
    assert shell("streams", "describe", "nothing").returncode == 1


@pytest.mark.standalone_only
def test_a_user_who_may_only_read_is_enough_but_for_the_rate(redis_url, other):
    ten_entries(other)
    other.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+@connection", "+time")
    try:
        with streamlab.connect(redis_url.replace("unix://", "unix://reader:pw@")) as broker:
            summary = foreign_streams.describe(broker.connection, b"jobs").summary
        assert summary.length == 10
        assert "the server refuses it" in summary.rate.unknown_because
    finally:
        other.acl_deluser("reader")
