"""Commands to copy into a shell in the project's directory. Names are quoted: they may hold anything."""

from __future__ import annotations

from shlex import quote

from streamlab.lab.shop.layout import DEPARTMENTS

PYTHON = ".venv/bin/python"
PLAY = f"{PYTHON} -m streamlab play FILE --topic orders"
DEMO = "make demo"
SAMPLER = f"{PYTHON} -m streamlab sampler"
LAB = f"{PYTHON} -m streamlab lab run"
PLAY_WITH_KEY = f"{PLAY} --key CustomerID"


def consume(topic: str = "orders") -> str:
    """
    >>> consume("new orders")
    ".venv/bin/python -m streamlab consume 'new orders' --group G --from-beginning"
    """
    if topic.startswith("-"):  # would be read as an option
        return f"{PYTHON} -m streamlab consume --group G --from-beginning -- {quote(topic)}"
    return f"{PYTHON} -m streamlab consume {quote(topic)} --group G --from-beginning"


def start_again(group: str) -> str:
    """How a group of the simulated shop gets a consumer; "" for others: only their owner knows how to start them.

    A console consumer would be no answer: it would commit what the real consumers have not handled.

    >>> start_again("notifications")
    '.venv/bin/python -m streamlab shop scale notifications 1'
    """
    return f"{PYTHON} -m streamlab shop scale {quote(group)} 1" if group in DEPARTMENTS else ""
