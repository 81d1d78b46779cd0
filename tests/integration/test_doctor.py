"""`streamlab doctor` on real servers: a good one, a bad one, and users who may not ask everything."""

from __future__ import annotations

import json

import pytest
import redis

import streamlab
from streamlab.doctor import Level, examine
from streamlab.doctor.ask import facts_of, findings_of
from streamlab.doctor.serving import RIGHTS
from streamlab.errors import StreamlabError
from tests.builders import a_server, a_topic, numbered, produce, read
from tests.cluster import Cluster


def findings(url):
    with streamlab.connect(url) as broker:
        return {found.check: found for found in examine(facts_of(broker.connection))}


def levels(url):
    return {check: found.level for check, found in findings(url).items()}


@pytest.fixture
def root(redis_url):
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.slowlog_reset()
    yield client
    for user in client.acl_users():
        if user != "default":
            client.acl_deluser(user)
    client.slowlog_reset()
    client.close()


@pytest.fixture
def url_of(root, redis_url):
    """The URL of a new user with the given rights."""

    def make(name, rights):
        root.execute_command(
            "ACL", "SETUSER", name, "on", ">pw", "resetkeys", "resetchannels", *rights.split()
        )
        return redis_url.replace("unix://", f"unix://{name}:pw@")

    return make


def test_the_server_inside_is_fit_but_has_no_replica(redis_url, root):
    found = levels(redis_url)
    assert found.pop("replicas") is Level.WARNING
    assert set(found.values()) == {Level.OK}


def test_a_check_up_leaves_nothing_behind(redis_url, root):
    findings(redis_url)
    assert root.keys("*") == []


def test_a_misconfigured_server_is_told_what_to_change_and_then_is_fit(tmp_path, shell):
    with a_server(
        tmp_path / "bad", maxmemory_policy="allkeys-lru", appendonly="no", stream_node_max_bytes="0"
    ) as server:
        told = shell("doctor", "--json", "--url", server.url)
        found = {line["check"]: line for line in map(json.loads, told.stdout.splitlines())}
        assert told.returncode == 1
        assert found["eviction"]["level"] == found["append-only file"]["level"] == "problem"
        assert found["stream nodes"]["level"] == "warning"
        with redis.Redis.from_url(server.url) as client:
            for line in found.values():
                if line["change"].startswith("CONFIG SET"):
                    client.execute_command(*line["change"].split())
        cured = shell("doctor", "--url", server.url)
        assert cured.returncode == 0
        assert "problem" not in cured.stdout


def test_a_full_server_is_a_problem_in_memory_and_in_writing(tmp_path):
    with a_server(tmp_path / "full", maxmemory="1mb") as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] - 1000)
        found = findings(server.url)
        assert found["memory"].level is Level.PROBLEM
        assert "used memory > 'maxmemory'" in found["rights"].says


def test_a_replica_is_told_from_its_master(tmp_path):
    with a_server(tmp_path / "replica") as server:
        with redis.Redis.from_url(server.url) as client:
            client.replicaof("127.0.0.1", "1")
        found = findings(server.url)
        assert found["replicas"].change == "Connect to 127.0.0.1:1."
        assert found["rights"].level is Level.PROBLEM


def test_writes_that_need_missing_replicas_are_a_problem(tmp_path):
    with a_server(tmp_path / "alone", min_replicas_to_write="1") as server:
        found = findings(server.url)
        assert found["replicas"].level is Level.PROBLEM
        assert "NOREPLICAS" in found["rights"].says


def test_where_config_is_forbidden_it_is_unknown_and_not_good(url_of, root):
    found = findings(url_of("app", f"{RIGHTS}"))
    unknown = {check for check, finding in found.items() if finding.level is Level.UNKNOWN}
    assert unknown == {"fsync", "stream nodes", "slow log"}
    assert all("unknown, because the server refuses it" in found[check].says for check in unknown)
    assert found["eviction"].level is Level.OK, "INFO says it, too"


