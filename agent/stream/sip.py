# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the payload of a datagram is SIP, and where the message begins in it.

heplify's rule, which its users know: what has a CSeq is SIP, however it begins. heplify misses
CSeq in all but two spellings; here it counts in any, and with blanks before its colon (RFC 3261
§7.3.1).
"""

from __future__ import annotations

import re
from typing import Final

_CSEQ: Final = (b"\nCSeq:", b"CSeq", b"Cseq")
_ANY_CSEQ: Final = re.compile(rb"\n[Cc][Ss][Ee][Qq][ \t]*+:")
_IN_ANY_TEXT: Final = b"eq"
"""Of both spellings that heplify knows; few other packets hold it."""
_PREFIX: Final = b"Sip0"
"""Ends what some senders put in front of each message."""
MIN_PREFIXED: Final = 16
_TEXT: Final = frozenset(b"\r\n\0 \t!%'*+-._`~") | frozenset(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)
"""First bytes of a SIP message, with empty lines before it or not. RTP and RTCP have others."""


def find(payload: bytes) -> int:
    """Where the SIP message begins in the payload of a datagram; -1 if none does."""
    if not payload:
        return -1
    cseq = payload.find(_CSEQ[0])
    if cseq < 0:
        cseq = _find_odd(payload)
        if cseq < 0:
            return -1
    if cseq > MIN_PREFIXED:
        prefix = payload.find(_PREFIX, 0, cseq)
        if prefix >= 0:
            return prefix + len(_PREFIX)
    return 0


def _find_odd(payload: bytes) -> int:
    """Where CSeq is in another form than the usual; -1 if nowhere."""
    is_text = payload[0] in _TEXT
    if not is_text and payload.find(_IN_ANY_TEXT) < 0:
        return -1
    for spelling in _CSEQ[1:]:
        cseq = payload.find(spelling)
        if cseq >= 0:
            return cseq
    found = _ANY_CSEQ.search(payload) if is_text or _PREFIX in payload else None
    return found.start() if found else -1
