"""The forms of rules and channels. A rule's form is one for each condition: it asks only for what means something."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from .channels.addresses import BadAddress, check_now, parsed
from .channels.mail import NOT_CONFIGURED
from .conditions import Condition, Side
from .models import Channel, ChannelKind, Rule, Severity
from .presets import Preset

DAY_S = 86_400
MOST_ADDRESSES = 20
LEAST_SECRET = 16


def proposed(condition: Condition, preset: Preset | None = None) -> dict[str, Any]:
    """What a new rule's form is filled in with."""
    plain = {
        "name": condition.title,
        "scope": "*",
        "threshold": condition.threshold,
        "clear_at": condition.clear_at,
        "statuses": list(condition.chosen),
        "window_s": 300,
        "for_s": condition.for_s,
        "clear_for_s": 60,
        "severity": Severity.WARNING,
        "enabled": True,
    }
    return {**plain, "name": preset.name, **preset.fields} if preset else plain


def _plain(value: float | None) -> float | int | None:
    """
    >>> _plain(300.0), _plain(0.5), _plain(None)
    (300, 0.5, None)
    """
    return int(value) if value is not None and float(value).is_integer() else value


def _reach() -> str:
    """Where a webhook may lead, in a sentence."""
    if settings.WEBHOOK_PRIVATE:
        return "It may lead to this machine and its network."
    return "It may not lead to this machine or its network, unless STREAMLAB_WEBHOOK_PRIVATE=1 is set."


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript when it runs
    statuses = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, label="When it is")

    class Meta:
        model = Rule
        fields = (
            "name", "scope", "statuses", "threshold", "clear_at", "window_s", "for_s", "clear_for_s", "severity",
            "channels", "enabled",
        )  # fmt: skip
        widgets = {"channels": forms.CheckboxSelectMultiple}  # noqa: RUF012 - Django reads it so

    def __init__(self, *args: Any, condition: Condition, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.condition = condition
        self.instance.condition = condition.name
        self._limits(condition)
        self._times(condition)
        self.fields["scope"].label = condition.scope or "Scope"
        self.fields["scope"].help_text = "Names with * and ?, separated by commas. * is all of them."
        if not condition.scope:
            del self.fields["scope"]
        self.fields["enabled"].label = "Switched on"
        channels = self.fields["channels"]
        channels.label, channels.required = "Tell", False
        channels.label_from_instance = lambda channel: channel.name  # type: ignore[attr-defined]
        if not Channel.objects.exists():
            channels.help_text = "There is no channel yet: alerts show on the page and nobody is told."

    def _limits(self, condition: Condition) -> None:
        words = condition.side is Side.WORDS
        if words and len(condition.words) > 1:
            self.fields["statuses"].choices = [(w, w) for w in condition.words]  # type: ignore[attr-defined]
        else:
            del self.fields["statuses"]
        if words:
            del self.fields["threshold"], self.fields["clear_at"]
            return
        for name in ("threshold", "clear_at"):
            self.initial[name] = _plain(self.initial.get(name))
        above = condition.side is Side.ABOVE
        threshold, clear_at = self.fields["threshold"], self.fields["clear_at"]
        threshold.label = f"{'More' if above else 'Fewer'} than, in {condition.unit}"
        threshold.required = True
        clear_at.label = f"Clears at, in {condition.unit}"
        clear_at.required = False
        clear_at.help_text = (
            f"At {'most' if above else 'least'} this. Empty: the same. A distance keeps it calm."
        )

    def _times(self, condition: Condition) -> None:
        self.fields["for_s"].label = "Holds for, in seconds, before it fires"
        self.fields["clear_for_s"].label = "Is calm for, in seconds, before it clears"
        for name in ("for_s", "clear_for_s"):
            self.fields[name] = forms.IntegerField(
                label=self.fields[name].label, min_value=0, max_value=DAY_S, initial=self.fields[name].initial
            )
        if condition.windowed:
            self.fields["window_s"] = forms.IntegerField(
                label="Within the last, in seconds", min_value=10, max_value=DAY_S
            )
        else:
            del self.fields["window_s"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        threshold, clear_at = given.get("threshold"), given.get("clear_at")
        sign = 1 if self.condition.side is Side.ABOVE else -1
        if threshold is not None and clear_at is not None and sign * clear_at > sign * threshold:
            side = "above" if self.condition.side is Side.ABOVE else "below"
            self.add_error("clear_at", f"It would clear {side} what fires it. Give at most the threshold.")
        return given

    def save(self, commit: bool = True) -> Rule:
        if self.condition.side is Side.WORDS and "statuses" not in self.fields:
            self.instance.statuses = list(self.condition.chosen)
        return super().save(commit)

    def as_rule(self) -> Rule:
        """The rule as it would be saved, for a preview. Only after `is_valid()`."""
        if self.condition.side is Side.WORDS and "statuses" not in self.fields:
            self.instance.statuses = list(self.condition.chosen)
        return self.instance


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript when it runs
    """Of a webhook or of e-mail. What is secret is never shown again: left empty, it stays as it is."""

    addresses = forms.CharField(
        label="Addresses", help_text=f"Separated by commas, {MOST_ADDRESSES} at most.", required=False
    )
    forget_secret = forms.BooleanField(label="Send without a signature from now on", required=False)

    class Meta:
        model = Channel
        fields = ("name", "url", "secret", "forget_secret", "addresses", "enabled")

    def __init__(self, *args: Any, kind: str, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.instance.kind = kind
        self.webhook = kind == ChannelKind.WEBHOOK
        self._old_url, self._old_secret = self.instance.url, self.instance.secret
        self.fields["enabled"].label = "Switched on"
        if self.webhook:
            del self.fields["addresses"]
            self._secrets()
        else:
            for name in ("url", "secret", "forget_secret"):
                del self.fields[name]
            self.initial["addresses"] = ", ".join(self.instance.addresses)
            if not settings.EMAIL_CONFIGURED:
                self.fields["addresses"].help_text += f" {NOT_CONFIGURED}"

    def _secrets(self) -> None:
        known = bool(self.instance.pk)
        url, secret = self.fields["url"], self.fields["secret"]
        url.label, url.required = "Address", not known
        secret.label, secret.required = "Signing secret", False
        secret.help_text = (
            f"Optional, {LEAST_SECRET} characters at least. Signs as Standard Webhooks do; not shown again."
        )
        url.help_text = f"Kept secret: only its host is shown afterwards. {_reach()}"
        self.initial["url"] = self.initial["secret"] = ""
        url.widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}
        secret.widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        if known:
            url.help_text = f"Now {self.instance.where} Leave it empty to keep it. {_reach()}"
        if self._old_secret:
            secret.help_text = f"There is one. Leave it empty to keep it. {secret.help_text}"
        else:
            del self.fields["forget_secret"]

    def clean_url(self) -> str:
        url = self.cleaned_data["url"].strip()
        if not url:
            return self._old_url
        try:
            parsed(url)
            check_now(url)
        except BadAddress as reason:
            raise forms.ValidationError(str(reason)) from None
        return url

    def clean_secret(self) -> str:
        secret: str = self.cleaned_data["secret"]
        if not secret:
            return self._old_secret
        if len(secret) < LEAST_SECRET:
            raise forms.ValidationError(f"At least {LEAST_SECRET} characters.")
        return secret

    def clean_addresses(self) -> list[str]:
        found = [word.strip() for word in self.cleaned_data["addresses"].split(",") if word.strip()]
        if not found:
            raise forms.ValidationError("Give one address at least.")
        if len(found) > MOST_ADDRESSES:
            raise forms.ValidationError(f"At most {MOST_ADDRESSES} addresses.")
        field = forms.EmailField()
        for address in found:
            try:
                field.clean(address)
            except forms.ValidationError:
                raise forms.ValidationError(f"{address} is no e-mail address.") from None
        return found

    def save(self, commit: bool = True) -> Channel:
        if self.cleaned_data.get("forget_secret"):
            self.instance.secret = ""
        return super().save(commit)