def test_the_rights_that_the_doctor_asks_for_are_enough_to_work_with(url_of):
    url = url_of("app", RIGHTS)
    assert findings(url)["rights"] == (
        "rights",
        Level.OK,
        "The user app may do everything needed under sl:*.",
        "",
        "",
    )
    with streamlab.connect(url) as broker:
        topic = a_topic(broker, 2)
        produce(broker, topic, numbered(10))
        with broker.consumer(topic, group_id="g", auto_offset_reset="earliest") as consumer:
            assert len(read(consumer, 10)) == 10
            consumer.commit()


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        ("~* &* +@all -@write", {"SET", "XADD", "HSET"}),
        ("~orders:* &* +@all", {"SET", "XADD", "XRANGE"}),
        ("~* +@all", {"PUBLISH"}),
        ("~* &* +@all -time -wait", {"TIME", "WAIT"}),
    ],
)
def test_a_user_without_enough_rights_is_told_which(url_of, rights, missing):
    found = findings(url_of("app", rights))["rights"]
    assert found.level is Level.PROBLEM
    assert missing <= set(found.says.rstrip(".").partition("may not: ")[2].split(", "))
    assert found.change == f"ACL SETUSER app {RIGHTS}"


def test_a_user_who_may_not_run_scripts_is_told_so(url_of):
    found = findings(url_of("app", "~* &* +@all -@scripting"))
    assert found["scripts"].level is Level.PROBLEM
    assert found["rights"].level is Level.OK


def test_a_wrong_password_and_a_server_that_is_away_are_one_sentence(redis_url, root, shell):
    with pytest.raises(StreamlabError, match="refuses this user"):
        findings(redis_url.replace("unix://", "unix://default:wrong@").replace("default", "nobody"))
    away = shell("doctor", "--url", "redis://127.0.0.1:1/0")
    assert (away.returncode, away.stdout) == (1, "")
    assert "cannot be reached" in away.stderr


def test_a_command_that_held_everything_up_is_found(redis_url, root):
    busy = """local start = redis.call('TIME')
    repeat local now = redis.call('TIME')
    until (now[1] - start[1]) * 1000000 + now[2] - start[2] > 120000"""
    root.eval(busy, 0)
    found = findings(redis_url)["slow log"]
    assert found.level is Level.WARNING
    assert "EVAL" in found.says
    assert float(found.says.rsplit(" ms", 1)[0].rsplit(" ", 1)[1]) >= 120


def test_the_columns_for_people_have_the_change_under_the_finding(shell):
    lines = shell("doctor").stdout.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("warning  replicas"))
    assert lines[place + 2].strip().startswith("→ On a second server")


# -- a cluster --------------------------------------------------------------------------------------------------------


def test_a_whole_cluster_is_examined_node_by_node(redis_cluster):
    redis_cluster.flush()
    with streamlab.connect(redis_cluster.url) as broker:
        found = {finding.check: finding for finding in findings_of(broker.connection)}
    assert found["slots"] == ("slots", Level.OK, "All 16384 slots are served, by 3 masters.", "", "")
    assert (found["nodes"].level, found["masters"].level, found["clocks"].level) == (Level.OK,) * 3
    assert "every replica is on the same machine" in found["copies"].says
    assert found["full coverage"].level is Level.OK
    assert found["eviction"].says == "On all 6 nodes: maxmemory-policy is noeviction."
    assert found["rights"].level is Level.OK and found["scripts"].level is Level.OK
    assert not any(master.keys("sl:*") for master in redis_cluster.masters())


def test_a_node_that_is_set_otherwise_is_named(redis_cluster):
    master = redis_cluster.nodes[0]
    with master.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with streamlab.connect(redis_cluster.url) as broker:
                found = [f for f in findings_of(broker.connection) if f.check == "eviction"]
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert {finding.level for finding in found} == {Level.OK, Level.PROBLEM}
    [problem] = [finding for finding in found if finding.level is Level.PROBLEM]
    assert problem.says == f"On 127.0.0.1:{master.port}: maxmemory-policy is allkeys-lru."


@pytest.mark.faults
def test_a_dead_master_without_a_replica_is_a_problem(tmp_path):
    with Cluster(tmp_path, replicas=False) as cluster, streamlab.connect(cluster.url) as broker:
        findings_of(broker.connection)
        cluster.nodes[0].kill()
        found = {finding.check: finding for finding in findings_of(broker.connection)}
    assert found["nodes"].says == f"127.0.0.1:{cluster.nodes[0].port}: no answer."
    assert (found["nodes"].level, found["slots"].level) == (Level.PROBLEM, Level.PROBLEM)
    assert "no replica" in found["copies"].says
