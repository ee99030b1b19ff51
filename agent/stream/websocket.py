# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP over WebSocket (RFC 7118) as an observer sees it: the handshake, frames, whole messages.

A WebSocket message is one SIP message, so no Content-Length is needed. Both directions are read
alike: frames of a client are masked. What permessage-deflate (RFC 7692) compressed stays so: its
dictionary began with the connection.
"""

from __future__ import annotations

import re
from typing import Final

try:
    from websockets.speedups import apply_mask  # in C; 20 times faster than integers
except ImportError:
    from websockets.utils import apply_mask

from agent.count import Count
from collector.hep import MAX_INFLATED

MAX_MESSAGE: Final = MAX_INFLATED
"""Bytes of the longest message that is taken out of a stream: a longer one fits into no HEP packet,
even deflated."""
MAX_HANDSHAKE: Final = 16_384
"""Bytes of the longest head of an HTTP request or response."""
_FIN: Final = 0x80
_COMPRESSED: Final = 0x40
_RESERVED: Final = 0x30
_OPCODE: Final = 0x0F
_CONTROL: Final = 0x08
_OPCODES: Final = frozenset({0, 1, 2, 8, 9, 10})
_MASKED: Final = 0x80
_MAX_CONTROL: Final = 125
MISSING: Final = -2
_INCOMPLETE: Final = (MISSING, 0, 0, False)
_BAD: Final = (-1, 0, 0, False)

_FOUND: Final = int(Count.FOUND)
_UNFINISHED: Final = int(Count.TCP_UNFINISHED)
_COMPRESSED_MESSAGE: Final = int(Count.WEBSOCKET_COMPRESSED)
_TOO_LARGE: Final = int(Count.TCP_TOO_LARGE)

_HTTP: Final = (b"GET ", b"HTTP/1.1", b"HTTP/1.0")
HTTP_PREFIX: Final = max(map(len, _HTTP))
"""Bytes that are needed to tell a handshake from anything else."""
_UPGRADE: Final = re.compile(rb"\nUpgrade[ \t]*:[ \t]*websocket[ \t]*\r?\n", re.IGNORECASE)

_DATA_BEGIN: Final = re.compile(rb"[\x01\x02\x81\x82]")
_SIP_BEGIN: Final = re.compile(rb"SIP/2\.0 [1-6]|[A-Z]{2,20}+ [A-Za-z]{2,5}+:")
_SIP_PREFIX: Final = 27
"""Bytes in which ``_SIP_BEGIN`` matches or never will; no SIP message is that short."""


def is_http(data: bytes | bytearray, at: int) -> bool:
    """Whether an HTTP request or response begins there, as a handshake does."""
    return data.startswith(_HTTP, at)


def is_upgrade(head: bytes | bytearray) -> bool:
    """Whether this HTTP head opens a WebSocket (RFC 6455 §4), in either direction."""
    return bool(_UPGRADE.search(head)) and (
        head.startswith(b"GET ") or head[8:13] in (b" 101 ", b" 101\r")
    )


def read_header(data: bytes | bytearray, at: int) -> tuple[int, int, int, bool]:
    """First byte, where the payload begins, its size, and whether it is masked (RFC 6455 §5.2).

    Instead of the first byte, ``MISSING`` while the header is not complete, and -1 if no frame
    begins there, or one that is longer than ``MAX_MESSAGE``.
    """
    held = len(data) - at
    if not held:
        return _INCOMPLETE
    first = data[at]
    opcode = first & _OPCODE
    if first & _RESERVED or opcode not in _OPCODES:
        return _BAD
    if opcode & _CONTROL and first & (_FIN | _COMPRESSED) != _FIN:
        return _BAD
    if held < 2:
        return _INCOMPLETE
    second = data[at + 1]
    size = second & ~_MASKED
    begin = at + 2
    if size > _MAX_CONTROL:
        if opcode & _CONTROL:
            return _BAD
        begin += 2 if size == _MAX_CONTROL + 1 else 8
        if len(data) < begin:
            return _INCOMPLETE
        size = int.from_bytes(data[at + 2 : begin], "big")
        if size > MAX_MESSAGE:
            return _BAD
    masked = second >= _MASKED
    if masked:
        begin += 4
        if len(data) < begin:
            return _INCOMPLETE
    return first, begin, size, masked


def is_control(first: int) -> bool:
    """Whether a frame that begins with this byte is a ping, pong or close."""
    return bool(first & _CONTROL)


def payload(data: bytes | bytearray, begin: int, end: int, masked: bool) -> bytes:
    """The payload of a frame, as it was before it was masked (RFC 6455 §5.3)."""
    found = bytes(data[begin:end])
    if masked and found:
        return apply_mask(found, bytes(data[begin - 4 : begin]))
    return found


def find_frame(data: bytes | bytearray, begin: int, end: int) -> int:
    """Where, from ``begin`` to before ``end``, a frame is with which a SIP message begins; or -1.

    It is found as soon as header and method, or status, are there: with its first 41 bytes.
    """
    candidate = _DATA_BEGIN.search(data, begin, end)
    while candidate:
        at = candidate.start()
        first, start, size, masked = read_header(data, at)
        if (
            first > 0
            and size >= _SIP_PREFIX
            and _SIP_BEGIN.match(payload(data, start, start + _SIP_PREFIX, masked))
        ):
            return at
        candidate = _DATA_BEGIN.search(data, at + 1, end)
    return -1


class Fragments:
    """The message of which the frames come; control frames may lie between them (RFC 6455 §5.4)."""

    __slots__ = ("_counts", "_message", "is_open", "time")

    def __init__(self, counts: memoryview[int]) -> None:
        self._counts = counts
        self._message = bytearray()
        self.is_open = False
        """Whether a message has begun and more of it must come."""
        self.time = 0
        """Time of the first byte of the present or last message in µs."""

    @property
    def held(self) -> int:
        """Memory of what has come of the message in bytes."""
        return len(self._message)

    def clear(self) -> None:
        """Forget the message; what else comes of it is skipped."""
        if self.is_open:
            self._message = bytearray()
            self.is_open = False

    def add(self, time: int, first: int, part: bytes) -> bytes:
        """A data frame, by its first byte and payload: the message that ends with it, or nothing.

        Messages that are lost here are counted.
        """
        if first & _OPCODE:
            self.give_up()
            self.time = time
            if first & _COMPRESSED:
                self._lose(_COMPRESSED_MESSAGE)
                return b""
            if first & _FIN:
                return part
            self.is_open = True
        elif not self.is_open:
            return b""
        if len(self._message) + len(part) > MAX_MESSAGE:
            self._lose(_TOO_LARGE)
            return b""
        self._message += part
        if not first & _FIN:
            return b""
        whole = bytes(self._message)
        self.clear()
        return whole

    def give_up(self) -> None:
        """No more of the message will come: it is lost, if one has begun."""
        if self.is_open:
            self._lose(_UNFINISHED)

    def _lose(self, cause: int) -> None:
        self.clear()
        self._counts[_FOUND] += 1
        self._counts[cause] += 1
