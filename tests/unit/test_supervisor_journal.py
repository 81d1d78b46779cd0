"""What a part says goes into its file whole; the terminal sees what matters, and never a flood."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dashboard.supervisor import journal as journals
from dashboard.supervisor.guardian import read_groups
from dashboard.supervisor.journal import Journal, Terminal


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def journal(tmp_path: Path, screen: io.StringIO) -> Journal:
    return Journal("web", tmp_path, Terminal(screen))


def test_everything_goes_into_the_file_and_only_what_matters_to_the_terminal(
    journal: Journal, screen: io.StringIO
) -> None:
    journal.feed(b"INFO started\nERROR no connection\n")
    assert journal.path.read_text() == "INFO started\nERROR no connection\n"
    assert screen.getvalue() == "web      | ERROR no connection\n"


def test_pages_not_found_and_tracebacks_are_for_the_file_only(journal: Journal, screen: io.StringIO) -> None:
    said = (
        b"2026-01-01 00:00:00 WARNING django.request: Not Found: /favicon.ico\n"
        b"2026-01-01 00:00:00 WARNING py.warnings: /x.py:1: CPendingDeprecationWarning: \n"
        b"Traceback (most recent call last):\n"
        b"redis.exceptions.ConnectionError: Connection closed by server.\n"
    )
    journal.feed(said)
    assert screen.getvalue() == ""
    assert journal.path.read_bytes() == said


def test_a_line_that_arrives_in_pieces_is_one_line(journal: Journal, screen: io.StringIO) -> None:
    journal.feed(b"ERR")
    assert screen.getvalue() == ""
    journal.feed(b"OR late\n")
    assert screen.getvalue() == "web      | ERROR late\n"


def test_a_flood_is_cut_with_a_pointer_to_the_file(journal: Journal, screen: io.StringIO) -> None:
    journal.feed(b"ERROR again\n" * 100)
    lines = screen.getvalue().splitlines()
    assert lines[:-1] == ["web      | ERROR again"] * 5
    assert lines[-1] == f"web      | more in {journal.path}"
    assert journal.path.read_text().count("again") == 100


def test_a_terminal_that_has_gone_stops_nothing(tmp_path: Path) -> None:
    gone = io.StringIO()
    gone.close()
    journal = Journal("web", tmp_path, Terminal(gone))
    journal.feed(b"ERROR nobody sees this\n")
    assert "nobody" in journal.path.read_text()


def test_a_large_file_makes_way_for_a_new_one(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_LARGEST_FILE", 100)
    journal.feed(b"old " * 50 + b"\n")
    journal.feed(b"new\n")
    assert journal.path.read_text() == "new\n"
    assert "old" in journal.path.with_suffix(".log.1").read_text()


def test_the_guardian_knows_which_groups_are_left() -> None:
    assert read_groups(io.StringIO("+10\n+11\n+12\n-11\n-99\n")) == {10, 12}
