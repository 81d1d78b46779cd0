"""The broker core stands alone: it is usable with no web at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlab import keys

ROOT = Path(__file__).parent.parent
CORE = ROOT / "streamlab"
THE_WEB = {"django", "channels", "channels_redis", "celery", "plotly", "dashboard"}


def imports_of(path: Path) -> Iterator[str]:
    """The first name of everything that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_of_the_core_imports_the_web(path):
    assert not THE_WEB & set(imports_of(path))


def test_the_rule_would_notice_an_import_inside_a_function(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("def f():\n    from django.db import models\n")
    assert THE_WEB & set(imports_of(module)) == {"django"}


def test_every_key_that_is_written_anywhere_stands_in_the_table_of_keys():
    listed = set(re.findall(r"^sl:(?:\{[^}]*\}:)?([a-z-]+)", keys.__doc__ or "", re.MULTILINE))
    used = set()
    for path in [*CORE.rglob("*.py"), *CORE.rglob("*.lua")]:
        if path.name != "keys.py":
            used |= set(re.findall(r"""["']sl:([a-z-]+)""", path.read_text()))
    assert used <= listed
