# SPDX-License-Identifier: GPL-2.0-or-later
"""Start lines of SIP messages (RFC 3261 §7.1, §7.2) in a stream: where one is, and where the next.

Any token is a method. Both functions depend on the bytes alone, not on how they were cut into
segments: an answer that they gave once stays true whatever follows.
"""

from __future__ import annotations

import re
from typing import Final

from collector.sip import METHODS

VERSION: Final = b"SIP/2.0"
STATUS: Final = VERSION + b" "
REQUEST_END: Final = b" " + VERSION
MAX_START_LINE: Final = 8192
"""Bytes of the longest start line, line end included."""
LOOK_BACK: Final = 64
"""Bytes at the end of what was searched in which a start line may lie that was not yet complete
enough to be found: a search goes on that much before its end."""

_TOKEN: Final = re.compile(rb"[A-Za-z0-9.!%*_+`'~-]{1,64}+")
_UPPER: Final = re.compile(rb"[A-Z]+\Z")
_METHODS: Final = tuple(sorted((m.encode() for m in METHODS), key=len, reverse=True))
_CR: Final = 0x0D
_BLANK: Final = 0x20
_NO_STATUS_BEFORE: Final = b' "/'
"""In front of a version that a header value quotes."""


def find_end(data: bytes | bytearray, at: int) -> int:
    """Where the start line that begins at ``at`` ends: the index of its line end, CRLF or LF.

    0 while more bytes are needed, -1 if no start line begins there.
    """
    end = data.find(b"\n", at, at + MAX_START_LINE)
    if end < 0:
        return 0 if len(data) - at < MAX_START_LINE and _may_begin(data, at) else -1
    if end > at and data[end - 1] == _CR:
        end -= 1
    if data.startswith(STATUS, at):
        return end if data[at + 8 : at + 11].isdigit() and at + 11 <= end else -1
    version = end - len(REQUEST_END)
    if version <= at or not data.startswith(REQUEST_END, version):
        return -1
    token = _TOKEN.match(data, at, version)
    if not token or token.end() + 1 >= version or data[token.end()] != _BLANK:
        return -1
    return end


def _may_begin(data: bytes | bytearray, at: int) -> bool:
    """Whether these bytes, which have no line end, may be the beginning of a start line."""
    if STATUS.startswith(bytes(data[at : at + len(STATUS)])):
        return True
    token = _TOKEN.match(data, at)
    return token is not None and (token.end() == len(data) or data[token.end()] == _BLANK)


def find_next(data: bytes | bytearray, lowest: int, begin: int, end: int | None = None) -> int:
    """Where the first start line begins that lies at or behind ``lowest``; -1 if none was found.

    The search begins at ``begin``, up to which there is none. A body need not end with a line end,
    so a start line may begin within a line, and the bytes before ``lowest`` may be missing: there,
    a method is one of the known ones or in capitals.
    """
    version = data.find(VERSION, begin, end)
    while version >= 0:
        after = version + len(VERSION)
        if data[after : after + 1] == b" ":
            status = data[after + 1 : after + 5]
            if (
                status[:3].isdigit()
                and status[3:] in (b" ", b"\r", b"\n")
                and version >= lowest
                and (version == lowest or data[version - 1] not in _NO_STATUS_BEFORE)
            ):
                return version
        elif data.startswith((b"\r\n", b"\n"), after):
            start = _request(data, lowest, version)
            if start >= 0:
                return start
        version = data.find(VERSION, after, end)
    return -1


def _request(data: bytes | bytearray, lowest: int, version: int) -> int:
    """Where the request line begins that ends with the version at ``version``; -1 if none does."""
    end = version - 1
    lowest = max(lowest, version + len(VERSION) + 2 - MAX_START_LINE)
    if end <= lowest or data[end] != _BLANK:
        return -1
    begin = data.rfind(b"\n", lowest, end) + 1
    is_line = begin > 0
    line = bytes(data[begin if is_line else lowest : end])
    before, _, uri = line.rpartition(b" ")
    if not before or b":" not in uri:
        return -1
    size = len(uri) + 1 + len(before)
    for method in _METHODS:
        if before.endswith(method):
            return end - size + len(before) - len(method)
    if is_line and _TOKEN.fullmatch(before):
        return begin
    capitals = _UPPER.search(before, max(len(before) - LOOK_BACK, 0))
    if not capitals or any(method.endswith(capitals[0]) for method in _METHODS):
        return -1  # or the rest of a method that was cut
    return end - size + capitals.start()
