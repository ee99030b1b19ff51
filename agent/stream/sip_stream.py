# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP messages out of the bytes of one direction of a connection (RFC 3261 §7, §18.3, RFC 7118).

Where the stream is understood, nothing is searched: a start line, headers up to the empty line, as
many bytes as Content-Length says, perhaps empty lines (RFC 5626 §3.5.1), and the next start line.
Else everything is skipped up to the next start line, WebSocket handshake, or frame with a SIP
message. The messages depend on the bytes, never on how they were cut into segments.

Content-Length may have any spelling. Of several that are numbers, the first ``Content-Length:``
counts, else the first ``l:``, else the first.
Without one that is a number, which RFC 3261 §18.3 forbids over TCP, a message without Content-Type
has no body; with it, the body ends at the next start line, when the stream ends, or when it falls
silent. A message of more than ``MAX_MESSAGE`` bytes, or ``MAX_HEAD`` of headers, is skipped.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from agent.count import Count
from agent.stream import start_line, websocket
from agent.stream.reassembly import Chunk
from agent.stream.websocket import MAX_MESSAGE
from collector.sip import MAX_HEAD, find_empty_line, find_headers

_LENGTH: Final = b"\r\nContent-Length:"
_SHORT_LENGTH: Final = b"\r\nl:"
_HEADERS: Final = frozenset({b"content-length", b"content-type"})
_EMPTY_LINE: Final = b"\r\n\r\n"
_MAX_DIGITS: Final = 12
_BLANKS: Final = re.compile(rb"[\r\n\0 \t]*+")
_BLANK: Final = frozenset(b"\r\n\0 \t")
_LF: Final = 0x0A

_FOUND: Final = int(Count.FOUND)
_TOO_LARGE: Final = int(Count.TCP_TOO_LARGE)
_GARBAGE: Final = int(Count.STREAM_GARBAGE)

_Bytes: TypeAlias = bytes | bytearray

_SIP, _OPEN, _SEARCH, _FRAMES, _TLS = range(5)
"""What comes next: a message; more of a body without length; nobody knows; a frame; TLS."""

_STRETCH: Final = 4096
"""Bytes that are searched for one thing before they are for another: what lies behind the first
find is not searched again and again."""

_TLS_RECORDS: Final = (b"\x14\x03", b"\x15\x03", b"\x16\x03", b"\x17\x03")
_MAX_TLS_MINOR: Final = 4


def is_message(data: bytes) -> bool:
    """Whether these bytes are exactly one message of the usual form.

    False may mean that they are one of another form: then ``SipStream`` finds out.
    """
    head = data.find(_EMPTY_LINE)
    length = data.find(_LENGTH, 0, head)
    if length < 0 or head < 0 or head > MAX_HEAD:
        return False
    if not data.startswith(b" %d\r\n" % (len(data) - head - 4), length + len(_LENGTH)):
        return False
    line = start_line.find_end(data, 0)
    return line > 0 and data[line] != _LF and len(data) <= MAX_MESSAGE


def is_tls(data: _Bytes, at: int) -> bool:
    """Whether a TLS record begins there (RFC 8446 §5.1)."""
    return (
        data.startswith(_TLS_RECORDS, at) and at + 2 < len(data) and data[at + 2] <= _MAX_TLS_MINOR
    )


def _body_size(data: _Bytes, begin: int, head: int) -> int:
    """Bytes of the body of the message whose headers end at ``head``; -1 if nothing says so."""
    for name in (_LENGTH, _SHORT_LENGTH):
        at = data.find(name, begin, head)
        if at >= 0:
            at += len(name)
            size = _number(bytes(data[at : data.find(b"\r", at)]))
            if size >= 0:
                return size
    found = find_headers(bytes(data[begin : head + 4]), _HEADERS)
    size = _number(found.get(b"content-length", b""))
    return 0 if size < 0 and b"content-type" not in found else size


def _number(value: bytes) -> int:
    """A Content-Length; -1 if it is no number."""
    value = value.strip()
    if not value.isdigit():
        return -1
    return int(value) if len(value) <= _MAX_DIGITS else MAX_MESSAGE + 1


