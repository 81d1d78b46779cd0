"""Who may come in and as what, changed by an Admin. There is always an Admin left, and everything leaves a trail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Count, QuerySet

from dashboard.access import api_token, leaving, signin_link
from dashboard.access.leaving import Held
from dashboard.access.models import User
from dashboard.access.roles import Role, role_if_active, role_of
from dashboard.audit import trail
from dashboard.audit.trail import Actor


class NotPossible(Exception):
    """Raised when it would lock everybody out, or make no sense. Its text says why."""


def everybody() -> QuerySet[User]:
    """By name, each with `tokens`, how many of theirs are neither revoked nor expired."""
    tokens = Count("api_tokens", filter=api_token.alive("api_tokens__"))
    return User.objects.prefetch_related("groups").annotate(tokens=tokens).order_by("username")


def shown_role(user: User) -> str:
    """The role; of somebody who is deactivated the one that they would have; "" for none."""
    return role_if_active(user) or ""


@transaction.atomic
def add(name: str, role: Role, actor: Actor) -> User:
    """A person without a password: a sign-in link lets them in. Raises NotPossible when the name is taken."""
    _one_at_a_time()
    if _is_taken(name):
        raise NotPossible(f"There is somebody called {name} already.")
    user = User(username=name)
    user.set_unusable_password()
    user.save()
    _put_into(user, role)
    trail.record(actor, "person.added", name, role=role.value)
    return user


@transaction.atomic
def change_role(user: User, role: Role, actor: Actor) -> None:
    """Raises NotPossible when no Admin would be left."""
    _one_at_a_time(user)
    before = role_if_active(user)
    if before is role:
        return
    if role_of(user) is Role.ADMIN:
        _keep_an_admin_besides(user)
    if user.is_superuser:
        user.is_superuser = False
        user.save(update_fields=["is_superuser"])
    _put_into(user, role)
    trail.record(actor, "person.role", user.username, before=before and before.value, after=role.value)


@transaction.atomic
def set_active(user: User, active: bool, actor: Actor) -> Held | None:
    """What ended with it; None when they were so already. Raises NotPossible.

    Whom this ends is out at once, their sockets are told, and nothing that they had is ever theirs again: what slipped
    in behind a deactivation, such as a sign-in that was under way, ends when they are activated.
    """
    _one_at_a_time(user)
    if user.is_active == active:
        return None
    if not active:
        _may_be_deactivated(user, actor)
    user.is_active = active
    user.save(update_fields=["is_active"])
    held = leaving.end_all(user)
    for token in held.tokens:
        trail.record(actor, "token.revoked", str(token))
    trail.record(
        actor,
        "person.activated" if active else "person.deactivated",
        user.username,
        **_ended(held, " left from before" if active else ""),
    )
    return held


def what_ends(user: User, actor: Actor) -> Held:
    """With a deactivation, as things are. Raises NotPossible."""
    if not user.is_active:
        raise NotPossible(f"{user.username} is deactivated already.")
    _may_be_deactivated(user, actor)
    return leaving.held_by(user)


def new_link(user: User, actor: Actor) -> str:
    """The path of a fresh one-time sign-in link. Raises NotPossible."""
    if not user.is_active:
        raise NotPossible(f"{user.username} is deactivated.")
    token = signin_link.create(user)
    trail.record(actor, "person.link", user.username)
    return signin_link.path_of(token)


def _may_be_deactivated(user: User, actor: Actor) -> None:
    """Raises NotPossible."""
    if actor.user is not None and actor.user.pk == user.pk:
        raise NotPossible("Nobody can deactivate themselves.")
    if role_of(user) is Role.ADMIN:
        _keep_an_admin_besides(user)


def _ended(held: Held, which: str) -> dict[str, Any]:
    """For the trail; of somebody who had nothing, nothing."""
    if not held.words:
        return {}
    counts = {"tokens": len(held.tokens), "sessions": len(held.sessions), "links": len(held.links)}
    return {**counts, "effect": f"{held.ended}{which}."}


def _put_into(user: User, role: Role) -> None:
    user.groups.remove(*user.groups.filter(name__in=list(Role)))
    user.groups.add(Group.objects.get_or_create(name=role)[0])


def _one_at_a_time(user: User | None = None) -> None:
    """Until the transaction ends nobody else changes people. `user` becomes what it is by now: who asks may have read
    it before somebody else's change."""
    Group.objects.get_or_create(name=Role.ADMIN)
    Group.objects.select_for_update().get(name=Role.ADMIN)
    if user is not None:
        user.refresh_from_db(from_queryset=User.objects.select_for_update())


def _is_taken(name: str) -> bool:
    """Whether somebody's name reads the same: however it is written, and in whatever script, capitals or not."""
    wanted = User.normalize_username(name).casefold()
    names = User.objects.values_list("username", flat=True)
    return any(User.normalize_username(other).casefold() == wanted for other in names.iterator())


def _keep_an_admin_besides(user: User) -> None:
    """Of two who take the last two Admins away at once, the second is refused: `_one_at_a_time`."""
    others = User.objects.filter(is_active=True).exclude(pk=user.pk).prefetch_related("groups")
    if not any(role_of(other) is Role.ADMIN for other in others):
        raise NotPossible(f"{user.username} is the last Admin; make somebody else one first.")
