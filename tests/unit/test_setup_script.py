"""`scripts/setup` says in one sentence what is missing, and knows when there is nothing to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without a .venv."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def setup(checkout: Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "scripts/setup", "runtime"],
        cwd=checkout,
        env={**os.environ, "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def a_python(checkout: Path, script: str) -> str:
    path = checkout / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_an_old_python_is_one_sentence(checkout: Path) -> None:
    python = a_python(checkout, "exit 1")  # what Python 3.10 says when asked whether it is 3.11
    done = setup(checkout, python)
    assert done.returncode == 1
    assert done.stderr == (
        f"Streamlab needs Python 3.11 or newer, and {python} is not (PYTHON=/path/to/python chooses another).\n"
    )


def test_a_python_without_venv_is_one_sentence(checkout: Path) -> None:
    done = setup(checkout, a_python(checkout, 'case "$*" in *ensurepip*) exit 1;; esac; exit 0'))
    assert done.returncode == 1
    assert done.stderr == (
        "Python's venv module is missing; install it first (on Debian: apt-get install python3-venv).\n"
    )


def a_virtual_environment(checkout: Path, script: str = "exit 0") -> None:
    """A .venv whose Python is content with everything, so that nothing is downloaded."""
    (checkout / ".venv/bin").mkdir(parents=True)
    shutil.copy(a_python(checkout, script), checkout / ".venv/bin/python")


def test_it_stops_where_its_own_directory_is_not(checkout: Path) -> None:
    done = subprocess.run(
        ["sh", "-s"], cwd=checkout, input=(ROOT / "scripts/setup").read_text(), capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "scripts/setup does not find its own directory; run it as: sh scripts/setup\n"
    assert not (checkout.parent / ".venv").exists()


def test_it_needs_no_dirname(checkout: Path) -> None:
    a_virtual_environment(checkout)
    done = subprocess.run(
        ["/bin/sh", str(checkout / "scripts/setup"), "nothing"],
        cwd="/",
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == "scripts/setup knows runtime and dev, not nothing.\n"


def test_what_is_installed_is_installed_once(checkout: Path) -> None:
    a_virtual_environment(checkout)
    assert setup(checkout, "python3").stdout == "Installing requirements.txt\n"
    again = setup(checkout, "python3")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_changed_requirement_is_installed(checkout: Path) -> None:
    a_virtual_environment(checkout)
    setup(checkout, "python3")
    with (checkout / "requirements.txt").open("a") as requirements:
        requirements.write("another==1.0\n")
    assert setup(checkout, "python3").stdout == "Installing requirements.txt\n"


def test_an_interrupted_installation_is_taken_up_again(checkout: Path) -> None:
    a_virtual_environment(checkout, 'case "$*" in *" install "*) kill -9 $PPID;; esac; exit 0')
    assert setup(checkout, "python3").returncode != 0
    shutil.copy(a_python(checkout, "exit 0"), checkout / ".venv/bin/python")
    assert setup(checkout, "python3").stdout == "Installing requirements.txt\n"
