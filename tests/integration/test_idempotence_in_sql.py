"""The note of an event and its effect stand in one transaction."""

from __future__ import annotations

import ast
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections
from django.utils import timezone

from dashboard.idempotence.models import Processed
from dashboard.idempotence.once import forget, once

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_the_effect_of_an_event_happens_once():
    for _ in range(3):
        with once("billing", "e1") as first:
            if first:
                Group.objects.create(name="invoice")
    assert Group.objects.filter(name="invoice").count() == 1


@pytest.mark.django_db
def test_another_consumer_has_its_own_notes():
    answers = []
    for consumer in ("billing", "mail", "billing"):
        with once(consumer, "e1") as first:
            answers.append(first)
    assert answers == [True, True, False]


@pytest.mark.django_db(transaction=True)
def test_an_effect_that_fails_takes_its_note_with_it():
    with pytest.raises(ZeroDivisionError), once("billing", "e1"):
        Group.objects.create(name="invoice")
        _ = 1 // 0
    assert (Group.objects.filter(name="invoice").count(), Processed.objects.count()) == (0, 0)
    with once("billing", "e1") as first:
        assert first


@pytest.mark.django_db(transaction=True)
def test_old_notes_are_forgotten_and_young_ones_kept():
    now = timezone.now()
    Processed.objects.bulk_create(
        Processed(consumer="billing", event_id=str(n), at=now - timedelta(days=n)) for n in range(20)
    )
    assert forget(timedelta(days=9, hours=1)) == 10
    assert Processed.objects.count() == 10


def test_the_app_needs_nothing_of_the_dashboard():
    for path in (ROOT / "dashboard" / "idempotence").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").partition(".")[0] in {
                    "django",
                    "__future__",
                    "collections",
                    "contextlib",
                    "datetime",
                }


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["after the note", "after the effect"])
def test_killed_inside_neither_note_nor_effect_is_there(tmp_path, moment):
    environment = os.environ | {"STREAMLAB_VAR": str(tmp_path), "DATABASE_URL": ""}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
    script = f"""
        import os, signal, django
        django.setup()
        from django.contrib.auth.models import Group
        from dashboard.idempotence.once import once
        with once("billing", "e1"):
            if {moment!r} == "after the effect":
                Group.objects.create(name="invoice")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    environment["DJANGO_SETTINGS_MODULE"] = "dashboard.config.settings"
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, env=environment, check=False
    )
    assert process.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(tmp_path / "streamlab.sqlite3")) as database:
        for table in ("idempotence_processed", "auth_group WHERE name = 'invoice'"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_who_comes_second_waits_and_hears_that_it_is_done():
    import threading

    inside, go, answers = threading.Event(), threading.Event(), []

    def handle(slow: bool) -> None:
        try:
            with once("billing", "e1") as first:
                if slow:
                    inside.set()
                    go.wait(60)
                answers.append(first)
        finally:
            connections.close_all()

    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("one connection shared by all threads: nobody could come second")
    one, other = (threading.Thread(target=handle, args=[slow]) for slow in (True, False))
    one.start()
    assert inside.wait(30)
    other.start()
    go.set()
    one.join(30)
    other.join(30)
    assert sorted(answers) == [False, True]
