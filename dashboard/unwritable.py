"""What JSON can say and nobody can store: half a surrogate pair is no character, and PostgreSQL takes no NUL."""

from __future__ import annotations

from typing import Any


def unwritable(value: Any) -> str:
    r"""Why this cannot be stored, in a sentence; "" when it can. Without recursion.

    >>> unwritable({"a": ["\ud800"]})
    'It holds half a surrogate pair (\\ud800), which is no character.'
    >>> unwritable({"a\x00": 1}), unwritable({"a": [1, None, "é 😀"]})
    ('It holds the character NUL (\\u0000), which cannot be stored.', '')
    """
    left = [value]
    while left:
        match left.pop():
            case str(text):
                if "\x00" in text:
                    return "It holds the character NUL (\\u0000), which cannot be stored."
                try:
                    text.encode()
                except UnicodeEncodeError as error:
                    half = f"\\u{ord(text[error.start]):04x}"
                    return f"It holds half a surrogate pair ({half}), which is no character."
            case dict(found):
                left += [*found, *found.values()]
            case list(found):
                left += found
    return ""
