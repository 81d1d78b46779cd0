"""What the README shows really runs, and what it points to is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text()
[EXAMPLE] = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run_example(directory: Path, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name != "STREAMLAB_URL"}
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLE],
        cwd=directory,
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_prints_what_the_readme_says_and_the_group_remembers(redis_url, tmp_path):
    assert run_example(tmp_path, STREAMLAB_URL=redis_url) == "0 0 b'world' b'hello'\n"
    assert run_example(tmp_path, STREAMLAB_URL=redis_url) == "0 1 b'world' b'hello'\n"


def test_the_example_needs_no_server_of_ones_own(tmp_path):
    var = str(tmp_path / "var")
    assert run_example(tmp_path, STREAMLAB_VAR=var) == "0 0 b'world' b'hello'\n"
    assert run_example(tmp_path, STREAMLAB_VAR=var) == "0 1 b'world' b'hello'\n"  # and its data stays


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_to_a_file_leads_nowhere(page):
    text = page.read_text()
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    files = [target for target in targets if not target.startswith(("http:", "https:"))]
    assert [target for target in files if not (page.parent / target).exists()] == []


def test_every_make_target_that_the_pages_name_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"(?:^|`)(?:[A-Z]+=\S+ )?make ([a-z-]+)", text, re.MULTILINE))
    assert {"demo", "test", "check", "bench"} <= named
    assert named - targets == set()


def test_every_decision_is_listed():
    listed = (ROOT / "docs" / "adr" / "README.md").read_text()
    decisions = sorted(ROOT.glob("docs/adr/0*.md"))
    assert len(decisions) >= 5
    assert [page.name for page in decisions if page.name not in listed] == []
