"""What a topic's `schema.validation` does to a record that is about to be sent.

off      nothing is looked at
warn     a record that does not fit is sent all the same, and said so in the log, at most once a second a topic
reject   send() raises SchemaValidationError
"""

from __future__ import annotations

import logging
from enum import StrEnum

from ..clock import SYSTEM_CLOCK
from ..connection import Connection
from ..errors import StreamlabError
from .registry import SchemaRegistry
from .validator import Validator

log = logging.getLogger("streamlab.schemas")

WARN_EVERY_S = 1.0


class Policy(StrEnum):
    OFF = "off"
    WARN = "warn"
    REJECT = "reject"


class Enforcer:
    """The policy of one topic, for one producer."""

    def __init__(self, validator: Validator, topic: str, policy: Policy):
        self.policy = policy
        self.warned = 0  # records that were sent although they do not fit
        self._topic = topic
        self._validator = validator
        self._quiet_until = float("-inf")

    def __call__(self, value: bytes | None) -> None:
        """With `reject` raises SchemaValidationError, and StreamlabError when the registry cannot be asked."""
        try:
            self._validator.check(self._topic, value)
        except StreamlabError as error:  # that the registry cannot be asked is one of them
            if self.policy is Policy.REJECT:
                raise
            self.warned += 1
            self._warn(error)

    def _warn(self, error: StreamlabError) -> None:
        now = SYSTEM_CLOCK.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + WARN_EVERY_S
            log.warning("A record sent to %s breaks its schema: %s", self._topic, error)


class Enforcement:
    """The policies of all topics that one producer sends to. What it knows of the registry serves all of them."""

    def __init__(self, connection: Connection):
        self._validator = Validator(SchemaRegistry(connection))

    def of(self, topic: str, policy: str) -> Enforcer:
        return Enforcer(self._validator, topic, Policy(policy))
