"""How far the topic of events was applied. Written in the transaction that writes the rows."""

from __future__ import annotations

from django.db import models


class Ledger(models.Model):
    """One row, locked by every transaction that writes projections, so that there is one writer at a time."""

    THE_ONE = 1

    topic_created_ms = models.BigIntegerField(null=True)  # which topic was applied; NULL: none yet
    applied = models.BigIntegerField(default=0)  # events, since the tables were last empty
    unreadable = models.BigIntegerField(default=0)  # records that are no events, or could not be applied
    rebuilt_ms = models.BigIntegerField(null=True)  # when the tables were last emptied to be made again
    rebuild_until = models.JSONField(default=dict)  # partition -> offset at which that is done; {}: it is

    def __str__(self) -> str:
        return f"{self.applied} events applied"


class Position(models.Model):
    """The next offset of one partition that is to be applied."""

    partition = models.IntegerField(unique=True)
    offset = models.BigIntegerField(default=0)
    event_ms = models.BigIntegerField(null=True)  # time of the newest event applied

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"
