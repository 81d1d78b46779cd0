"""The advisor on a real server: one look for everybody, on pages, in the API and on the command line."""

from __future__ import annotations

import html
import json
import re

import msgspec
import pytest
from django.test import Client
from pytest_django import Settings

from dashboard import advice
from dashboard.access import api_token
from dashboard.access.roles import Role
from dashboard.audit.trail import Actor
from dashboard.masking import rules as masking
from streamlab import advisor, keys
from streamlab.advisor import NothingMeasured, memory
from streamlab.advisor.world import World
from streamlab.broker import Broker
from streamlab.cli import main
from streamlab.configs.store import Configs
from streamlab.metrics import telemetry
from streamlab.metrics.past import Keeper
from streamlab.metrics.snapshot import decode, encode
from tests.advisor_worlds import GROUP, TOPIC, a_worker, a_world, sends
from tests.people import a_person

pytestmark = pytest.mark.django_db

AHEAD_MS = 30_000
"""So nothing is too old to be judged on a machine that is busy."""
LATE = ([20.0] * 6, [10.0] * 6)


def measured(broker: Broker, world: World) -> None:
    """Let the server look as if a sampler had watched this world until `AHEAD_MS` from now."""
    now_ms = broker.connection.server_time_ms() + AHEAD_MS
    shift = now_ms - world.now_ms
    keeper = Keeper(broker.connection)
    for snapshot in (*world.past, world.snapshot):
        moved = msgspec.structs.replace(snapshot, as_of_ms=snapshot.as_of_ms + shift)
        keeper.keep(moved, encode(moved))
        broker.connection.client.set(keys.SNAPSHOT, encode(moved))
    for client in world.clients.values():
        told = msgspec.structs.replace(client, as_of_ms=now_ms)
        state = telemetry.ClientState(
            **{n: getattr(told, n) for n in telemetry.ClientState.__struct_fields__}
        )
        broker.connection.execute_many(telemetry.push(state, told.metrics, {}))


@pytest.fixture(autouse=True)
def nothing_heard(monkeypatch):
    """What pages heard in another test is forgotten."""
    monkeypatch.setattr(advice, "_asked", advice._Asked())


def rules(broker: Broker) -> list[str]:
    return [finding.rule for finding in advisor.advise(broker.connection).findings]


@pytest.mark.both_engines
def test_a_late_group_is_found_from_what_the_sampler_left(broker):
    measured(broker, a_world(*LATE, members=2, clients=[a_worker(0, 500, 50), a_worker(1, 500, 50)]))
    [finding] = advisor.advise(broker.connection).findings
    assert (finding.rule, finding.group, finding.topic) == ("capacity", GROUP, TOPIC)
    assert "50 ms" in finding.cause


def test_a_key_is_judged_by_more_than_the_few_batches_that_chance_may_rule(broker):
    broker.admin().create_topics({TOPIC: {"num_partitions": 6}})
    chance = [b"customer-7", b"another", b"customer-7", b"customer-7"] * 8
    with broker.producer() as producer:
        for key in [b"customer-7"] * 300 + chance:  # waited for, so that each is a batch of its own
            producer.send(TOPIC, b"x", key=key, partition=2).get(60)
    measured(broker, a_world([10, 10, 100, 10, 10, 10], [10, 10, 60, 10, 10, 10]))
    [finding] = advisor.advise(broker.connection).findings
    assert (finding.rule, finding.record_key) == ("hot-key", "customer-7")


def test_without_a_sampler_there_is_no_advice(broker):
    with pytest.raises(NothingMeasured, match="sampler"):
        advisor.advise(broker.connection)


def test_an_old_snapshot_is_not_judged(broker):
    measured(broker, a_world())
    stored = decode(broker.connection.client.get(keys.SNAPSHOT))
    old = msgspec.structs.replace(stored, as_of_ms=stored.as_of_ms - 120_000)
    broker.connection.client.set(keys.SNAPSHOT, encode(old))
    with pytest.raises(NothingMeasured, match="too old"):
        advisor.advise(broker.connection)


