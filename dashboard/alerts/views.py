"""The few addresses that change something: rules, channels, mutes, acknowledgements. Looking is a page like any other.

Operators make rules; Admins make channels, for a channel sends what the broker knows to somewhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.access.roles import Role, has_role
from dashboard.audit import trail
from dashboard.audit.trail import actor_of
from dashboard.pages.registry import menu
from dashboard.presenters.figures import spell_duration

from . import changes
from .conditions import ALL, CONDITIONS, Condition
from .forms import ChannelForm, RuleForm, proposed
from .models import Channel, ChannelKind, Firing, Rule
from .presets import MUTES_MIN, PRESETS, Preset
from .preview import Preview, preview

View = Callable[..., HttpResponse]


def needs(role: Role, what: str) -> Callable[[View], View]:
    """Refuse whoever has not this role, and leave a trail."""

    def around(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **args: object) -> HttpResponse:
            if not has_role(request.user, role):
                trail.record(
                    actor_of(request), "alert.refused", " ".join([what, *(str(v) for v in args.values())])
                )
                raise PermissionDenied(f"This needs the role {role}. Ask an Admin for it.")
            return view(request, **args)

        return guarded

    return around


def _shell(title: str, **more: object) -> dict[str, object]:
    return {"title": title, "menu": menu(), "current": "alerts", **more}


# -- rules -------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR, "new rule")
def new_rule(request: HttpRequest) -> HttpResponse:
    """`?condition=group-lag` or `?preset=2`; without either, what there is to choose from."""
    preset = _preset(request.GET.get("preset", ""))
    name = preset.condition if preset else request.GET.get("condition", "")
    if not name:
        numbered = list(enumerate(PRESETS))
        return render(
            request, "pages/alerts/choose.html", _shell("New rule", conditions=ALL, presets=numbered)
        )
    condition = CONDITIONS.get(name)
    if condition is None:
        raise Http404(f"There is no condition “{name}”.")
    form = RuleForm(request.POST or None, condition=condition, initial=proposed(condition, preset))
    return _rule_form(request, form, "New rule")


def _preset(text: str) -> Preset | None:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1
    return PRESETS[number] if 0 <= number < len(PRESETS) else None


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR, "change rule")
def edit_rule(request: HttpRequest, number: int) -> HttpResponse:
    rule = get_object_or_404(Rule, pk=number)
    condition = CONDITIONS.get(rule.condition)
    if condition is None:
        raise Http404(f"There is no condition “{rule.condition}” any more.")
    form = RuleForm(request.POST or None, instance=rule, condition=condition)
    return _rule_form(request, form, rule.name)


def _rule_form(request: HttpRequest, form: RuleForm, title: str) -> HttpResponse:
    status, seen = 200, None
    if request.method == "POST":
        if not form.is_valid():
            status = 422
        elif "preview" in request.POST:
            seen = preview(form.as_rule())
        else:
            return _save_rule(request, form)
    return render(request, "pages/alerts/rule.html", _rule_shell(form, title, seen), status=status)


def _rule_shell(form: RuleForm, title: str, seen: Preview | None) -> dict[str, object]:
    condition: Condition = form.condition
    mutes = [(minutes, spell_duration(minutes * 60_000)) for minutes in MUTES_MIN]
    return _shell(
        title,
        form=form,
        condition=condition,
        rule=form.instance,
        preview=seen,
        mutes=mutes,
        muted=form.instance.muted(timezone.now()),
    )


def _save_rule(request: HttpRequest, form: RuleForm) -> HttpResponse:
    rule = changes.save_rule(form, actor_of(request))
    messages.success(request, f"The rule “{rule.name}” {'watches' if rule.enabled else 'is switched off'}.")
    return redirect("alerts")


@require_POST
@needs(Role.OPERATOR, "delete rule")
def delete_rule(request: HttpRequest, number: int) -> HttpResponse:
    rule = get_object_or_404(Rule, pk=number)
    changes.delete_rule(rule, actor_of(request))
    messages.success(request, f"The rule “{rule.name}” is deleted.")
    return redirect("alerts")


@require_POST
@needs(Role.OPERATOR, "mute rule")
def mute_rule(request: HttpRequest, number: int) -> HttpResponse:
    """`minutes=0` ends a mute."""
    rule = get_object_or_404(Rule, pk=number)
    text = request.POST.get("minutes", "")
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
    if minutes not in (0, *MUTES_MIN):
        raise Http404("There is no mute of that length.")
    changes.mute_rule(rule, minutes, actor_of(request))
    return redirect("alerts")


@require_POST
@needs(Role.OPERATOR, "acknowledge alert")
def acknowledge(request: HttpRequest, number: int) -> HttpResponse:
    changes.acknowledge(get_object_or_404(Firing, pk=number), actor_of(request))
    return redirect("alert", number=number)


# -- channels ----------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN, "new channel")
def new_channel(request: HttpRequest, kind: str) -> HttpResponse:
    if kind not in ChannelKind.values:
        raise Http404(f"There is no channel of the kind “{kind}”.")
    form = ChannelForm(request.POST or None, kind=kind)
    return _channel_form(request, form, f"New {kind} channel")


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN, "change channel")
def edit_channel(request: HttpRequest, number: int) -> HttpResponse:
    channel = get_object_or_404(Channel, pk=number)
    form = ChannelForm(request.POST or None, instance=channel, kind=channel.kind)
    return _channel_form(request, form, channel.name)


def _channel_form(request: HttpRequest, form: ChannelForm, title: str) -> HttpResponse:
    status = 200
    if request.method == "POST":
        if form.is_valid():
            return _save_channel(request, form)
        status = 422
    channel = form.instance
    last = channel.notices.exclude(attempts=0).order_by("-id").first() if channel.pk else None
    return render(
        request,
        "pages/alerts/channel.html",
        _shell(title, form=form, channel=channel, last=last),
        status=status,
    )


def _save_channel(request: HttpRequest, form: ChannelForm) -> HttpResponse:
    channel = changes.save_channel(form, actor_of(request))
    messages.success(request, f"The channel “{channel.name}” is saved. Send a test to see that it arrives.")
    return redirect("alert-channel", number=channel.pk)


@require_POST
@needs(Role.ADMIN, "delete channel")
def delete_channel(request: HttpRequest, number: int) -> HttpResponse:
    channel = get_object_or_404(Channel, pk=number)
    changes.delete_channel(channel, actor_of(request))
    messages.success(request, f"The channel “{channel.name}” is deleted.")
    return redirect("alerts")


@require_POST
@needs(Role.ADMIN, "test channel")
def try_channel(request: HttpRequest, number: int) -> HttpResponse:
    """Send a test now, and show exactly what was sent and what came back."""
    channel = get_object_or_404(Channel, pk=number)
    sent, answer = changes.try_channel(channel, actor_of(request))
    sent_text = json.dumps(sent, indent=2, ensure_ascii=False)
    shell = _shell(f"Test of {channel.name}", channel=channel, answer=answer, sent_text=sent_text)
    return render(request, "pages/alerts/test.html", shell)
