"""Where a load's files are: the folder `lab` in STREAMLAB_VAR, and the samples that Streamlab brings along."""

from __future__ import annotations

import os
from pathlib import Path

from ..rows import SourceError

SAMPLES = Path(__file__).parent.parent / "scenarios" / "samples"


def own_folder() -> Path:
    return Path(os.environ.get("STREAMLAB_VAR") or "var").absolute() / "lab"


def path_of(name: str) -> Path:
    """Raises SourceError when there is no such file, and for names that would lead out of the folder."""
    for folder in (own_folder(), SAMPLES):
        path = folder / name
        if path.is_file() and path.resolve().parent == folder.resolve():
            return path
    raise SourceError(f"There is no file {name!r} for a load. Put it into {own_folder()}.")


def names() -> list[str]:
    """Every file that a load can play."""
    found: set[str] = set()
    for folder in (own_folder(), SAMPLES):
        if folder.is_dir():
            found |= {p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")}
    return sorted(found)