def test_who_asks_within_seconds_gets_the_same_answer_without_another_look(broker):
    measured(broker, a_world(*LATE))
    first = advisor.advise(broker.connection)
    broker.connection.client.delete(keys.SNAPSHOT)  # another look would raise
    assert advisor.advise(broker.connection) == first


def test_only_one_looks_anew_and_what_is_found_keeps_its_beginning(broker):
    measured(broker, a_world(*LATE))
    first = advisor.advise(broker.connection)
    aged = memory.read(broker.connection)
    old = msgspec.structs.replace(first, as_of_ms=first.as_of_ms - AHEAD_MS - memory.FRESH_MS)
    memory.write(broker.connection, msgspec.structs.replace(aged, advice=old))

    assert memory.may_look(broker.connection)  # somebody else has begun
    assert advisor.advise(broker.connection) == old
    broker.connection.client.delete(keys.ADVISOR_TURN)
    anew = advisor.advise(broker.connection)
    assert anew.as_of_ms > old.as_of_ms
    assert anew.findings[0].since_ms == first.findings[0].since_ms


def test_who_keeps_advice_fresh_looks_only_while_somebody_asks(broker):
    measured(broker, a_world(*LATE))
    assert not advisor.keep_fresh(broker.connection)
    assert memory.read(broker.connection) is None
    memory.ask(broker.connection)
    assert advisor.keep_fresh(broker.connection)
    assert [finding.rule for finding in memory.read(broker.connection).advice.findings] == rules(broker)


def test_who_leaves_looking_to_another_takes_what_is_not_quite_fresh(broker):
    measured(broker, a_world(*LATE))
    first = advisor.advise(broker.connection)
    broker.connection.client.delete(keys.SNAPSHOT)  # another look would raise
    aged = msgspec.structs.replace(first, as_of_ms=first.as_of_ms - AHEAD_MS - 2 * memory.FRESH_MS)
    memory.write(broker.connection, msgspec.structs.replace(memory.read(broker.connection), advice=aged))
    assert advisor.advise(broker.connection, 3 * memory.FRESH_MS) == aged
    broker.connection.client.delete(keys.ADVISOR_TURN)
    with pytest.raises(NothingMeasured):
        advisor.advise(broker.connection)


@pytest.mark.both_engines
def test_a_changed_setting_is_among_the_evidence_and_its_author_with_it(broker):
    Configs(broker.connection).set(f"group:{GROUP}", {"max_poll_records": 5}, by="anna")
    measured(broker, a_world())
    changes = advisor._looker(broker.connection).look(None).world.changes
    assert [(c.entity, c.by) for c in changes] == [(f"group:{GROUP}", "anna")]
    assert "max_poll_records of group revenue from its default to 5" in changes[0].says


@pytest.mark.both_engines
def test_attempts_are_counted_between_two_looks(broker):
    young = a_worker(0, started_ms=broker.connection.server_time_ms() + AHEAD_MS - 20_000)
    figures = young.metrics["worker-metrics"] | {"records-failed-total": 100.0}
    measured(broker, a_world(clients=[msgspec.structs.replace(young, metrics={"worker-metrics": figures})]))
    looked = advisor._looker(broker.connection).look(None)
    [done] = looked.world.attempts.values()
    assert (done.succeeded, done.failed) == (1_000, 100)
    assert 19 < done.over_s < 60
    assert rules(broker) == ["retries"]


def test_the_server_is_asked_and_slow_commands_of_others_are_seen(broker):
    measured(broker, a_world())
    server = advisor._looker(broker.connection).look(None).world.server
    assert server.slower_than_ms is not None
    assert not server.write_error


# -- where it is shown -------------------------------------------------------------------------------------------


