"""Looks: what opens and clears in the database, once each, whoever looks; and what receivers are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Thread

import msgspec
import pytest
from django.test import override_settings
from django.utils import timezone
from pytest_django import Settings

from dashboard.alerts import teller
from dashboard.alerts.conditions import CONDITIONS
from dashboard.alerts.gather import Gatherer
from dashboard.alerts.judge import judge
from dashboard.alerts.look import close_all, look
from dashboard.alerts.models import Channel, Firing, Notice, NoticeState, Rule, Watched, Watchman
from dashboard.alerts.now import firing_now
from dashboard.alerts.watchman import Watch, prune
from dashboard.projections import currency
from dashboard.projections.models import DeadLetter, Ledger
from streamlab import keys
from streamlab.connection import Connection
from streamlab.metrics.snapshot import GroupSnapshot, TopicSnapshot, encode
from tests.integration.broker_pictures import now_ms, publish
from tests.receivers import MailSink, WebhookReceiver
from tests.snapshots import a_group, a_snapshot, a_topic
from tests.waiting import until

pytestmark = pytest.mark.django_db

STOPPED = a_group("inventory", lag=400, members=[], state="Empty")
RUNNING = a_group("inventory")


@pytest.fixture
def url(redis_url: str, settings: Settings) -> str:
    """An empty Redis that the dashboard looks at. Webhooks may go to this machine."""
    settings.STREAMLAB_URL = settings.REDIS_URL = redis_url
    settings.WEBHOOK_PRIVATE = True
    return redis_url


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as listening:
        yield listening


def a_channel(receiver: WebhookReceiver | None = None, **changes: object) -> Channel:
    plain = {"name": "hook", "kind": "webhook", "url": receiver.url if receiver else "http://127.0.0.1:1/"}
    return Channel.objects.create(**{**plain, **changes})


def a_rule(*channels: Channel, **changes: object) -> Rule:
    """Fires at once when a group is stopped, and clears at once."""
    plain = {"name": "A group is stopped", "condition": "group-status", "statuses": ["stopped"],
             "for_s": 0, "clear_for_s": 0, "severity": "critical"}  # fmt: skip
    rule = Rule.objects.create(**{**plain, **changes})
    rule.channels.set(channels)
    return rule


class Clock:
    """A world whose time is told, with a broker that looks as it is told to."""

    def __init__(self, url: str):
        self.url = url
        self.ms = now_ms()
        self.gatherer = Gatherer(lambda: self.ms)

    def look(self, *things: GroupSnapshot | TopicSnapshot, after_s: float = 2, unbroken: bool = True):
        self.ms += int(after_s * 1000)
        publish(self.url, a_snapshot(a_topic("orders"), *things), as_of_ms=self.ms)
        return look(self.gatherer, unbroken=unbroken)


@pytest.fixture
def clock(url: str) -> Clock:
    return Clock(url)


def tell(channel: Channel, attempts: int = 1) -> list[NoticeState | None]:
    """As many attempts as asked for, as if the pauses between them were over."""
    states = []
    for _ in range(attempts):
        Notice.objects.filter(state=NoticeState.WAITING).update(due_at=timezone.now())
        states.append(teller.attempt(channel.pk))
    return states


# -- what opens and clears -----------------------------------------------------------------------------------------


def test_a_stopped_group_opens_one_alert_and_clears_it(clock):
    a_rule()
    assert [f.subject for f in clock.look(STOPPED).opened] == ["group inventory"]
    assert not clock.look(STOPPED).opened
    assert [now.says for now in firing_now()] == [
        "Group inventory is stopped: 400 records wait and the group has no members"
    ]
    assert [f.cleared_says for f in clock.look(RUNNING).cleared] == ["Group inventory is ok: Reads along"]
    assert firing_now() == [] and not Watched.objects.exists()


def test_it_fires_only_after_it_held(clock):
    a_rule(for_s=10)
    assert not any(clock.look(STOPPED).opened for _ in range(5))
    assert clock.look(STOPPED, after_s=2).opened


def test_a_group_that_comes_and_goes_never_fires(clock):
    a_rule(for_s=5)
    for _ in range(4):
        assert not clock.look(STOPPED).opened and not clock.look(STOPPED).opened
        assert not clock.look(RUNNING).opened
    assert not Firing.objects.exists()


def test_a_restart_fires_nothing_again_and_clears_nothing(clock):
    a_rule()
    clock.look(STOPPED)
    looked = clock.look(STOPPED, after_s=600, unbroken=False)
    assert not looked.opened and not looked.cleared and Firing.objects.count() == 1


def test_without_measurements_nothing_is_concluded(clock):
    a_rule()
    clock.look(STOPPED)
    Connection(clock.url).client.delete(keys.SNAPSHOT)
    looked = look(clock.gatherer)
    assert not looked.cleared and len(firing_now()) == 1
    assert "The sampler has not measured anything" in looked.trouble[0]


def test_an_old_snapshot_says_nothing_about_now(clock):
    a_rule()
    clock.look(STOPPED)
    clock.ms += 60_000
    publish(clock.url, a_snapshot(RUNNING), as_of_ms=clock.ms - 11_000)
    assert not look(clock.gatherer).cleared


def test_a_group_that_is_deleted_clears_and_is_said_to_be_gone(clock):
    a_rule()
    clock.look(STOPPED)
    [cleared] = clock.look().cleared
    assert cleared.cleared_says == "Group inventory is gone"


def test_dead_letters_fire_and_clear_when_none_died_for_a_while(clock):
    a_rule(name="deaths", condition="dead-letters", threshold=0, window_s=60)
    DeadLetter.objects.create(key="a", group="billing", topic="orders", partition=0, offset=1, record_id="r",
                              state="dead", state_ms=clock.ms, died_ms=clock.ms)  # fmt: skip
    [opened] = clock.look().opened
    assert opened.opened_says == "1 record of orders died in group billing within 1 min"
    [cleared] = clock.look(after_s=61).cleared
    assert cleared.cleared_says == "Group billing on orders has had no dead letter lately"


def test_dead_letters_stay_told_while_the_tables_lack_some(clock):
    a_rule(name="deaths", condition="dead-letters", threshold=0, window_s=60)
    DeadLetter.objects.create(key="a", group="billing", topic="orders", partition=0, offset=1, record_id="r",
                              state="dead", state_ms=clock.ms, died_ms=clock.ms)  # fmt: skip
    assert clock.look().opened
    DeadLetter.objects.all().delete()
    ledger = Ledger.objects.create(pk=Ledger.THE_ONE, rebuild_until={"0": 7})
    looked = clock.look(after_s=61)
    assert not looked.cleared and looked.trouble == [currency.REBUILDING]
    ledger.rebuild_until = {}
    ledger.save()
    looked = clock.look(a_topic("__streamlab.events", partitions=1))
    assert not looked.cleared and looked.trouble == [currency.BEHIND]
    assert clock.look().cleared


@pytest.mark.django_db(transaction=True)
def test_a_part_that_is_gone_fires_although_there_is_no_broker(url, settings):
    settings.STREAMLAB_URL = "redis://127.0.0.1:1/0"
    a_rule(name="parts", condition="part", statuses=["down"], scope="data, sampler")
    looked = look(Gatherer())
    assert {f.subject for f in looked.opened} == {"part data", "part sampler"}


@pytest.mark.parametrize("before", [None, STOPPED, RUNNING], ids=["at once", "after waiting", "clearing"])
def test_of_two_that_look_at_once_one_opens_or_clears(clock, receiver, monkeypatch, before):
    a_rule(a_channel(receiver), for_s=0 if before is None else 2)
    if before is not None:
        clock.look(STOPPED)
    if before is RUNNING:
        clock.look(STOPPED)
    others = []

    def judge_while_another_looks(*args: object, **named: object):
        monkeypatch.setattr("dashboard.alerts.look.judge", judge)
        others.append(look(clock.gatherer))
        return judge(*args, **named)

    monkeypatch.setattr("dashboard.alerts.look.judge", judge_while_another_looks)
    mine = clock.look(RUNNING if before is RUNNING else STOPPED)
    [other] = others
    assert not mine.opened and not mine.cleared
    assert len(other.cleared if before is RUNNING else other.opened) == 1
    assert Firing.objects.count() == 1
    assert Notice.objects.count() == (2 if before is RUNNING else 1)


def test_a_rule_that_stumbles_does_not_blind_the_others(clock, monkeypatch):
    a_rule()
    a_rule(name="broken", condition="group-lag", threshold=1)

    def stumble(world: object, rule: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(CONDITIONS, "group-lag", replace(CONDITIONS["group-lag"], read=stumble))
    looked = clock.look(STOPPED)
    assert len(looked.opened) == 1
    assert looked.trouble == ["The rule broken could not be judged: ZeroDivisionError."]


def test_one_watches_and_the_other_stands_by_until_its_lease_is_over(clock):
    first, second = Watch(clock.gatherer), Watch(clock.gatherer)
    assert first.turn() is not None
    assert second.turn() is None
    Watchman.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    assert second.turn() is not None
    assert first.turn() is None


# -- who is told -----------------------------------------------------------------------------------------------------


def test_a_webhook_is_told_once_that_it_opened_and_once_that_it_cleared(clock, receiver):
    channel = a_channel(receiver, secret="a secret of twenty letters")
    a_rule(channel)
    clock.look(STOPPED)
    clock.look(STOPPED)
    assert tell(channel, 2) == [NoticeState.TOLD, None]
    clock.look(RUNNING)
    assert tell(channel, 2) == [NoticeState.TOLD, None]
    opened, cleared = receiver.received
    assert (opened.body["status"], cleared.body["status"]) == ("firing", "resolved")
    assert opened.path == "/hooks/T0?token=secret"
    assert opened.headers["idempotency-key"] == opened.headers["webhook-id"] == opened.body["id"]
    assert opened.headers["webhook-signature"].startswith("v1,")
    [notice] = Notice.objects.filter(event="opened")
    assert notice.told_at and notice.answer.startswith("HTTP 200 OK") and notice.response == "thank you"


def test_many_alerts_of_one_look_are_one_notice(clock, receiver):
    channel = a_channel(receiver)
    a_rule(channel)
    groups = [a_group(f"g{n:02}", lag=5, members=[], state="Empty") for n in range(70)]
    clock.look(*groups)
    assert Firing.objects.count() == 70 and Notice.objects.count() == 1
    tell(channel)
    [received] = receiver.received
    assert len(received.body["alerts"]) == 50 and received.body["truncatedAlerts"] == 20
    assert received.body["text"].endswith(", and 69 more")


def test_a_receiver_that_is_down_is_told_when_it_is_back_in_order_and_under_the_same_ids(clock):
    receiver = WebhookReceiver()
    channel = a_channel(receiver)
    a_rule(channel)
    clock.look(STOPPED)
    assert tell(channel, 3) == [NoticeState.WAITING] * 3
    clock.look(RUNNING)
    notice = Notice.objects.get(event="opened")
    assert notice.attempts == 3 and notice.answer == "Connection refused."
    with receiver:
        assert tell(channel, 3) == [NoticeState.TOLD, NoticeState.TOLD, None]
    assert [r.body["status"] for r in receiver.received] == ["firing", "resolved"]
    assert receiver.keys[0] == notice.key


def test_an_error_is_tried_again_under_the_same_id(clock, receiver):
    channel = a_channel(receiver)
    a_rule(channel)
    clock.look(STOPPED)
    receiver.status = 503
    assert tell(channel, 8) == [NoticeState.WAITING] * 8
    receiver.status = 204
    assert tell(channel) == [NoticeState.TOLD]
    assert len(receiver.keys) == 9 and len(set(receiver.keys)) == 1
    assert len({received.raw for received in receiver.received}) == 1


def test_the_pause_before_the_next_attempt_grows(clock):
    channel = a_channel()
    a_rule(channel)
    clock.look(STOPPED)
    pauses = []
    for _ in range(4):
        before = timezone.now()
        tell(channel)
        pauses.append((Notice.objects.get().due_at - before).total_seconds())
    assert [round(pause) for pause in pauses] == [1, 2, 4, 8]


def test_what_a_receiver_refuses_is_given_up_and_the_next_is_told(clock, receiver):
    channel = a_channel(receiver)
    a_rule(channel)
    clock.look(STOPPED)
    receiver.status = 404
    assert tell(channel, 5) == [NoticeState.WAITING] * 4 + [NoticeState.GIVEN_UP]
    receiver.status = 200
    clock.look(RUNNING)
    assert tell(channel) == [NoticeState.TOLD]
    assert Notice.objects.get(event="opened").answer.startswith("HTTP 404 Not Found")


def test_a_redirect_is_not_followed(clock, receiver):
    channel = a_channel(receiver)
    a_rule(channel)
    clock.look(STOPPED)
    receiver.status, receiver.location = 302, f"http://127.0.0.1:{receiver.port}/elsewhere"
    tell(channel)
    assert [received.path for received in receiver.received] == ["/hooks/T0?token=secret"]
    assert "Redirects are not followed" in Notice.objects.get().answer


def test_a_slow_receiver_is_given_up_in_time_and_told_later(clock, receiver, monkeypatch):
    monkeypatch.setattr("dashboard.alerts.channels.webhook.WHOLE_S", 0.3)
    channel = a_channel(receiver)
    a_rule(channel)
    clock.look(STOPPED)
    receiver.holds.set()
    assert tell(channel) == [NoticeState.WAITING]
    assert Notice.objects.get().answer.startswith("No answer within")
    receiver.holds.clear()
    receiver.release.set()
    assert tell(channel) == [NoticeState.TOLD]
    assert len(set(receiver.keys)) == 1


def test_who_died_while_telling_is_followed_by_one_that_tells_under_the_same_id(clock, receiver):
    channel = a_channel(receiver)
    a_rule(channel)
    clock.look(STOPPED)
    dead = teller.claim(timezone.now() + timedelta(seconds=10), channel.pk)
    assert dead is not None and tell(channel) == [None]  # claimed: nobody else has it
    Notice.objects.update(due_at=timezone.now())  # the claim runs out
    assert tell(channel) == [NoticeState.TOLD]
    assert receiver.keys == [dead.key]
    assert teller.settle(dead, teller.Answer(False, "late"), timezone.now()) is None  # it has it no more
    assert Notice.objects.get().state == NoticeState.TOLD


def test_a_private_address_is_told_only_where_that_is_allowed(clock, receiver):
    channel = a_channel(receiver)
    a_rule(channel)
    clock.look(STOPPED)
    with override_settings(WEBHOOK_PRIVATE=False):
        tell(channel)
    assert not receiver.received
    assert "Set STREAMLAB_WEBHOOK_PRIVATE=1" in Notice.objects.get().answer


def test_while_a_rule_is_muted_nobody_is_told_and_afterwards_those_that_still_fire_are(clock, receiver):
    channel = a_channel(receiver)
    rule = a_rule(channel, muted_until=timezone.now() + timedelta(hours=1))
    passing = a_group("passing", lag=1, members=[], state="Empty")
    clock.look(STOPPED, passing)
    clock.look(STOPPED)
    assert Firing.objects.count() == 2 and not Notice.objects.exists()
    Rule.objects.filter(pk=rule.pk).update(muted_until=None)
    clock.look(STOPPED)
    clock.look(STOPPED)
    assert tell(channel, 2) == [NoticeState.TOLD, None]
    [received] = receiver.received
    assert [alert["labels"]["subject"] for alert in received.body["alerts"]] == ["group inventory"]


def test_who_was_told_that_it_opened_is_told_that_it_cleared_although_it_is_muted_then(clock, receiver):
    channel = a_channel(receiver)
    rule = a_rule(channel)
    clock.look(STOPPED)
    Rule.objects.filter(pk=rule.pk).update(muted_until=timezone.now() + timedelta(hours=1))
    clock.look(RUNNING)
    assert tell(channel, 2) == [NoticeState.TOLD] * 2


def test_a_rule_that_ends_closes_what_fires_and_says_so(clock, receiver):
    channel = a_channel(receiver)
    rule = a_rule(channel)
    clock.look(STOPPED)
    assert close_all(rule, "The rule was deleted", timezone.now()) == 1
    rule.delete()
    tell(channel, 2)
    assert receiver.received[-1].body["alerts"][0]["annotations"]["summary"] == "The rule was deleted"
    assert Firing.objects.get().cleared_says == "The rule was deleted"


def test_one_channel_that_is_away_does_not_hold_up_another(clock, receiver):
    away, there = a_channel(name="away"), a_channel(receiver, name="there")
    a_rule(away, there)
    clock.look(STOPPED)
    assert tell(away) == [NoticeState.WAITING]
    assert tell(there) == [NoticeState.TOLD]


def test_a_channel_that_is_switched_off_is_told_nothing(clock, receiver):
    channel = a_channel(receiver, enabled=False)
    a_rule(channel)
    clock.look(STOPPED)
    assert not Notice.objects.exists()


@pytest.mark.parametrize("answer", [b"\xff\xfe\x00<script>", b"x" * 100_000], ids=["hostile", "huge"])
def test_whatever_a_receiver_answers_is_kept_in_part(clock, receiver, answer):
    channel = a_channel(receiver)
    a_rule(channel)
    clock.look(STOPPED)
    receiver.answer = answer
    assert tell(channel) == [NoticeState.TOLD]
    assert len(Notice.objects.get().response) <= 2_000 and "\0" not in Notice.objects.get().response


# -- e-mail ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mail(settings: Settings) -> Iterator[MailSink]:
    with MailSink() as sink:
        settings.EMAIL_BACKEND = "dashboard.alerts.channels.smtp.EmailBackend"
        settings.EMAIL_CONFIGURED, settings.EMAIL_HOST, settings.EMAIL_PORT = True, "127.0.0.1", sink.port
        yield sink


def by_mail() -> Channel:
    return a_channel(name="mail", kind="e-mail", url="", addresses=["ops@streamlab.test", "b@streamlab.test"])


def test_a_mail_says_what_fires_since_when_and_where_to_look(clock, mail):
    channel = by_mail()
    a_rule(channel)
    clock.look(STOPPED)
    assert tell(channel) == [NoticeState.TOLD]
    [kept] = mail.mails
    assert kept["Subject"] == (
        "[critical] A group is stopped: Group inventory is stopped: 400 records wait and the group has no members"
    )
    assert kept["To"] == "ops@streamlab.test, b@streamlab.test"
    text = kept.get_content()
    assert f"/alerts/{Firing.objects.get().pk}/" in text and "since 20" in text
    assert kept["Message-ID"] == f"<{Notice.objects.get().key}@streamlab>"


def test_a_name_with_a_line_break_writes_no_header(clock, mail):
    channel = by_mail()
    a_rule(channel, name="x\r\nBcc: other@streamlab.test")
    clock.look(a_group("in\nventory", lag=3, members=[], state="Empty"))
    assert tell(channel) == [NoticeState.TOLD]
    assert mail.mails[0]["Bcc"] is None and len(mail.recipients) == 2


def test_a_mail_server_that_refuses_is_believed_and_one_that_is_away_is_tried_again(clock, mail, settings):
    channel = by_mail()
    a_rule(channel)
    clock.look(STOPPED)
    mail.refuses = "550 unknown"
    assert tell(channel, 5)[-1] == NoticeState.GIVEN_UP
    assert Notice.objects.get().answer == "SMTP 550: every recipient was refused."
    settings.EMAIL_PORT = 1
    clock.look(RUNNING)
    assert tell(channel, 6) == [NoticeState.WAITING] * 6


def test_where_mail_is_not_configured_that_is_said(clock):
    channel = by_mail()
    a_rule(channel)
    clock.look(STOPPED)
    tell(channel)
    assert Notice.objects.get().answer == "E-mail is not configured: set EMAIL_HOST."


# -- the process -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_watch_that_runs_opens_and_tells_by_itself(clock, receiver, monkeypatch):
    monkeypatch.setattr("dashboard.alerts.watchman.LOOK_EVERY_S", 0.05)
    channel = a_channel(receiver)
    a_rule(channel)
    publish(clock.url, a_snapshot(STOPPED))
    watch = Watch()
    thread = Thread(target=watch.run)
    thread.start()
    try:
        until(lambda: receiver.received, what="the receiver is told")
    finally:
        watch.stop.set()
        thread.join()
    assert Watchman.objects.get().holder == ""


def test_what_cleared_long_ago_is_forgotten_and_what_fires_is_not(clock):
    a_rule()
    clock.look(STOPPED, a_group("other", lag=1, members=[]))
    clock.look(STOPPED)
    later = timezone.now() + timedelta(days=100)
    prune(later, 0)
    assert Firing.objects.count() == 2
    prune(later, 90)
    assert [f.subject for f in Firing.objects.all()] == ["group inventory"]


def test_a_look_at_many_partitions_writes_nothing_while_nothing_changes(clock, django_assert_max_num_queries):
    a_rule()
    groups = [msgspec.structs.replace(RUNNING, group=f"g{n}") for n in range(300)]
    publish(clock.url, a_snapshot(*groups), as_of_ms=clock.ms)
    Connection(clock.url).client.set(keys.SNAPSHOT, encode(a_snapshot(*groups, as_of_ms=clock.ms)))
    with django_assert_max_num_queries(5):
        look(clock.gatherer)
