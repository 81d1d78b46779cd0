"""The page of dependencies names exactly what is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
RUNTIME, DEVELOPMENT = (ROOT / "docs" / "dependencies.md").read_text().split("\n## To ")[1:]


def installed(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [re.split(r"[\[=]", line)[0] for line in lines if line and line[0] not in "#-"]


@pytest.mark.parametrize(
    ("page", "requirements"), [(RUNTIME, "requirements.txt"), (DEVELOPMENT, "requirements-dev.txt")]
)
def test_the_page_names_what_is_installed(page, requirements):
    named = [name for name in re.findall(r"^\| ([\w-]+) \|", page, re.MULTILINE) if name != "package"]
    assert sorted(named) == sorted(installed(requirements))


@pytest.mark.parametrize(
    "requirements", ["requirements.txt", "requirements-dev.txt", "requirements-postgres.txt"]
)
def test_every_package_is_pinned(requirements):
    lines = [line for line in (ROOT / requirements).read_text().splitlines() if line and line[0] not in "#-"]
    assert [line for line in lines if "==" not in line] == []
