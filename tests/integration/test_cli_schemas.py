"""`streamlab schemas`, run in this process: what it does is the same, and starts at once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streamlab.cli import main

V1 = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
V2 = {**V1, "fields": [*V1["fields"], {"name": "note", "type": "string", "default": ""}]}
BROKEN = {**V1, "fields": [{"name": "id", "type": "string"}]}


class Done(NamedTuple):
    stdout: str
    stderr: str
    returncode: int


Run = Callable[..., Done]


@pytest.fixture
def shell(redis_url: str, tmp_path: Path, monkeypatch: Any, capsys: Any) -> Run:
    for name, tree in (("v1", V1), ("v2", V2), ("broken", BROKEN)):
        (tmp_path / f"{name}.avsc").write_text(json.dumps(tree))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMLAB_URL", redis_url)

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        return Done(said.out, said.err, int(ended.value.code or 0))

    return run


def test_a_schema_is_registered_shown_and_listed(shell):
    assert (
        shell("schemas", "register", "orders-value", "v1.avsc").stderr == "orders-value version 1 has id 1.\n"
    )
    done = shell("schemas", "register", "orders-value", "-", "--json", stdin=json.dumps(V2))
    assert json.loads(done.stdout)["version"] == 2
    shown = shell("schemas", "show", "orders-value", "--version", "1")
    assert json.loads(shown.stdout) == V1 and "version 1, id 1, AVRO" in shown.stderr
    listed = shell("schemas").stdout.splitlines()
    assert listed[0].split() == ["SUBJECT", "TYPE", "VERSIONS", "LATEST", "ID", "LEVEL", "REGISTERED"]
    assert listed[1].split()[:6] == ["orders-value", "AVRO", "2", "2", "2", "BACKWARD"]
    (row,) = [json.loads(line) for line in shell("schemas", "list", "--json").stdout.splitlines()]
    assert row["versions"] == [1, 2]


def test_a_check_names_every_reason_and_fails(shell):
    shell("schemas", "register", "orders-value", "v1.avsc")
    assert shell("schemas", "check", "orders-value", "v2.avsc").returncode == 0
    refused = shell("schemas", "check", "orders-value", "broken.avsc", "--json")
    assert refused.returncode == 1
    answer = json.loads(refused.stdout)
    assert answer["incompatibilities"][0]["path"] == "/fields/0/type"
    assert "TYPE_MISMATCH" in shell("schemas", "check", "orders-value", "broken.avsc").stdout
    failed = shell("schemas", "register", "orders-value", "broken.avsc")
    assert failed.returncode == 1 and "/fields/0/type" in failed.stderr


def test_levels_are_shown_and_set(shell):
    shell("schemas", "register", "orders-value", "v1.avsc")
    assert json.loads(shell("schemas", "config", "--json").stdout)["level"] == "BACKWARD"
    shell("schemas", "config", "orders-value", "--level", "none")
    assert shell("schemas", "register", "orders-value", "broken.avsc").returncode == 0
    back = shell("schemas", "config", "orders-value", "--level", "default", "--json")
    assert json.loads(back.stdout)["level"] == "BACKWARD"
    wrong = shell("schemas", "config", "--level", "sometimes")
    assert wrong.returncode == 2 and "FULL_TRANSITIVE" in wrong.stderr


def test_deleting_asks_and_is_soft_first(shell):
    shell("schemas", "register", "orders-value", "v1.avsc")
    assert shell("schemas", "delete", "orders-value", stdin="n\n").returncode == 1
    assert shell("schemas", "delete", "orders-value", "--permanent", "--yes").returncode == 1
    assert shell("schemas", "delete", "orders-value", "--yes").returncode == 0
    assert shell("schemas", "list", "--json").stdout == ""
    assert json.loads(shell("schemas", "list", "--deleted", "--json").stdout)["deleted"] is True
    assert shell("schemas", "delete", "orders-value", "--permanent", "--yes").returncode == 0
    assert shell("schemas", "list", "--deleted", "--json").stdout == ""
