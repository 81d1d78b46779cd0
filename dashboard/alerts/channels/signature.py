"""Signing as in Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body.

    webhook-id: sl_…            the same at every attempt
    webhook-timestamp: 1700000000
    webhook-signature: v1,<base64>

A secret `whsec_<base64>` is that many bytes; any other one is its own text.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256

PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """
    >>> key_of("whsec_c2VjcmV0"), key_of("a plain one")
    (b'secret', b'a plain one')
    """
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass  # then it is a text that begins so
    return secret.encode()


def headers(secret: str, key: str, at_s: int, body: bytes) -> dict[str, str]:
    """What goes with a body; without a secret there is no signature."""
    named = {"webhook-id": key, "webhook-timestamp": str(at_s)}
    if not secret:
        return named
    content = f"{key}.{at_s}.".encode() + body
    digest = base64.b64encode(hmac.new(key_of(secret), content, sha256).digest()).decode()
    return {**named, "webhook-signature": f"v1,{digest}"}
