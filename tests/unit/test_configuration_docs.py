"""docs/configuration.md names every setting with its default, every ignored one, and every environment variable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamlab.config import BROKER, CONSUMER, GROUP, IGNORED, PRODUCER, RETRY, TOPIC
from streamlab.configs.settings import LIVE_CONSUMER, LIVE_PRODUCER
from streamlab.groups.assignors import ASSIGNORS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \|", TEXT, re.MULTILINE))
VARIABLES = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
SETTINGS = CONSUMER | PRODUCER | TOPIC | GROUP | BROKER
LIVE = dict(
    re.findall(r"^\| `([a-z_]+)` \| ((?:producers|consumers|workers)[a-z, ]*) \|", TEXT, re.MULTILINE)
)


def written(default: object) -> str:
    return f'"{default}"' if isinstance(default, str) else str(default)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_stands_there_with_the_default_that_is_in_force(name):
    assert ROWS.get(name) == written(SETTINGS[name].default)


def test_no_setting_is_described_that_does_not_exist():
    assert set(ROWS) - set(SETTINGS) == set()


def test_the_table_of_what_can_change_while_clients_run_is_the_codes():
    assert {name for name, of in LIVE.items() if "producers" in of} == LIVE_PRODUCER
    assert {name for name, of in LIVE.items() if "consumers" in of} == LIVE_CONSUMER
    assert {name for name, of in LIVE.items() if "workers" in of} == RETRY.keys()


def test_the_assignors_that_a_group_can_have_are_those_that_there_are():
    assert {choice for choice in GROUP["assignor"].choices if choice} == ASSIGNORS.keys()


def test_every_setting_that_is_ignored_is_listed_as_ignored():
    listed = set(re.findall(r"`([a-z0-9_]+)`", TEXT.split("## Accepted and ignored")[1]))
    assert listed == IGNORED


def test_every_variable_of_the_example_file_is_described():
    offered = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert len(offered) > 10
    assert offered - VARIABLES == set()


def test_every_variable_described_is_read_somewhere():
    places = [*ROOT.glob("dashboard/**/*.py"), *ROOT.glob("streamlab/**/*.py"), *ROOT.glob("tests/*.py")]
    places += [ROOT / "docker-compose.yml", ROOT / "Makefile"]
    code = "\n".join(place.read_text() for place in places)
    assert [name for name in sorted(VARIABLES) if name not in code] == []
