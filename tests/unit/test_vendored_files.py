"""What we serve from static/vendor is what its authors published, and its licence lies beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import plotly.offline
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = json.loads((ROOT / "static/vendor/vendor.json").read_text())
NOT_LISTED = {"static/vendor/vendor.json"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["name"])
def test_every_vendored_file_has_the_recorded_sum(package):
    for name, expected in package["files"].items():
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == expected, name


def test_no_vendored_file_is_missing_from_the_list():
    listed = {name for package in PACKAGES for name in package["files"]} | NOT_LISTED
    folders = (ROOT / "static/vendor", ROOT / "tests/vendor")
    present = {
        str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*") if path.is_file()
    }
    assert present == listed


def test_every_package_is_named_with_version_and_licence_in_the_notice():
    notice = (ROOT / "THIRD_PARTY.md").read_text()
    for package in PACKAGES:
        assert f"| {package['name']} | {package['version']} | {package['licence']} |" in notice


def test_the_charts_library_matches_the_python_package():
    [plotly_js] = [package for package in PACKAGES if package["name"].startswith("plotly")]
    assert plotly_js["version"] == plotly.offline.get_plotlyjs_version()
