# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP header fields (RFC 3261 §7.3): names, compact forms, and one pass over all lines."""

from __future__ import annotations

import re
from typing import Final

FOLD: Final = re.compile(rb"\r\n[ \t]+")
"""What continues a header value on the next line (RFC 3261 §7.3.1)."""

# Positions in the list that one pass over the header lines fills.
IGNORED, VIA, FROM, TO, CALL_ID, CSEQ, CONTACT, PAI, PPI, RPID = range(10)
AUTH, PROXY_AUTH, USER_AGENT, SERVER, LENGTH = range(10, 15)
EXPIRES, SESSION_ID, REPLACES, REFER_TO, REASON, WARNING = range(15, 21)
SLOTS: Final = 21
_BLANKS: Final = (b" ", b"\t")

COMPACT_NAMES: Final[dict[bytes, bytes]] = {
    b"a": b"accept-contact",
    b"b": b"referred-by",
    b"c": b"content-type",
    b"d": b"request-disposition",
    b"e": b"content-encoding",
    b"f": b"from",
    b"i": b"call-id",
    b"j": b"reject-contact",
    b"k": b"supported",
    b"l": b"content-length",
    b"m": b"contact",
    b"n": b"identity-info",
    b"o": b"event",
    b"r": b"refer-to",
    b"s": b"subject",
    b"t": b"to",
    b"u": b"allow-events",
    b"v": b"via",
    b"x": b"session-expires",
    b"y": b"identity",
}
"""RFC 3261 §7.3.3 and the IANA registry of header fields."""

_NAMES: Final[dict[bytes, int]] = {
    b"via": VIA,
    b"from": FROM,
    b"to": TO,
    b"call-id": CALL_ID,
    b"cseq": CSEQ,
    b"contact": CONTACT,
    b"p-asserted-identity": PAI,
    b"p-preferred-identity": PPI,
    b"remote-party-id": RPID,
    b"authorization": AUTH,
    b"proxy-authorization": PROXY_AUTH,
    b"user-agent": USER_AGENT,
    b"server": SERVER,
    b"content-length": LENGTH,
    b"expires": EXPIRES,
    b"session-id": SESSION_ID,
    b"replaces": REPLACES,
    b"refer-to": REFER_TO,
    b"reason": REASON,
    b"warning": WARNING,
}
_CANONICAL: Final[dict[bytes, int]] = _NAMES | {
    short: _NAMES[name] for short, name in COMPACT_NAMES.items() if name in _NAMES
}

_spellings: dict[bytes, int] = {
    **_CANONICAL,
    **{
        name: _CANONICAL.get(name.lower(), IGNORED)
        for name in (
            *(b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Contact", b"User-Agent", b"Server"),
            *(b"Content-Length", b"Authorization", b"Proxy-Authorization", b"P-Asserted-Identity"),
            *(b"V", b"F", b"T", b"I", b"M", b"L", b"Max-Forwards", b"Route", b"Record-Route"),
            *(b"Content-Type", b"Allow", b"Supported", b"Require", b"Expires", b"Accept"),
        )
    },
}
"""Header names as seen on the wire → slot: case folding is paid once per spelling."""
_MAX_SPELLINGS: Final = 2048
_MAX_SPELLING_BYTES: Final = 64


def read(head: bytes) -> tuple[bytes, list[bytes]]:
    """The start line, and the first value of each header that has a slot."""
    found: list[bytes] = [b""] * SLOTS
    slots = _spellings
    lines = iter(head.split(b"\r\n"))
    start_line = next(lines)
    for line in lines:
        name, colon, value = line.partition(b":")
        slot = slots.get(name)
        if slot is None:
            if line[:1] in _BLANKS:  # the rest of a folded header (RFC 3261 §7.3.1)
                return read(FOLD.sub(b" ", head))
            slot = _learn(name) if colon else IGNORED
        if slot and not found[slot]:
            found[slot] = value.strip()
    return start_line, found


def _learn(name: bytes) -> int:
    """The slot of a header name in an unknown spelling, which is remembered while there is room."""
    slot = _CANONICAL.get(name.strip().lower(), IGNORED)
    if len(_spellings) < _MAX_SPELLINGS and len(name) <= _MAX_SPELLING_BYTES:
        _spellings[name] = slot
    return slot