class SipStream:
    """The bytes in their order in, whole messages out, with the time of their first byte.

    A step of the loop in ``feed`` takes the bytes and where it is in them. It answers where to go
    on, or, inverted, from where the bytes must be kept until more come.

    Memory: one message of at most ``MAX_MESSAGE`` bytes, beside it one WebSocket frame of a message
    in fragments, and while it searches one line.
    """

    __slots__ = (
        *("_buffer", "_counts", "_fragments", "_is_counted", "_is_doubtful", "_is_first", "_line"),
        *("_mode", "_need", "_old", "_out", "_scanned", "_skip", "_time", "_time_of_old"),
    )

    def __init__(self, counts: memoryview[int], *, is_joined: bool) -> None:
        """``is_joined``: the beginning of the stream was not captured."""
        self._counts = counts
        self._buffer = bytearray()
        self._old = 0
        """Bytes that were in the buffer before the latest chunk."""
        self._time = self._time_of_old = 0
        """When the latest chunk came, and the one with the first byte of the buffer."""
        self._out: list[Chunk] = []
        """Messages of the latest chunk, while it is read."""
        self._fragments = websocket.Fragments(counts)
        self._mode = self._need = self._line = self._scanned = self._skip = 0
        """Of the present message, from its beginning: its bytes, or of the frame that must be there
        before anything can be said; where its start line ends, or its headers if the body has no
        length; up to where it was searched. Of a search: bytes at which it finds nothing."""
        self._is_first = self._is_counted = self._is_doubtful = False
        """Of a search: nothing was skipped yet, it was counted, and what it found may be no message
        but part of a body."""
        self._begin(_SEARCH if is_joined else _SIP)

    @property
    def held(self) -> int:
        """Memory of what waits for more, in bytes."""
        return len(self._buffer) + self._fragments.held

    @property
    def is_between(self) -> bool:
        """Whether the next byte should be the first of a message that no frame carries."""
        return self._mode == _SIP and not self._buffer

    @property
    def is_tls(self) -> bool:
        """Whether this is TLS, of which nothing can be read."""
        return self._mode == _TLS

    @property
    def is_inside(self) -> bool:
        """Whether the last byte belongs to a message, as far as that can be known."""
        buffer = self._buffer
        if self._mode == _SEARCH:
            line = buffer.rfind(b"\n") + 1
            return line < len(buffer) and start_line.find_end(buffer, line) == 0
        if self._fragments.is_open:
            return True
        return bool(buffer) and not (self._mode == _FRAMES and websocket.is_control(buffer[0]))

    def feed(self, time: int, data: bytes) -> list[Chunk]:
        """The messages that are whole with these bytes, which came at ``time`` (µs)."""
        out: list[Chunk] = []
        self._out = out
        if self._mode == _TLS:
            return out
        if self._mode == _SEARCH and is_tls(data, 0):
            self._buffer.clear()
            self._mode = _TLS
            return out
        buffer = self._buffer
        self._old = len(buffer)
        self._time = time
        bytes_: _Bytes = data
        if buffer:
            buffer += data
            if len(buffer) < self._need:
                return out
            bytes_ = buffer
        else:
            self._time_of_old = time
        at, size = 0, len(bytes_)
        while at < size:
            at = self._step(bytes_, at)
            if at < 0:
                at = ~at
                break
        if at >= self._old:
            self._time_of_old = time
        if bytes_ is buffer:
            del buffer[:at]
        else:
            buffer += data[at:]
        self._out = []  # else the stream would hold them until its next segment
        return out

    def end_body(self) -> list[Chunk]:
        """The message of which only the next one could tell where it ends: it ends here."""
        if self._mode != _OPEN:
            return []
        message = (self._time_of_old, bytes(self._buffer))
        self._buffer.clear()
        self._begin(_SIP)
        return [message]

    def cut(self, cause: int) -> None:
        """What comes next does not follow what came: a message that has begun is lost by it."""
        if self._mode == _TLS:
            return
        if self._mode != _SEARCH and self.is_inside:
            self._counts[_FOUND] += 1
            self._counts[cause] += 1
        self._buffer.clear()
        self._fragments.clear()
        self._begin(_SEARCH)

    def _begin(self, mode: int) -> None:
        """At a new message, frame or search."""
        self._mode = mode
        self._need = self._line = self._scanned = self._skip = 0
        if mode == _SEARCH:
            self._is_first = self._is_doubtful = True
            self._is_counted = False

    def _step(self, data: _Bytes, at: int) -> int:
        mode = self._mode
        if mode == _SIP:
            return self._read_message(data, at)
        if mode == _FRAMES:
            return self._read_frame(data, at)
        if mode == _OPEN:
            return self._read_open_body(data, at)
        return self._search(data, at)

    def _put(self, begin: int, message: bytes) -> None:
        time = self._time_of_old if begin < self._old else self._time
        self._out.append((time, message))

    def _read_message(self, data: _Bytes, at: int) -> int:
        if not self._line:
            if data[at] in _BLANK:
                blanks = _BLANKS.match(data, at)
                return blanks.end() if blanks else at + 1
            line = start_line.find_end(data, at)
            if line <= 0:
                if not line:
                    return ~at
                self._begin(_SEARCH)
                self._skip = 1
                return at
            self._line = self._scanned = line - at
        if not self._need:
            step = self._read_head(data, at)
            if step != at:
                return step
        end = at + self._need
        if len(data) < end:
            return ~at
        if self._mode == _SIP:
            self._put(at, bytes(data[at:end]))
            self._begin(_SIP)
            return end
        return at

    def _read_head(self, data: _Bytes, at: int) -> int:
        """``at`` if the headers are there, and what they say of the body is known."""
        line = at + self._line
        begin, limit = at + self._scanned, len(data)
        inner = -1
        if self._is_doubtful:
            after = line + 1
            inner = start_line.find_next(data, after, max(after, begin - start_line.LOOK_BACK))
            limit = inner if inner >= 0 else limit
        if data[line] == _LF:
            head, body = find_empty_line(data, begin, limit) or (-1, -1)
        else:
            head = data.find(_EMPTY_LINE, begin, limit)
            body = head + len(_EMPTY_LINE)
        if head < 0 and inner >= 0:
            self._begin(_SIP)
            return inner
        held = len(data) - at
        if head < 0 and held < MAX_HEAD + len(_EMPTY_LINE):
            self._scanned = max(self._line, held - len(_EMPTY_LINE) + 1)
            return ~at
        if head < 0 or head - at > MAX_HEAD:
            return self._give_up(at + MAX_HEAD)
        self._is_doubtful = False
        size = _body_size(data, at, head)
        if size < 0:
            self._begin(_OPEN)
            self._line = self._scanned = body - at
        elif body - at + size > MAX_MESSAGE:
            return self._give_up(body)
        else:
            self._need = body - at + size
        return at

    def _give_up(self, at: int) -> int:
        """The message is too large: search from ``at``, which is within it."""
        self._counts[_FOUND] += 1
        self._counts[_TOO_LARGE] += 1
        self._begin(_SEARCH)
        return at

    def _read_open_body(self, data: _Bytes, at: int) -> int:
        body = at + self._line
        end = start_line.find_next(data, body, at + self._scanned)
        held = (end if end >= 0 else len(data)) - at
        if held > MAX_MESSAGE:
            return self._give_up(body)
        if end < 0:
            self._scanned = max(self._line, held - start_line.LOOK_BACK)
            return ~at
        self._put(at, bytes(data[at:end]))
        self._begin(_SIP)
        return end

    def _read_frame(self, data: _Bytes, at: int) -> int:
        first, begin, size, masked = websocket.read_header(data, at)
        if first < 0:
            if first == websocket.MISSING:
                return ~at
            self._fragments.give_up()
            self._begin(_SIP)
            return at
        end = begin + size
        self._need = end - at
        if len(data) < end:
            return ~at
        self._need = 0
        if not websocket.is_control(first):
            time = self._time_of_old if at < self._old else self._time
            message = self._fragments.add(time, first, websocket.payload(data, begin, end, masked))
            if message and start_line.find_end(message, 0) > 0:
                self._out.append((self._fragments.time, message))
        return end

    def _search(self, data: _Bytes, at: int) -> int:
        size = len(data)
        if self._is_first:
            if size - at < websocket.HTTP_PREFIX:
                return ~at
            if is_tls(data, at):
                self._begin(_TLS)
                return size
            if websocket.is_http(data, at):
                return self._read_handshake(data, at)
            self._is_first = False
        begin = at + self._scanned
        found = frame = -1
        while begin < size and found < 0 and frame < 0:
            end = begin + _STRETCH
            found = start_line.find_next(data, at + self._skip, max(begin, at + self._skip), end)
            frame = websocket.find_frame(data, begin, end if found < 0 else found)
            begin = end - start_line.LOOK_BACK
        mode = _SIP
        if frame >= 0:
            found, mode = frame, _FRAMES
        if found < 0:
            unknown = size - start_line.LOOK_BACK
            found = max(
                at,
                unknown - start_line.MAX_START_LINE,
                min(unknown, data.rfind(b"\n", at, size)),
            )
            self._scanned = max(0, unknown - found)
            self._skip = self._skip if found == at else 0
            self._count_garbage(found > at)
            return ~found
        self._count_garbage(found > at)
        self._begin(mode)
        return found

    def _read_handshake(self, data: _Bytes, at: int) -> int:
        """Skip the head of an HTTP request or response."""
        end = data.find(_EMPTY_LINE, at + self._scanned, at + websocket.MAX_HANDSHAKE)
        held = len(data) - at
        if end < 0:
            self._scanned = max(0, held - len(_EMPTY_LINE) + 1)
            if held < websocket.MAX_HANDSHAKE:
                return ~at
            self._is_first = False
            self._scanned = 0
            return at
        if websocket.is_upgrade(bytes(data[at : end + 2])):
            self._begin(_FRAMES)
        else:
            self._count_garbage(True)
            self._scanned = self._skip = 0
        return end + len(_EMPTY_LINE)

    def _count_garbage(self, is_garbage: bool) -> None:
        if is_garbage and not self._is_counted:
            self._counts[_GARBAGE] += 1
            self._is_counted = True
