"""What like failures have in common: exception type, call site, and the message with its variables taken out.

A thousand orders that fail at one line for one reason are one problem. They share a fingerprint, whatever order number,
time or file name stands in their messages, and whichever machine they failed on.
"""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

MESSAGE_CHARS = 2_000
"""Of a longer message only so much counts: what tells problems apart stands at the front."""
TEXT_CHARS = 16_000
TRACEBACK_CHARS = 32_000

_PLACEHOLDERS = (
    ("<uuid>", r"\b[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\b"),
    ("<email>", r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
    ("<str>", r"(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)"),
    ("<str>", r'(?<!\w)"(?:[^"\\]|\\.)*"(?!\w)'),
    ("<str>", r"`[^`]*`"),
    ("<str>", r"“[^”]*”|«[^»]*»|‘[^’]*’"),
    (
        "<date>",
        r"\b\d{4}-\d{1,2}-\d{1,2}(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?",
    ),
    ("<date>", r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?\b"),
    ("<date>", r"\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\b"),
    ("<hex>", r"\b0[xX][0-9a-fA-F]+\b"),
    ("<hex>", r"\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,}\b"),
    ("<n>", r"(?:(?<![\w)\]])[-+])?\d+(?:[.,_]\d+)*(?:[eE][-+]?\d+)?"),
)
_RULES = [(re.compile(pattern, re.DOTALL), placeholder) for placeholder, pattern in _PLACEHOLDERS]
_REPEATED = re.compile(r"(<[a-z]+>)(?:[,;\s]+\1)+")
_SPACE = re.compile(r"\s+")

_FRAME = re.compile(r'^[ |]*File "(.+)", line \d+, in (.+)$', re.MULTILINE)
_STREAMLAB = str(Path(__file__).parent.parent) + "/"
_NOT_THE_USERS = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen ", "<string>", _STREAMLAB)


class Failure(NamedTuple):
    """An exception in words that can be stored, sent and compared."""

    exception: str  # class with its module; built-in ones without
    message: str
    call_site: str  # "shop/orders.py:book"; "" when it was raised nowhere
    fingerprint: str


def failure_of(error: BaseException) -> Failure:
    """Describe an exception that was caught."""
    exception, message, site = class_name(error), message_of(error), call_site_of(error)
    return Failure(exception, message, site, fingerprint(exception, site, message))


def fingerprint(exception: str | None, call_site: str | None, message: str | None) -> str:
    """16 hex digits; the same for like failures. All parts may be missing.

    >>> a = fingerprint("KeyError", "shop/orders.py:book", "no stock for order 17841")
    >>> b = fingerprint("KeyError", "shop/orders.py:book", "no stock for order 17850")
    >>> a == b, a == fingerprint("KeyError", "shop/orders.py:bill", "no stock for order 17841")
    (True, False)
    """
    parts = (exception or "", call_site or "", normalised(message or ""))
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def normalised(message: str) -> str:
    """The message with its variables taken out.

    >>> normalised("order 536365 of 'ann@example.org' at 2010-12-01 08:26:00 failed after 3.5 s")
    'order <n> of <str> at <date> failed after <n> s'
    """
    text = message[:MESSAGE_CHARS]
    for pattern, placeholder in _RULES:
        text = pattern.sub(placeholder, text)
    return _SPACE.sub(" ", _REPEATED.sub(r"\1", text)).strip()


def class_name(error: BaseException | type[BaseException]) -> str:
    """With its module, which built-in ones do without.

    >>> class_name(KeyError("x")), class_name(re.error)
    ('KeyError', 're.error')
    """
    cls = error if isinstance(error, type) else type(error)
    name = cls.__qualname__.replace("<locals>.", "")
    return name if cls.__module__ in ("builtins", "__main__") else f"{cls.__module__}.{name}"


def message_of(error: BaseException) -> str:
    """An exception's text, cut to `TEXT_CHARS`; never fails, even when its own __str__ does."""
    try:
        text = str(error)
    except Exception:
        text = f"({class_name(error)}, whose text cannot be made)"
    return _storable(text[:TEXT_CHARS])


def traceback_of(error: BaseException) -> str:
    """As Python prints it, causes first; of a very long one the middle is left out."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # format_exception calls the exception's own __str__
        text = "".join(["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)])
    if len(text) > TRACEBACK_CHARS:
        half = TRACEBACK_CHARS // 2
        text = f"{text[:half]}\n  ... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
    return _storable(text)


def root_cause(error: BaseException) -> BaseException | None:
    """The exception that the chain of causes began with; None when there is no chain."""
    seen, last = {id(error)}, error
    while (before := last.__cause__ or (None if last.__suppress_context__ else last.__context__)) is not None:
        if id(before) in seen:
            break
        seen.add(id(before))
        last = before
    return None if last is error else last


def call_site(trace: str) -> str:
    """`file:function` of the innermost frame of the user's code in a traceback's text; "" when it has none.

    Frames of Python, of installed packages and of Streamlab are the user's only when there are no others. The file is
    named from the folder that it is imported from, so that it is the same on every machine.

    >>> call_site('Traceback (most recent call last):\\n  File "/srv/shop/orders.py", line 7, in book\\n')
    'shop/orders.py:book'
    """
    return _innermost(_FRAME.findall(trace.rpartition("Traceback (most recent call last)")[2]))


def call_site_of(error: BaseException) -> str:
    """The same of an exception that was caught, in a hundredth of the time that formatting it takes."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append((code.co_filename, code.co_name))
        trace = trace.tb_next
    return _innermost(frames)


def _innermost(frames: list[tuple[str, str]]) -> str:
    """Frames are file and function, the outermost first."""
    for path, function in reversed(frames):
        if not any(part in path for part in _NOT_THE_USERS):
            return f"{_short(path)}:{function}"
    return f"{_short(frames[-1][0])}:{frames[-1][1]}" if frames else ""


@lru_cache(maxsize=1024)
def _short(path: str) -> str:
    """Below the folder that it is imported from; else its last two parts."""
    roots = [root for root in sys.path if root and path.startswith(root.rstrip("/") + "/")]
    if roots:
        return path[len(max(roots, key=len).rstrip("/")) + 1 :]
    return "/".join(path.replace("\\", "/").split("/")[-2:])


def _storable(text: str) -> str:
    """Half characters (lone surrogates) are in no encoding."""
    return text.encode("utf-8", "backslashreplace").decode()
