"""People, and the links that let them in once."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


class User(AbstractUser):
    """A person. Our own model from the first migration on, since it can't be swapped in later."""

    class Meta:
        verbose_name = "user"


class SigninLink(models.Model):
    """A link that signs one person in once. Only the token's hash is kept: reading it opens nothing."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="signin_links")
    token_hash = models.CharField(max_length=64, unique=True)  # hex SHA-256 of the token
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)  # None: not used yet

    def __str__(self) -> str:
        return f"sign-in link for {self.user} until {self.expires_at:%Y-%m-%d %H:%M:%S}"


class ApiToken(models.Model):
    """What a program shows instead of a person's session. Only the hash is kept: the token is shown once."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)  # what it is for, in the owner's words
    prefix = models.CharField(max_length=16)  # how it begins, so that people know which one it is
    token_hash = models.CharField(max_length=64, unique=True)  # hex SHA-256 of the token
    scopes = models.JSONField(default=list)  # words of dashboard.access.scopes
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)  # None: never
    last_used_at = models.DateTimeField(null=True)  # to the minute; None: never used
    revoked_at = models.DateTimeField(null=True)  # None: in force
    # The token that asked the API for this one; None: a person made it, or a command.
    made_with = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="made")

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.owner}: {self.name}"

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()
