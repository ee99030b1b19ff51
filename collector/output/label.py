# SPDX-License-Identifier: GPL-2.0-or-later
"""Label values: what a packet says, made fit for a set of bounded size."""

from __future__ import annotations

from typing import Final

from collector.sip import METHODS, Sip

OTHER: Final = "other"
_LONGEST: Final = 128

_TYPES: Final = {
    1: "sip",
    5: "rtcp",
    34: "rtpagent",
    35: "rtcpxr",
    38: "horaclifix",
    53: "dns",
    54: "isup",
    60: "cdr",
    100: "log",
}
"""The names that heplify-server's users have in their queries and dashboards."""

_METHODS: Final = {name.encode(): name for name in METHODS}


def type_name(number: int) -> str:
    """The name of a HEP type, else its number."""
    return _TYPES.get(number) or str(number)


def method_name(message: Sip) -> str:
    """The method, of a response that of CSeq; one of a known set."""
    return _METHODS.get(message.method, OTHER)


def response_name(message: Sip) -> str:
    """The status code; the method of a request."""
    return str(message.status) if message.status else method_name(message)


def text(value: bytes) -> str:
    """Bytes from a packet as a label value: valid, without control characters, not too long."""
    decoded = value[:_LONGEST].decode("utf-8", "replace")
    return decoded if decoded.isprintable() else "".join(c for c in decoded if c.isprintable())
