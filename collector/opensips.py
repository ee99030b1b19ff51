# SPDX-License-Identifier: GPL-2.0-or-later
"""What OpenSIPS sends with ``homer5_on=0``: JSON where other senders have plain values.

``proto_hep`` then writes the correlation ids as an object into chunk 0x0065, and the message as
the member ``payload`` of an object.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

CORRELATION: Final = 0x65
"""Chunk of vendor 0, outside the specification."""
VENDOR_CORRELATION: Final = 3 << 16 | CORRELATION
"""The same under OpenSIPS' own vendor id."""

MAX_TEXT: Final = 65_535
"""Bytes of an object that is read; OpenSIPS does not compress these."""


def correlation_id(chunk: bytes) -> bytes:
    """The SIP Call-ID in a correlation chunk such as ``{"net": "17", "sip": "…"}``; else ``b""``.

    The other members name connections and transactions within OpenSIPS.
    """
    return _member(chunk, "sip")


def message(payload: bytes) -> bytes:
    """The message within a JSON payload; ``b""`` when there is none."""
    return _member(payload, "payload")


def _member(text: bytes, name: str) -> bytes:
    if len(text) > MAX_TEXT or not text.lstrip().startswith(b"{"):
        return b""
    try:
        document: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        # cJSON copies bytes that are not UTF-8 as they are; Latin-1 keeps each of them.
        try:
            document = orjson.loads(text.decode("latin-1").encode())
        except orjson.JSONDecodeError:
            return b""
        value = document.get(name)
        return value.encode("latin-1", "replace") if isinstance(value, str) else b""
    value = document.get(name)
    return value.encode() if isinstance(value, str) else b""
