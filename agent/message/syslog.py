# SPDX-License-Identifier: GPL-2.0-or-later
"""Log lines with a Call-ID (-m SIPLOG): syslog over UDP, and the control messages of rtpengine.

Both go out as they came, byte by byte, as HEP type 100. A line without a Call-ID belongs to no call
and stays here, as with heplify. That program captures rtpengine's port, too, but reads nothing of
it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

PORT: Final = 514
NG_PORT: Final = 2223
"""Where rtpengine listens for its NG protocol: cookie, blank, a dictionary in bencode or JSON."""
MIN_CALL_ID: Final = 2
MAX_CALL_ID: Final = 79
MAX_COOKIES: Final = 1000
"""Requests to rtpengine whose reply may come; the oldest is forgotten."""
_MAX_COOKIE: Final = 64

_PATTERNS: Final = tuple(
    (start.encode(), tuple(end.encode() for end in ends), to_end)
    for start, ends, to_end in (
        ("ID=«", ("»",), True),
        ("ID=", (" ",), True),
        (": [«", ("» port ", "»]: "), False),
        ("INFO: [", (" port ", "]: "), False),
    )
)
"""What stands before a Call-ID and behind it, and whether the line may end there: rtpengine's."""
_BENCODED: Final = b"7:call-id"
_JSON: Final = b'"call-id"'


def call_id(line: bytes) -> bytes:
    """The Call-ID in a log line; ``b""`` when there is none of 2 to 79 bytes."""
    for start, ends, to_end in _PATTERNS:
        begin = line.find(start)
        if begin < 0:
            continue
        begin += len(start)
        rest = line[begin : begin + MAX_CALL_ID + 1 + max(map(len, ends))]
        for end in ends:
            found, closed, _ = rest.partition(end)
            if not (closed or to_end):
                continue
            found = found.rstrip(b"\r\n\0")
            if MIN_CALL_ID <= len(found) <= MAX_CALL_ID:
                return found
    return b""


class Cookies:
    """Which call a message of rtpengine's NG protocol belongs to.

    Only the request names it; the reply has the same cookie.
    """

    def __init__(self) -> None:
        self._calls: OrderedDict[bytes, bytes] = OrderedDict()

    def call_id(self, message: bytes) -> bytes:
        """The Call-ID of a request, or of the one that this replies to; ``b""`` if unknown."""
        cookie, blank, _ = message[: _MAX_COOKIE + 1].partition(b" ")
        if not blank:
            return b""
        found = _named(message)
        if not MIN_CALL_ID <= len(found) <= MAX_CALL_ID:
            return self._calls.pop(cookie, b"")
        self._calls[cookie] = found
        if len(self._calls) > MAX_COOKIES:
            self._calls.popitem(last=False)
        return found


def _named(message: bytes) -> bytes:
    """The value of ``call-id`` in bencode or JSON."""
    begin = message.find(_BENCODED)
    if begin >= 0:
        begin += len(_BENCODED)
        size, colon, _ = message[begin : begin + 5].partition(b":")
        if not colon or not size.isdigit():
            return b""
        begin += len(size) + 1
        return message[begin : begin + int(size)]
    begin = message.find(_JSON)
    if begin < 0:
        return b""
    begin += len(_JSON)
    _, quote, rest = message[begin : begin + MAX_CALL_ID + 8].partition(b'"')
    value, closed, _ = rest.partition(b'"')
    return value if quote and closed else b""
