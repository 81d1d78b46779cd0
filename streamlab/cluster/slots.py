"""Which key does a command speak of, and in which of the 16,384 slots does it live?

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Any

SLOTS = 16_384

_SCRIPTS = {"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"}
_STREAM_READS = {"XREAD", "XREADGROUP"}
_KEY_IS_THIRD = {"XINFO", "XGROUP", "OBJECT"}  # after the subcommand, when that is a word of its own
_MEMORY = "MEMORY"
_KEYLESS = {
    *("PING", "ECHO", "TIME", "INFO", "CONFIG", "CLIENT", "SCRIPT", "ACL", "SLOWLOG", "COMMAND", "CLUSTER"),
    *("DBSIZE", "FLUSHALL", "FLUSHDB", "SCAN", "KEYS", "RANDOMKEY", "WAIT", "WAITAOF", "ROLE", "LATENCY"),
    *("PUBLISH", "PUBSUB", "SHUTDOWN", "BGSAVE", "BGREWRITEAOF", "SAVE", "LASTSAVE", "DEBUG", "MODULE"),
    *("FUNCTION", "HELLO", "AUTH", "ASKING", "READONLY", "READWRITE", "SELECT", "QUIT", "RESET", "SWAPDB"),
}


def key_slot(key: str | bytes) -> int:
    """What stands in the first braces decides, when something stands there; else the whole key.

    >>> key_slot("123456789"), key_slot("sl:{orders/3}:log") == key_slot("sl:{orders/3}:meta")
    (12739, True)
    """
    data = key.encode() if isinstance(key, str) else key
    start = data.find(b"{")
    if start >= 0:
        end = data.find(b"}", start + 1)
        if end > start + 1:
            data = data[start + 1 : end]
    return binascii.crc_hqx(data, 0) % SLOTS


def key_of(command: Sequence[Any]) -> str | bytes | None:
    """The first key of a command, as `execute_command` is given it; None when it has none.

    >>> key_of(("EVALSHA", "5f1c", 2, "sl:{orders/3}:log", "sl:{orders/3}:meta", 7))
    'sl:{orders/3}:log'
    >>> key_of(("XINFO STREAM", "sl:{orders/3}:log")), key_of(("XREAD", "COUNT", 5, "STREAMS", "a", "0-0"))
    ('sl:{orders/3}:log', 'a')
    >>> key_of(("TIME",)) is None
    True
    """
    name, _, subcommand = _word(command[0]).partition(" ")
    if name in _KEYLESS:
        return None
    if name in _SCRIPTS:
        return _key(command[3]) if int(command[2]) else None
    if name in _STREAM_READS:
        words = [_word(argument) for argument in command]
        return _key(command[words.index("STREAMS") + 1])
    at = 2 if name in _KEY_IS_THIRD and not subcommand else 1
    if name == _MEMORY:
        usage = subcommand or _word(command[1])
        if usage != "USAGE":
            return None
        at = 1 if subcommand else 2
    return _key(command[at]) if len(command) > at else None


def _word(argument: Any) -> str:
    text = argument.decode(errors="replace") if isinstance(argument, bytes) else str(argument)
    return text.upper()


def _key(argument: Any) -> str | bytes:
    return argument if isinstance(argument, (str, bytes)) else str(argument)
