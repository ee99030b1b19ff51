# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP messages and HEP packets for tests."""

from __future__ import annotations

import time
from typing import Any

from collector import hep, sip
from collector.hep import Hep
from collector.sip import Sip

SOURCE = bytes((192, 0, 2, 1))
DESTINATION = bytes((198, 51, 100, 2))


def request(
    method: str = "INVITE",
    call_id: str = "call@example",
    *,
    number: int = 1,
    body: bytes = b"",
    headers: str = "",
) -> bytes:
    """A plain request; ``number`` makes branch and CSeq."""
    text = (
        f"{method} sip:bob@example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{number}\r\n"
        "From: <sip:alice@example.com>;tag=a\r\n"
        "To: <sip:bob@example.com>\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {number} {method}\r\n"
        f"{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return text.encode() + body


def packet(message: bytes, *, at: float | None = None, **fields: Any) -> bytes:
    """A HEP3 packet around a message; ``at`` is its time in seconds since 1970 (default now)."""
    us = round((time.time() if at is None else at) * 1e6)
    base = Hep(
        *(3, hep.PROTOCOL_UDP, SOURCE, DESTINATION, 5060, 5060),
        *(us // 1_000_000, us % 1_000_000, hep.TYPE_SIP, 2001, message),
    )
    return hep.encode(base._replace(**fields))


def with_headers(*headers: bytes, start: bytes = b"INVITE sip:b@example.com SIP/2.0") -> bytes:
    """A message of these header lines, with Call-ID and CSeq."""
    lines = (start, b"Call-ID: c", b"CSeq: 1 INVITE", *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def extract(*headers: bytes, start: bytes = b"INVITE sip:b@example.com SIP/2.0") -> Sip:
    """What is read from such a message."""
    return sip.extract(with_headers(*headers, start=start))
