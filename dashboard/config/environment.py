"""What the environment says, read once and with one sentence for each mistake.

A secret may stand in a file instead: `SECRET_KEY_FILE=/run/secrets/key` is read where `SECRET_KEY` is unset.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def text(name: str, default: str = "") -> str:
    """The variable, or the stripped content of the file that `<name>_FILE` names, or the default."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE names {path}, which can't be read: {error.strerror}."
            ) from None
    return default


def flag(name: str, default: bool) -> bool:
    """
    >>> flag("STREAMLAB_NO_SUCH_FLAG", True)
    True
    """
    value = text(name).lower()
    if not value:
        return default
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; it must be 1 or 0.")


def number(name: str, default: int) -> int:
    """A whole number from 0.

    >>> number("STREAMLAB_NO_SUCH_NUMBER", 90)
    90
    """
    value = text(name)
    if not value:
        return default
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a whole number.")
    return int(value)


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A list written with commas."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or list(default)


def secret_key(directory: Path, *, generate: bool) -> str:
    """SECRET_KEY from the environment; else, where `generate` allows it, one of this installation's own.

    Raises ImproperlyConfigured when there is none and none may be made.
    """
    if key := text("SECRET_KEY"):
        return key
    if not generate:
        raise ImproperlyConfigured(
            "SECRET_KEY is unset; a Streamlab that answers beyond this machine needs it, or SECRET_KEY_FILE."
        )
    return _own_key(directory / "secret_key")


def _own_key(path: Path) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and linked into place: whoever comes second reads the first one's key, whole.
        aside = path.with_name(f"secret_key.{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_text(secrets.token_urlsafe(64))
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(f"{path.parent} can't be written: {error.strerror}.") from None


def database(url: str, sqlite_path: Path) -> dict[str, Any]:
    """Django's description of the database: PostgreSQL where `url` says so, else SQLite in a file.

    >>> database("postgresql://me:s%40fe@db:5433/lab?sslmode=require", Path("x"))["PASSWORD"]
    's@fe'
    >>> database("", Path("var/streamlab.sqlite3"))["ENGINE"]
    'django.db.backends.sqlite3'
    """
    if not url:
        return _sqlite(sqlite_path)
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite(Path(unquote(parts.path)))
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql:// or sqlite://.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": {"connect_timeout": "5", **dict(parse_qsl(parts.query))},
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def _sqlite(path: Path) -> dict[str, Any]:
    # Readers never wait for the writer (WAL); writers queue for 20 s instead of failing, and take the lock at
    # BEGIN, since a transaction that reads first can't wait for it later.
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
