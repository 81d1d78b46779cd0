"""Where a webhook may go: http and https, to addresses of the open Internet.

A dashboard stands inside a network whose other machines trust it; whoever could make it send a POST anywhere could
reach them. So a name is resolved here, every address that it has is looked at, and the connection is made to one of
exactly those (a name that answers differently a moment later changes nothing). STREAMLAB_WEBHOOK_PRIVATE=1 allows
private addresses and this machine; link-local ones, where clouds keep their keys, are never allowed.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

IPAddress = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")
PRIVATE = (
    "{host} is at {address}, a private address. Set STREAMLAB_WEBHOOK_PRIVATE=1 where webhooks may go to "
    "this machine and its network."
)
NEVER = "{host} is at {address}, where no webhook may go."


class BadAddress(ValueError):
    """Raised when a webhook may not go there. Its text says why and what to do."""


def parsed(url: str) -> SplitResult:
    """Raises BadAddress when this is no address for a webhook, wherever it leads."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise BadAddress("An address has no spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadAddress("This is no address.") from None
    if parts.scheme not in ("http", "https"):
        raise BadAddress("An address begins with https:// or http://.")
    if not parts.hostname:
        raise BadAddress("The address names no host.")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("Leave name and password out of the address; sign with a secret instead.")
    if port == 0:
        raise BadAddress("Port 0 is none.")
    return parts


def reach(host: str, port: int) -> list[str]:
    """The addresses of a host to connect to. Raises BadAddress when one of them is not allowed, OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses:
        check(host, ip_address(address.partition("%")[0]))
    return addresses


def check_now(url: str) -> None:
    """Look where an address leads just now. Raises BadAddress; a name that is not known yet passes."""
    parts = parsed(url)
    try:
        reach(parts.hostname or "", parts.port or 443)
    except OSError:
        pass  # it is looked at again whenever something is sent


def check(host: str, address: IPAddress) -> None:
    """Raises BadAddress when no webhook may go there."""
    meant = _meant(address)
    if meant.is_link_local or meant.is_multicast or meant.is_unspecified:
        raise BadAddress(NEVER.format(host=host, address=address))
    if not _open_internet(meant) and not settings.WEBHOOK_PRIVATE:
        raise BadAddress(PRIVATE.format(host=host, address=address))


def _open_internet(address: IPAddress) -> bool:
    """Reserved and site-local IPv6 are global by name only: they lead to whatever a network makes of them."""
    return address.is_global and not address.is_reserved and not getattr(address, "is_site_local", False)


def _meant(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 one stands for, if it does.

    >>> str(_meant(ip_address("::ffff:10.0.0.1"))), str(_meant(ip_address("64:ff9b::a9fe:a9fe")))
    ('10.0.0.1', '169.254.169.254')
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
