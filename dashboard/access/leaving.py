"""What lets somebody in, and what ends with them: API tokens, sessions and sign-in links that are not used yet."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone

from dashboard.access import api_token
from dashboard.access.models import ApiToken, SigninLink, User
from dashboard.presenters.words import listed, plural


@dataclass(frozen=True)
class Held:
    """What somebody has, or had until it was ended."""

    tokens: list[ApiToken]  # neither revoked nor expired, with those that they made
    sessions: list[str]  # keys of those that have not expired
    links: list[int]  # numbers of sign-in links that would still open

    @property
    def words(self) -> str:
        """'3 tokens, 2 sessions and 1 sign-in link'; "" for nothing."""
        counts = (
            (len(self.tokens), "token"),
            (len(self.sessions), "session"),
            (len(self.links), "sign-in link"),
        )
        return listed([plural(n, noun) for n, noun in counts if n])

    @property
    def ended(self) -> str:
        """'Ended 3 tokens and 1 session'; "" for nothing."""
        return f"Ended {self.words}" if self.words else ""


def held_by(user: User) -> Held:
    """Of somebody who is deactivated too: what would open something again if they were activated."""
    return _held(user, api_token.ending_with(*_tokens(user)))


def end_all(user: User) -> Held:
    """End for good what lets them in; what that was. Within the transaction of who calls."""
    held = _held(user, api_token.revoke(*_tokens(user)))
    Session.objects.filter(pk__in=held.sessions).delete()
    SigninLink.objects.filter(pk__in=held.links).delete()
    return held


def _tokens(user: User) -> list[ApiToken]:
    return list(ApiToken.objects.filter(api_token.alive(), owner=user))


def _held(user: User, tokens: list[ApiToken]) -> Held:
    links = SigninLink.objects.filter(user=user, used_at=None, expires_at__gt=timezone.now())
    return Held(tokens, _sessions(user), list(links.values_list("pk", flat=True)))


def _sessions(user: User) -> list[str]:
    """Whose a session is stands inside it only, so all that have not expired are read."""
    lasting = Session.objects.filter(expire_date__gt=timezone.now())
    return [
        one.session_key for one in lasting.iterator() if one.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
