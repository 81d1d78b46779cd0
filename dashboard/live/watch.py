"""One page that somebody looks at: drawn once a second, whatever the number of browsers.

A full frame carries every part and the charts' whole windows; a delta only the parts that changed and the new
points. Every frame has a sequence number, and a delta names the one that it builds on (`prev`), so a browser
notices a gap. A frame is JSON, gzipped once for all browsers: a tenth of the bytes to send to each of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import orjson

from dashboard.pages.frame import draw, series
from dashboard.pages.moments import Gone, Moment
from dashboard.pages.page import Address, Page

from .mailbox import Mailbox

GZIP, FASTEST = zlib.MAX_WBITS | 16, 1
"""Of zlib: the format, and the level; a millisecond for the largest page."""


class Watch:
    """The browsers that look at one page, and what they were sent last."""

    def __init__(self, key: str, page: Page, address: Address):
        self.key = key
        self.mailboxes: set[Mailbox] = set()
        self._page = page
        self._address = address
        self._seq = 0
        self._html: dict[str, str] = {}
        self._drawn: Moment | None = None
        self._full: bytes | None = None  # of the moment drawn last

    @property
    def measured(self) -> bool:
        return self._page.measured

    def wants(self, moment: Moment) -> bool:
        """Whether this moment is new here, or a browser came or lost its thread since it was drawn."""
        return self._is_new(moment) or any(box.owed for box in self.mailboxes)

    def draw(self, moment: Moment) -> Callable[[], None]:
        """Draw the page and give back what puts it into the mailboxes.

        Draws in a worker thread, one call at a time for each page; the delivery belongs on the event loop.
        """
        is_new = self._is_new(moment)
        needs_full = any(box.owed or (is_new and box.occupied) for box in self.mailboxes)
        try:
            delta = self._delta(moment) if is_new else None
            if needs_full and self._full is None:
                self._full = self._whole(moment)
        except Gone as gone:
            delta = self._full = self._frame(moment, gone=str(gone), full=True)
        full = self._full
        return lambda: self._deliver(delta, full)

    def _is_new(self, moment: Moment) -> bool:
        return self._drawn is None or moment.as_of_ms != self._drawn.as_of_ms

    def _delta(self, moment: Moment) -> bytes:
        since_ms = self._drawn.as_of_ms if self._drawn else moment.as_of_ms
        self._drawn, self._full = moment, None
        html = draw(self._page, moment, self._address)
        points = series(self._page, moment, self._address, since_ms)
        changed = {part: text for part, text in html.items() if self._html.get(part) != text}
        self._html, self._seq = html, self._seq + 1
        return self._frame(moment, prev=self._seq - 1, html=changed, series=points)

    def _whole(self, moment: Moment) -> bytes:
        points = series(self._page, moment, self._address)
        return self._frame(moment, full=True, html=self._html, series=points)

    def _frame(self, moment: Moment, **content: Any) -> bytes:
        frame = {"key": self.key, "seq": self._seq, "as_of": moment.as_of_ms, **content}
        return zlib.compress(orjson.dumps(frame), FASTEST, GZIP)

    def _deliver(self, delta: bytes | None, full: bytes | None) -> None:
        for mailbox in self.mailboxes:
            if not mailbox.owed and (delta is None or not mailbox.occupied):
                if delta is not None:
                    mailbox.put(delta)
            elif full is not None:
                mailbox.put(full)
                mailbox.owed = False
            else:
                mailbox.owed = True  # came or fell behind while we drew: a full frame next time
