"""Holes in a chart: the line breaks there, and the area below it too."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

GAPS = Path(__file__).parents[2] / "static" / "js" / "gaps.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="runs a module of the pages, which takes node")


def outline(times_ms: list[int], values: list[float | None]) -> list[tuple[int, float]]:
    column = json.dumps({"t": times_ms, "y": values})
    # Read as text, the module needs no package.json beside it that says what it is.
    source = GAPS.read_text() + f"console.log(JSON.stringify(outline({column})))"
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-e", source],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    area = json.loads(done.stdout)
    return list(zip(area["x"], area["y"], strict=True))


def test_an_area_goes_down_to_zero_on_both_sides_of_a_hole():
    assert outline([0, 1_000, 60_000, 61_000], [5, 6, 7, 8]) == [
        (0, 0), (0, 5), (1_000, 6), (1_000, 0),
        (60_000, 0), (60_000, 7), (61_000, 8), (61_000, 0),
    ]  # fmt: skip


def test_an_unknown_value_is_a_hole_too():
    assert outline([0, 1_000, 2_000], [5, None, 7]) == [
        (0, 0),
        (0, 5),
        (0, 0),
        (2_000, 0),
        (2_000, 7),
        (2_000, 0),
    ]


def test_a_line_without_a_hole_has_one_area():
    assert outline([0, 1_000], [5, 6]) == [(0, 0), (0, 5), (1_000, 6), (1_000, 0)]


def test_nothing_has_no_area():
    assert outline([], []) == []
