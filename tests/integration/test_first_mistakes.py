"""What a new user gets wrong is one sentence and exit 1, never a traceback, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.streamlab_up import free_port

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("STREAMLAB_URL", "REDIS_URL", "STREAMLAB_VAR", "PORT")


def run(
    *command: str, cwd: Path = ROOT, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in PLACES}
    return subprocess.run(
        command,
        cwd=cwd,
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def streamlab(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "streamlab", *arguments, cwd=cwd, stdin=stdin)


# The port


@pytest.mark.parametrize("port", ["abc", "0", "-1", "99999"])
def test_a_port_that_is_none_is_refused_before_anything_is_installed(port: str) -> None:
    done = run("make", "port", PORT=port)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == f"{port} is no port; it must be between 1 and 65535."


def test_without_a_port_there_is_nothing_to_refuse() -> None:
    assert run("make", "port").returncode == run("make", "port", PORT="").returncode == 0


@pytest.mark.parametrize("port", ["abc", "0", "99999"])
def test_the_supervisor_refuses_it_too(port: str, tmp_path: Path) -> None:
    done = run(sys.executable, "manage.py", "up", STREAMLAB_VAR=str(tmp_path / "var"), PORT=port)
    assert (done.returncode, done.stderr) == (1, f"{port} is no port; it must be between 1 and 65535.\n")


# The Python


def test_a_python_without_django_is_told_where_the_right_one_is() -> None:
    done = run(sys.executable, "-I", "-S", "manage.py", "up", "--demo")
    assert done.returncode == 1
    assert done.stderr == (
        "This Python has no Django; use .venv/bin/python manage.py up --demo (make setup makes .venv).\n"
    )


def test_ctrl_c_during_the_imports_ends_quietly(tmp_path: Path) -> None:
    (tmp_path / "django.py").write_text("raise KeyboardInterrupt")  # as if it came just then
    done = run(sys.executable, "manage.py", "up", PYTHONPATH=str(tmp_path), PYTHONSAFEPATH="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Stopping.\n", "")


# The server


@pytest.mark.parametrize("name", ["STREAMLAB_URL", "REDIS_URL"])
def test_a_url_where_nothing_answers_stops_the_start(name: str, tmp_path: Path) -> None:
    var = str(tmp_path / "var")
    done = run(
        sys.executable, "manage.py", "up", "--port", str(free_port()),
        STREAMLAB_VAR=var, **{name: f"redis://127.0.0.1:{free_port()}/0"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name} leads nowhere: The server cannot be reached")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command", ["topics", "groups", "streams", "doctor", "consume orders", "shop status"]
)
def test_who_only_looks_starts_no_server(command: str, tmp_path: Path) -> None:
    done = streamlab(*command.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "streamlab: No server runs here: start `make demo`, or set STREAMLAB_URL.\n"
    assert list(tmp_path.iterdir()) == []


def test_who_writes_may_start_one_and_is_told_and_its_records_can_be_read(tmp_path: Path) -> None:
    sent = streamlab("produce", "notes", cwd=tmp_path, stdin="one\n")
    assert sent.returncode == 0
    assert sent.stderr.splitlines()[0] == (
        f"Streamlab started a server of its own in {tmp_path}/var/redis; set STREAMLAB_URL for another one."
    )
    assert streamlab("topics", cwd=tmp_path).stdout.splitlines()[1].startswith("notes")
