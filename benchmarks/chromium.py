"""A browser to look with: Debian's, the one that CHROMIUM names, or Playwright's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """Running until the end of the block; None: there is none on this machine."""
    with sync_playwright() as playwright:
        if Path(CHROMIUM).exists():
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        elif Path(playwright.chromium.executable_path).exists():
            browser = playwright.chromium.launch(args=FLAGS)
        else:
            yield None
            return
        try:
            yield browser
        finally:
            browser.close()
