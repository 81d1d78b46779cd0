"""What every browser test asks of a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

AXE = (Path(__file__).resolve().parents[1] / "vendor/axe/axe.min.js").read_text()


def live(page: Page) -> Page:
    """The page, once it is fed."""
    expect(page.locator("#connection")).to_have_text("Live")
    return page


def serious_violations(page: Page) -> list[str]:
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(AXE)
    result = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