@pytest.fixture
def viewer(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.VIEWER))
    return client


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_page_shows_what_is_wrong_why_and_what_helps(viewer, broker):
    measured(broker, a_world(*LATE, members=2, clients=[a_worker(0, 500, 50), sends(800, 800)]))
    page = text(viewer.get("/advisor/"))
    for said in (
        "revenue cannot keep up",
        "Likely cause",
        "Not the cause",
        "5 members instead of 2",
        "limit 8 s",
    ):
        assert said in page
    assert page.index("revenue cannot keep up") < page.index("shop sends tiny batches")


def test_one_click_leads_from_a_lever_to_its_experiment_filled_in(client, redis_url, settings, broker):
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.OPERATOR))
    broker.admin().create_topics({TOPIC: {"num_partitions": 3}})
    measured(broker, a_world([800 / 3] * 3, clients=[sends(800, 800)]))
    page = client.get("/advisor/").content.decode()
    href, compress = re.findall(r'href="(/lab/experiments/new/[^"]*)"', page)
    form = text(client.get(html.unescape(href)))
    assert 'value="client:shop"' in form or ">client:shop<" in form
    assert "linger_ms" in form and "0,50" in form.replace(" ", "")
    assert "setting=compression_type" in compress


def test_the_page_of_nothing_says_what_was_looked_at(viewer, broker):
    measured(broker, a_world())
    page = text(viewer.get("/advisor/"))
    assert "Nothing to advise" in page
    assert "1 group with 3 members" in page


@pytest.mark.parametrize("path", [f"/groups/{GROUP}/", f"/topics/{TOPIC}/"])
def test_findings_stand_on_the_pages_that_they_are_about(viewer, broker, path):
    measured(broker, a_world(*LATE))
    assert "revenue cannot keep up" in text(viewer.get(path))


def test_the_overview_names_the_likely_cause(viewer, broker):
    measured(broker, a_world([20.0] * 6, [0.0] * 6, members=0))
    assert "Likely cause: The group has no member" in text(viewer.get("/"))


def test_the_overview_names_what_is_worth_a_look_where_all_seems_well(viewer, broker):
    measured(broker, a_world(clients=[sends(800, 800)]))
    assert "Worth a look: shop sends tiny batches" in text(viewer.get("/"))


def test_a_key_is_shown_only_where_masking_allows_it(viewer, broker, monkeypatch):
    finding = advisor.Finding(
        rule="hot-key", subject="group:g", title="t", symptom="s", cause="One key.", judged="j",
        topic=TOPIC, record_key="customer-7",
    )  # fmt: skip
    measured(broker, a_world())
    now_ms = broker.connection.server_time_ms()
    known = advisor.Advice(as_of_ms=now_ms + 60_000, findings=[finding], looked_at=[], missing=[])
    memory.write(broker.connection, memory.Memory(known))
    assert "customer-7" in text(viewer.get("/advisor/"))
    masking.add(TOPIC, "@key", Actor(user=a_person(Role.ADMIN)))
    assert "customer-7" not in text(viewer.get("/advisor/"))


def test_the_api_gives_findings_with_their_numbers(viewer, broker):
    measured(broker, a_world(*LATE))
    _, token = api_token.create(a_person(Role.VIEWER), "a program", ["api:read"])
    program = Client(headers={"Authorization": f"Bearer {token}"})
    [finding] = program.get("/api/v1/findings", {"group": GROUP}).json()["findings"]
    assert finding["rule"] == "capacity"
    assert {n["name"]: n["limit"] for n in finding["numbers"]}["behind"] == 8
    assert program.get("/api/v1/findings", {"group": "other"}).json()["findings"] == []


def test_the_command_line_tells_findings_and_json(redis_url, broker, capsys):
    measured(broker, a_world(*LATE))
    with pytest.raises(SystemExit):
        main(["advise", "--url", redis_url])
    assert "SOON  revenue cannot keep up" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["advise", "--url", redis_url, "--json"])
    assert json.loads(capsys.readouterr().out)["rule"] == "capacity"
