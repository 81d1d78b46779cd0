"""One address, three dialects: redis-py, Celery and the channel layer each write a socket differently."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

CONTROL_DB = 1


def control_url(data_url: str | None) -> str | None:
    """Where Celery and Channels live when nobody said so: beside the event data, in a database of their own.

    None when there is no such place: neither of the two can live on a cluster.

    >>> control_url("unix:///run/redis.sock")
    'unix:///run/redis.sock?db=1'
    >>> control_url("redis://:secret@cache:6379/0?protocol=3")
    'redis://:secret@cache:6379/1?protocol=3'
    >>> control_url("redis+cluster://node:7000") is None
    True
    """
    if not data_url or "cluster" in urlsplit(data_url).scheme:
        return None
    parts = urlsplit(data_url)
    if parts.scheme != "unix":
        return urlunsplit(parts._replace(path=f"/{CONTROL_DB}"))
    query = {**dict(parse_qsl(parts.query)), "db": str(CONTROL_DB)}
    return f"unix://{parts.netloc}{parts.path}?{urlencode(query)}"


def celery_url(url: str | None) -> str:
    """The same address in Celery's words; `memory://` when there is none.

    >>> celery_url("unix:///run/redis.sock?db=1")
    'redis+socket:///run/redis.sock?virtual_host=1'
    >>> celery_url("redis://cache:6379/1")
    'redis://cache:6379/1'
    """
    if not url:
        return "memory://"
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    db = dict(parse_qsl(parts.query)).get("db", "0")
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={db}"
