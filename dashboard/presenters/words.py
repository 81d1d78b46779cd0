"""Small pieces of English and the few words for a status, each with a mark so that colour is never alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from html import escape

from django.utils.safestring import SafeString


class Tone(StrEnum):
    """How much something wants attention. Styles and marks hang on these words."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    BAD = "bad"
    IDLE = "idle"


SEVERITY = {Tone.BAD: 0, Tone.WARN: 1, Tone.NOTE: 2, Tone.OK: 3, Tone.IDLE: 4}


@dataclass(frozen=True)
class Status:
    """A word with a tone: `why` is a sentence for the tooltip. It draws itself in a template."""

    word: str
    tone: Tone
    why: str = ""

    def render(self) -> SafeString:
        return SafeString(
            f'<span class="status {self.tone}" title="{escape(self.why)}">'
            f'<span class="mark" aria-hidden="true"></span>{escape(self.word)}</span>'
        )

    __str__ = __html__ = render


@dataclass(frozen=True)
class Trouble:
    """Records that did not go well; None: not known."""

    dead: int | None  # letters that nothing handles
    lately: int | None  # deaths of the last 15 minutes, whatever became of the letters since
    retrying: int | None  # that wait to be tried again
    why: str = ""  # what died is not known, as a sentence


def plural(n: int, noun: str, many: str = "") -> str:
    """
    >>> plural(1, "partition"), plural(6, "partition"), plural(0, "entry", "entries")
    ('1 partition', '6 partitions', '0 entries')
    """
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def were(n: int) -> str:
    """
    >>> [f"{plural(n, 'record')} {were(n)} removed" for n in (1, 2)]
    ['1 record was removed', '2 records were removed']
    """
    return "was" if n == 1 else "were"


def listed(names: list[str], most: int = 3) -> str:
    """
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a', 'a and b', 'a, b, c and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
