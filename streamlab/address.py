"""What a URL names: one server, or some nodes of a cluster.

redis://[user:password@]host:port/0     rediss:// with TLS     unix:///path/to/socket
redis+cluster://[user:password@]host:port[,host:port…]         rediss+cluster:// with TLS
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from .cluster.topology import Node
from .errors import IllegalArgumentError

DEFAULT_PORT = 6379
_SUFFIX = "+cluster"
_SCHEMES = ("redis", "rediss", "unix")
HOW_TO_WRITE = "redis://host:port/0, unix:///path/to/socket or redis+cluster://host:port,host:port"


class Address(NamedTuple):
    """Where to begin."""

    url: str
    nodes: tuple[Node, ...]  # of a cluster, one is enough to find the others; empty: one server

    @property
    def is_cluster(self) -> bool:
        return bool(self.nodes)

    def url_of(self, node: Node | None) -> str:
        """The address of one node, with the user, the password and the options of the whole.

        >>> parse("rediss+cluster://me:secret@a:7000,b?ssl_check_hostname=no").url_of(Node("c", 7005))
        'rediss://me:secret@c:7005?ssl_check_hostname=no'
        """
        if node is None:
            return self.url
        parts = urlsplit(self.url)
        user, at, _ = parts.netloc.rpartition("@")
        scheme = parts.scheme.removesuffix(_SUFFIX)
        return SplitResult(scheme, f"{user}{at}{node}", "", parts.query, "").geturl()


def parse(url: str) -> Address:
    """Raises IllegalArgumentError when it is not one of these, or names a cluster in a way that cannot be.

    >>> parse("redis+cluster://10.0.0.1:7000,[::1]:7001,c").nodes
    (Node(host='10.0.0.1', port=7000), Node(host='::1', port=7001), Node(host='c', port=6379))
    >>> parse("redis://localhost:6379/0").is_cluster
    False
    """
    parts = urlsplit(url)
    if parts.scheme in _SCHEMES:
        return Address(url, ())
    if parts.scheme not in ("redis" + _SUFFIX, "rediss" + _SUFFIX):
        raise no_address(url, "it begins with none of redis:// rediss:// unix:// redis+cluster://")
    if parts.path not in ("", "/", "/0"):
        raise IllegalArgumentError(
            f"{shown(url)!r} names database {parts.path[1:]!r}; a cluster has only database 0."
        )
    places = parts.netloc.rpartition("@")[2]
    return Address(url, tuple(_node(url, place) for place in places.split(",")))


def shown(url: str) -> str:
    """For a message: without the user and the password.

    >>> shown("redis://me:secret@cache:6379/0"), shown("nonsense")
    ('redis://…@cache:6379/0', 'nonsense')
    """
    before, at, place = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return f"{scheme if slashes else ''}{slashes}…@{place}" if at else url


def no_address(url: str, why: str) -> IllegalArgumentError:
    return IllegalArgumentError(
        f"{shown(url)!r} is not a server address: {why.rstrip('.')}. Write {HOW_TO_WRITE}."
    )


def _node(url: str, place: str) -> Node:
    try:
        parts = urlsplit(f"//{place.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise no_address(url, str(error)) from error
    if not host:
        raise no_address(url, "a host is missing")
    return Node(host, port or DEFAULT_PORT)
