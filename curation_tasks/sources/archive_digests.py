"""Digests that records state of themselves: ``algorithm:value``, the value in Base32, Base64 or hexadecimal.

``WARC-Block-Digest`` is of the block as it is stored, and real archives keep to it. ``WARC-Payload-Digest`` is of the body behind
the header of the answer, at Common Crawl as stored too; elsewhere of what was in it before the crawler changed it, and in a revisit
of another record's body. So it tells less, and is looked at only where the other is missing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

_ALGORITHMS = {"md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}


def matches(stated: str, data: bytes) -> bool | None:
    """Whether the data has the digest; None when the digest is none that is known."""
    algorithm, _, text = stated.strip().partition(":")
    name = _ALGORITHMS.get(algorithm.lower().replace("-", ""))
    if name is None:
        return None
    found = hashlib.new(name, data, usedforsecurity=False).digest()
    values = _values(text, len(found))
    return found in values if values else None


def _values(text: str, size: int) -> list[bytes]:
    """What the text may mean, of the right length."""
    bare = text.strip().rstrip("=")
    found = []
    for decode, padded in (
        (bytes.fromhex, bare),
        (base64.b32decode, bare.upper() + "=" * (-len(bare) % 8)),
        (base64.b64decode, bare.replace("-", "+").replace("_", "/") + "=" * (-len(bare) % 4)),
    ):
        try:
            value = decode(padded)
        except (ValueError, binascii.Error):
            continue
        if len(value) == size:
            found.append(value)
    return found
