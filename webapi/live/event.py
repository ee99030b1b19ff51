# SPDX-License-Identifier: GPL-2.0-or-later
"""Blocks of an event stream (WHATWG HTML §9.2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

KEEP_ALIVE: Final = b": still here\n\n"
"""A comment: no event comes of it, but what lies between knows that the connection lives."""


def block(name: str, data: Mapping[str, Any], id_: str = "") -> bytes:
    """One event; JSON has no line ends. Without ``id_`` the one before goes on to hold."""
    return (
        b"event: "
        + name.encode()
        + (b"\nid: " + id_.encode() if id_ else b"")
        + b"\ndata: "
        + orjson.dumps(data)
        + b"\n\n"
    )


def position(id_: str) -> bytes:
    """A comment that moves the id on: without data there is no event."""
    return KEEP_ALIVE if not id_ else b": still here\nid: " + id_.encode() + b"\n\n"


def retry(seconds: float) -> bytes:
    """After how long a client that was cut off comes again."""
    return b"retry: %d\n\n" % int(seconds * 1000)
