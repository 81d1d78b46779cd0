"""One page that somebody looks at: drawn once a second, whatever the number of browsers.

A full frame carries every part and the charts' 15 minutes; a delta only the parts that changed and the new
points. Every frame has a sequence number, and a delta names the one that it builds on (`prev`), so a browser
notices a gap.
"""

from __future__ import annotations

from typing import Any

import orjson

from dashboard.pages.frame import draw, series
from dashboard.pages.moments import Gone, Moment
from dashboard.pages.page import Address, Page

from .mailbox import Mailbox


class Watch:
    """The browsers that look at one page, and what they were sent last."""

    def __init__(self, key: str, page: Page, address: Address):
        self.key = key
        self.mailboxes: set[Mailbox] = set()
        self._page = page
        self._address = address
        self._seq = 0
        self._html: dict[str, str] = {}
        self._as_of_ms = 0
        self._points_to_ms: dict[str, int] = {}

    @property
    def owed(self) -> bool:
        """Whether a browser came, or lost its thread, since the last drawing."""
        return any(box.owed for box in self.mailboxes)

    def render(self, moment: Moment, needs_full: bool) -> Rendered:
        """Draw the page. Runs in a worker thread, one call at a time for each page."""
        try:
            html = draw(self._page, moment, self._address)
            new = series(self._page, moment, self._address, self._as_of_ms or moment.as_of_ms - 1)
            full = series(self._page, moment, self._address, moment.window_start_ms) if needs_full else None
        except Gone as gone:
            farewell = self._next(moment, gone=str(gone), full=True)
            return Rendered(farewell, farewell)
        changed = {part: text for part, text in html.items() if self._html.get(part) != text}
        previous, frame = self._seq, self._next(moment, html=changed, series=new)
        frame["prev"] = previous
        whole = None if full is None else {**frame, "full": True, "html": html, "series": full}
        self._html, self._as_of_ms = html, moment.as_of_ms
        return Rendered(frame, whole)

    def _next(self, moment: Moment, **content: Any) -> dict[str, Any]:
        self._seq += 1
        return {"key": self.key, "seq": self._seq, "as_of": moment.as_of_ms, **content}


class Rendered:
    """A delta and, where somebody needs it, a full frame; each turned into text at most once."""

    def __init__(self, delta: dict[str, Any], full: dict[str, Any] | None):
        self.delta = orjson.dumps(delta).decode()
        self.full = None if full is None else orjson.dumps(full).decode()

    def text_for(self, mailbox: Mailbox) -> str | None:
        """What this browser can build on; None when only a full frame would do and none was drawn."""
        if not mailbox.owed and not mailbox.occupied:
            return self.delta
        return self.full
