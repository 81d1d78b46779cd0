"""Rules and channels by page and by API: who may, what is refused, what is secret, and what stands on the trail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.alerts.conditions import ALL
from dashboard.alerts.models import Channel, Firing, Notice, Rule, Watchman
from dashboard.alerts.presets import PRESETS
from dashboard.audit.models import Entry
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.integration.test_api import Program, problem_of
from tests.people import a_person
from tests.receivers import WebhookReceiver

pytestmark = pytest.mark.django_db

HOSTILE = "<img src=x onerror=alert(1)>\u202e"
RULE = {
    "name": "Late", "scope": "rev*", "threshold": "100", "clear_at": "80", "for_s": "0", "clear_for_s": "30",
    "severity": "critical", "enabled": "on",
}  # fmt: skip


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(a_person(role))
    return client


@pytest.fixture(autouse=True)
def here(redis_url: str, settings: Settings) -> str:
    settings.STREAMLAB_URL = redis_url
    settings.WEBHOOK_PRIVATE = True
    publish(redis_url, busy_snapshot(), seconds_of_history=120)
    return redis_url


@pytest.fixture
def operator() -> Client:
    return signed_in(Role.OPERATOR)


@pytest.fixture
def admin() -> Client:
    return signed_in(Role.ADMIN)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as listening:
        yield listening


def text_of(response) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode())))


def a_firing(**changes: object) -> Firing:
    plain = {"rule_name": "Late", "condition": "group-lag", "subject": "group revenue", "severity": "critical",
             "opened_says": "The lag of group revenue is 400", "opened_at": timezone.now()}  # fmt: skip
    return Firing.objects.create(**{**plain, **changes})


def trail() -> list[str]:
    return list(
        Entry.objects.filter(action__startswith="alert.").order_by("id").values_list("action", flat=True)
    )


# -- looking -------------------------------------------------------------------------------------------------------


def test_an_empty_page_says_what_to_do(operator):
    text = text_of(operator.get("/alerts/"))
    assert "Nobody watches for anything yet" in text and "No channel yet" in text
    assert "nobody watches" in text and "manage.py watch_alerts" in text
    for preset in PRESETS:
        assert preset.name in text


def test_a_page_says_what_fires_who_was_told_and_that_somebody_watches(operator):
    Watchman.objects.create(looked_at=timezone.now())
    rule = Rule.objects.create(name="Late", condition="group-lag", threshold=10)
    told, muted = a_firing(rule=rule, announced_at=timezone.now()), a_firing(subject="group b")
    channel = Channel.objects.create(name="night watch", kind="webhook", url="https://a.example/T0/secret")
    notice = Notice.objects.create(
        key="sl_1", channel=channel, channel_name=channel.name, event="opened", body={}, due_at=timezone.now(),
        state="told", told_at=timezone.now(), answer="HTTP 200 OK in 3 ms", attempts=2,
    )  # fmt: skip
    notice.firings.add(told)
    html = operator.get("/alerts/").content.decode()
    text = unescape(html)
    assert "2 alerts fire now" in text and "night watch" in text and "nobody: muted" in text
    assert "T0/secret" not in text and "https://a.example/…" in text
    page = text_of(operator.get(f"/alerts/{told.pk}/"))
    assert f"Seen {told.opened_at:%Y-%m-%d %H:%M:%S} UTC, when it opened." in page
    assert "HTTP 200 OK in 3 ms" in page and "sl_1" in page and "night watch" in page
    assert "Nobody was told" in text_of(operator.get(f"/alerts/{muted.pk}/"))
    assert operator.get("/alerts/999999/").status_code == 404


@pytest.mark.parametrize(
    "query", ["?q=revenue&severity=critical", "?severity=no-such", "?page=x", "?q=" + "a" * 5000]
)
def test_a_search_is_part_of_the_address(operator, query):
    a_firing()
    assert operator.get(f"/alerts/{query}").status_code == 200


def test_names_that_are_markup_are_shown_as_they_are(operator):
    rule = Rule.objects.create(name=HOSTILE, condition="group-lag", threshold=1, scope=HOSTILE)
    firing = a_firing(rule=rule, rule_name=HOSTILE, subject=f"group {HOSTILE}", opened_says=HOSTILE)
    for path in ("/alerts/", f"/alerts/{firing.pk}/", f"/alerts/rules/{rule.pk}/", "/history/", "/audit/"):
        response = operator.get(path)
        assert response.status_code == 200 and "<img src=x" not in response.content.decode(), path


# -- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", ALL, ids=lambda condition: condition.name)
def test_every_condition_has_a_form_that_previews_and_saves_as_it_is_proposed(operator, condition):
    path = f"/alerts/rules/new/?condition={condition.name}"
    form = operator.get(path).context["form"]
    given = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    given = {name: value for name, value in given.items() if value is not None and value is not False}
    seen = operator.post(path, {**given, "preview": "1"})
    assert seen.status_code == 200 and "What it sees" in text_of(seen)
    assert not Rule.objects.exists()
    assert operator.post(path, given).status_code == 302
    [rule] = Rule.objects.all()
    assert rule.condition == condition.name and rule.owner.username == "operator"
    assert operator.get(f"/alerts/rules/{rule.pk}/").status_code == 200


def test_the_form_of_a_rule_names_channels_and_shows_plain_numbers(operator):
    Channel.objects.create(name="night watch", kind="webhook", url="https://a.example/")
    rule = Rule.objects.create(name="Late", condition="group-lag", threshold=300, clear_at=0.5)
    html = operator.get(f"/alerts/rules/{rule.pk}/").content.decode()
    assert 'value="300"' in html and 'value="0.5"' in html
    assert "channel night watch" not in html and "night watch" in html


def test_the_form_of_a_rule_says_that_nobody_can_be_told_yet(operator):
    page = text_of(operator.get("/alerts/rules/new/?condition=group-lag"))
    assert "There is no channel yet: alerts show on the page and nobody is told." in page


def test_a_preview_says_what_fires_now_and_what_would_have_fired(operator):
    text = text_of(
        operator.post("/alerts/rules/new/?condition=group-lag", {**RULE, "scope": "*", "preview": "1"})
    )
    assert "1 of 2 subjects is beyond the limit now." in text and "The lag of group inventory is 400" in text
    assert "it would have fired 1 time" in text and "group inventory" in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "This field is required"),
        ({"threshold": ""}, "This field is required"),
        ({"threshold": "nan"}, "Enter a number"),
        ({"clear_at": "200"}, "It would clear above what fires it"),
        ({"for_s": "-1"}, "greater than or equal to 0"),
        ({"for_s": "999999999999"}, "less than or equal to 86400"),
        ({"severity": "apocalyptic"}, "not one of the available choices"),
        ({"channels": ["99"]}, "not one of the available choices"),
        ({"name": "a\x00b"}, "Null characters are not allowed"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(operator, changes, says):
    response = operator.post("/alerts/rules/new/?condition=group-lag", {**RULE, **changes})
    assert response.status_code == 422 and says in text_of(response)
    assert not Rule.objects.exists()


def test_a_rule_is_changed_muted_switched_off_and_deleted_and_all_of_it_is_on_the_trail(operator):
    operator.post("/alerts/rules/new/?condition=group-lag", RULE)
    [rule] = Rule.objects.all()
    firing = a_firing(rule=rule)
    operator.post(f"/alerts/{firing.pk}/acknowledge/")
    operator.post(f"/alerts/{firing.pk}/acknowledge/")
    operator.post(f"/alerts/rules/{rule.pk}/mute/", {"minutes": "120"})
    rule.refresh_from_db()
    assert rule.muted(timezone.now())
    operator.post(f"/alerts/rules/{rule.pk}/mute/", {"minutes": "0"})
    assert operator.post(f"/alerts/rules/{rule.pk}/mute/", {"minutes": "7"}).status_code == 404
    operator.post(f"/alerts/rules/{rule.pk}/", {**RULE, "threshold": "200", "enabled": ""})
    firing.refresh_from_db()
    assert (
        firing.cleared_says == "The rule was switched off" and firing.acknowledged_by.username == "operator"
    )
    operator.post(f"/alerts/rules/{rule.pk}/delete/")
    assert not Rule.objects.exists() and Firing.objects.count() == 1
    assert trail() == [
        "alert.rule_created", "alert.acknowledged", "alert.rule_muted", "alert.rule_unmuted", "alert.rule_changed",
        "alert.rule_deleted",
    ]  # fmt: skip
    assert Entry.objects.filter(who="operator", origin="127.0.0.1").count() == 6


def test_a_viewer_looks_and_changes_nothing_and_an_operator_makes_no_channel(operator):
    viewer = signed_in(Role.VIEWER)
    rule = Rule.objects.create(name="r", condition="group-lag", threshold=1)
    channel = Channel.objects.create(name="c", kind="webhook", url="https://a.example/")
    firing = a_firing(rule=rule)
    assert viewer.get("/alerts/").status_code == 200 == viewer.get(f"/alerts/{firing.pk}/").status_code
    of_rules = ["rules/new/?condition=group-lag", f"rules/{rule.pk}/", f"rules/{rule.pk}/delete/",
                f"rules/{rule.pk}/mute/", f"{firing.pk}/acknowledge/"]  # fmt: skip
    of_channels = ["channels/new/webhook/", f"channels/{channel.pk}/", f"channels/{channel.pk}/delete/",
                   f"channels/{channel.pk}/test/"]  # fmt: skip
    for path in (*of_rules, *of_channels):
        assert viewer.post(f"/alerts/{path}", {"minutes": "120"}).status_code == 403, path
    for path in of_channels:
        assert operator.post(f"/alerts/{path}").status_code == 403, path
    assert trail() == ["alert.refused"] * (len(of_rules) + 2 * len(of_channels))
    assert Rule.objects.count() == Channel.objects.count() == 1


# -- channels --------------------------------------------------------------------------------------------------------


def a_webhook(admin: Client, receiver: WebhookReceiver, **changes: str) -> Channel:
    given = {
        "name": "hook",
        "url": receiver.url,
        "secret": "a secret of twenty letters",
        "enabled": "on",
        **changes,
    }
    response = admin.post("/alerts/channels/new/webhook/", given)
    assert response.status_code == 302, text_of(response)
    return Channel.objects.get()


def test_a_test_shows_what_was_sent_and_what_came_back(admin, receiver):
    channel = a_webhook(admin, receiver)
    text = text_of(admin.post(f"/alerts/channels/{channel.pk}/test/"))
    assert "It arrived" in text and "HTTP 200 OK" in text and "thank you" in text
    [received] = receiver.received
    assert received.body["commonLabels"]["test"] == "true" and received.body["id"] in text
    assert received.headers["webhook-signature"].startswith("v1,")
    receiver.status, receiver.answer = 500, HOSTILE.encode()
    response = admin.post(f"/alerts/channels/{channel.pk}/test/")
    assert "It did not arrive" in text_of(response) and "<img src=x" not in response.content.decode()
    assert trail() == ["alert.channel_created", "alert.channel_tested", "alert.channel_tested"]
    assert not Notice.objects.exists(), "a test is no alert"


def test_what_is_secret_of_a_channel_is_never_shown_again(admin, operator, receiver):
    channel = a_webhook(admin, receiver)
    pages = [admin.get("/alerts/"), admin.get(f"/alerts/channels/{channel.pk}/"), admin.get("/audit/"),
             admin.get("/audit/export/"), admin.post(f"/alerts/channels/{channel.pk}/test/")]  # fmt: skip
    for response in pages:
        shown = b"".join(response) if response.streaming else response.content
        assert b"token=secret" not in shown and b"hooks/T0" not in shown and b"twenty letters" not in shown
    admin.post(
        f"/alerts/channels/{channel.pk}/", {"name": "renamed", "url": "", "secret": "", "enabled": "on"}
    )
    channel.refresh_from_db()
    assert (channel.name, channel.url, channel.secret) == (
        "renamed",
        receiver.url,
        "a secret of twenty letters",
    )
    admin.post(f"/alerts/channels/{channel.pk}/", {"name": "renamed", "forget_secret": "on"})
    channel.refresh_from_db()
    assert channel.secret == "" and not channel.enabled
    assert trail().count("alert.channel_changed") == 2


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a.example/", "begins with https"),
        ("https://me:secret@a.example/", "Leave name and password out"),
        ("https:///path", "names no host"),
        ("http://a.example/a b", "no spaces"),
        ("http://127.0.0.1:6379/", "a private address"),
        ("http://0x7f.1/", "a private address"),
        ("http://2130706433/", "a private address"),
        ("http://[::ffff:127.0.0.1]/", "a private address"),
        ("http://[64:ff9b:1::7f00:1]/", "a private address"),
        ("http://[fec0::1]/", "a private address"),
        ("http://localhost/", "a private address"),
        ("http://169.254.169.254/latest/meta-data/", "where no webhook may go"),
        ("http://[fe80::1]/", "where no webhook may go"),
        ("http://0.0.0.0/", "where no webhook may go"),
    ],
)
def test_a_webhook_leads_nowhere_inside(admin, settings, url, says):
    settings.WEBHOOK_PRIVATE = False
    response = admin.post("/alerts/channels/new/webhook/", {"name": "x", "url": url, "enabled": "on"})
    assert response.status_code == 422 and says in text_of(response)
    assert not Channel.objects.exists()


@pytest.mark.parametrize("allowed", [True, False])
def test_the_form_says_before_where_a_webhook_may_lead(admin, settings, allowed):
    settings.WEBHOOK_PRIVATE = allowed
    text = text_of(admin.get("/alerts/channels/new/webhook/"))
    assert ("It may lead to this machine" in text) is allowed
    assert ("unless STREAMLAB_WEBHOOK_PRIVATE=1 is set" in text) is not allowed


@pytest.mark.parametrize(
    "addresses", ["", "no address", "a@b.example\r\nBcc: c@d.example", ",".join(["a@b.example"] * 21)]
)
def test_addresses_that_are_none_are_refused(admin, addresses):
    response = admin.post(
        "/alerts/channels/new/e-mail/", {"name": "x", "addresses": addresses, "enabled": "on"}
    )
    assert response.status_code == 422 and not Channel.objects.exists()


def test_a_channel_that_is_deleted_leaves_its_rules_and_what_it_was_told(admin, receiver):
    channel = a_webhook(admin, receiver)
    rule = Rule.objects.create(name="r", condition="group-lag", threshold=1)
    rule.channels.add(channel)
    Notice.objects.create(
        key="k", channel=channel, channel_name="hook", event="opened", body={}, due_at=timezone.now()
    )
    admin.post(f"/alerts/channels/{channel.pk}/delete/")
    assert not rule.channels.exists() and Notice.objects.get().channel is None
    assert admin.get("/alerts/").status_code == 200


# -- by program --------------------------------------------------------------------------------------------------------


class Rules(Program):
    """A program that also changes and deletes."""

    def patch(self, path: str, body: object):
        return self._client.patch(f"/api/v1{path}", json.dumps(body), content_type="application/json")

    def delete(self, path: str):
        return self._client.delete(f"/api/v1{path}")


@pytest.fixture
def program() -> Rules:
    return Rules(Role.OPERATOR, "alerts:write")


def test_a_program_makes_changes_mutes_and_deletes_a_rule(program):
    names = {condition["name"] for condition in program.asks("/alerts/conditions")}
    assert names == {condition.name for condition in ALL}
    body = {"condition": "group-lag", "fields": {"name": "Late", "threshold": 100, "clear_at": None}}
    seen = program.does("/alerts/rules/preview", body)
    assert seen["now"] == ["The lag of group inventory is 400 records"] and seen["past"]
    made = program.does("/alerts/rules", body, 201)
    assert (made["threshold"], made["for_s"], made["owner"], made["clear_at"]) == (100, 30, "operator", None)
    path = f"/alerts/rules/{made['number']}"
    changed = program.patch(path, {"fields": {"for_s": 5}}).json()
    assert (changed["for_s"], changed["name"], changed["threshold"]) == (5, "Late", 100)
    assert program.does(f"{path}/mute", {"minutes": 45})["muted_until"]
    assert program.asks("/alerts/rules")["total"] == 1 and program.asks(path)["enabled"]
    assert program.delete(path).status_code == 204
    assert program.get(path).status_code == 404
    assert trail() == ["alert.rule_created", "alert.rule_changed", "alert.rule_muted", "alert.rule_deleted"]
    assert {entry.detail["channel"] for entry in Entry.objects.filter(action__startswith="alert.")} == {"api"}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"condition": "moon-phase", "fields": {}}, "condition"),
        ({"condition": "group-lag", "fields": {"treshold": 1}}, "fields.treshold"),
        ({"condition": "group-lag", "fields": {"threshold": "many"}}, "fields.threshold"),
        ({"condition": "group-lag", "fields": {"scope": ["a"]}}, "fields.scope"),
        ({"condition": "group-status", "fields": {"statuses": ["merry"]}}, "fields.statuses"),
        ({"condition": "group-lag", "fields": {"owner": 1}}, "fields.owner"),
    ],
)
def test_a_program_that_asks_wrongly_is_told_where(program, body, where):
    assert problem_of(program.post("/alerts/rules", body), 422)["errors"][0]["where"] == where
    assert not Rule.objects.exists()


def test_a_program_reads_alerts_and_says_that_somebody_is_at_one(program):
    firing, _ = a_firing(), a_firing(cleared_at=timezone.now(), severity="info")
    assert [one["number"] for one in program.asks("/alerts", state="firing")["items"]] == [firing.pk]
    assert (
        program.asks("/alerts", severity="info")["total"] == 1
        and program.asks("/alerts", q="nobody")["total"] == 0
    )
    assert program.asks(f"/alerts/{firing.pk}")["told"] == []
    assert program.does(f"/alerts/{firing.pk}/acknowledge")["acknowledged_by"] == "operator"
    assert problem_of(program.get("/alerts/99999999999999999999"), 404)


def test_channels_by_program_are_for_admins_and_keep_their_secrets(program, receiver):
    admins = Rules(Role.ADMIN, "alerts:write")
    body = {"kind": "webhook", "fields": {"name": "hook", "url": receiver.url, "secret": "x" * 20}}
    assert problem_of(program.post("/alerts/channels", body), 403)
    assert trail() == [] and Entry.objects.filter(action="api.refused").count() == 1
    made = admins.does("/alerts/channels", body, 201)
    assert made["where"] == f"http://127.0.0.1:{receiver.port}/…" and made["signed"]
    path = f"/alerts/channels/{made['number']}"
    assert "token=secret" not in str(program.asks("/alerts/channels"))
    assert admins.does(f"{path}/test")["told"] and len(receiver.received) == 1
    assert admins.patch(path, {"fields": {"name": "other"}}).json()["name"] == "other"
    assert Channel.objects.get().url == receiver.url and Channel.objects.get().enabled
    assert problem_of(program.delete(path), 403)
    assert admins.delete(path).status_code == 204 and not Channel.objects.exists()


def test_a_token_that_may_only_read_changes_nothing():
    reader = Rules(Role.ADMIN, "api:read", "operations:write")
    assert (
        "alerts:write" in problem_of(reader.post("/alerts/rules", {"condition": "group-lag"}), 403)["detail"]
    )
