"""docs/alerts.md names every condition, and what webhooks are sent is what it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django.utils import timezone

from dashboard.alerts.channels import signature
from dashboard.alerts.conditions import ALL
from dashboard.alerts.judge import Event
from dashboard.alerts.models import Firing
from dashboard.alerts.notices import MOST_IN_ONE, body

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "alerts.md").read_text()


def test_every_condition_has_its_line_and_every_line_a_condition():
    table = TEXT.partition("## What a rule can look for")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [condition.name for condition in ALL]


def test_what_is_sent_has_the_shape_that_is_shown():
    [shown] = re.findall(r"```json\n(.+?)```", TEXT, re.DOTALL)
    firing = Firing(
        rule_name="r", condition="c", subject="s", severity="info", opened_at=timezone.now(), opened_says="so"
    )
    sent = body("sl_1", "c", Event.OPENED, [firing])
    example = json.loads(shown)
    assert list(example) == list(sent) and list(example["alerts"][0]) == list(sent["alerts"][0])
    assert f"At most {MOST_IN_ONE} alerts" in TEXT


def test_every_header_that_is_signed_is_named():
    for name in signature.headers("secret", "sl_1", 1, b""):
        assert f"`{name}`" in TEXT
