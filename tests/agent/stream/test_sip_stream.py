# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of cutting SIP messages out of the bytes of a stream."""

from __future__ import annotations

import pytest

from agent.count import Count
from agent.stream.sip_stream import is_message
from agent.stream.start_line import MAX_START_LINE
from agent.stream.websocket import MAX_MESSAGE
from collector.sip import MAX_HEAD
from tests.agent.stream.segments import ACK, FIN, SECOND, SYN, Capture, request, segment

NEXT = request(b"BYE")


def read(stream: bytes, *, joined: bool = False) -> tuple[Capture, list[bytes]]:
    """The messages of a stream in one segment; no end is seen."""
    capture = Capture()
    if not joined:
        capture.feed([segment(b"", -1, flags=SYN)])
    return capture, capture.feed([segment(stream, 0)])


def test_usual_message_is_taken_as_it_is() -> None:
    """Not copied: the segment that is one message is the message."""
    capture, _ = read(NEXT)
    packet = segment(NEXT, len(NEXT))
    assert capture.streams.feed(packet)[0] is packet


@pytest.mark.parametrize(
    "message",
    [
        request(b"INVITE", b"v=0\r\n"),
        request(b"KDMQ"),
        request(b"a.b-c!%*_+`'~9"),
        b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"SIP/2.0 200\r\nl: 0\r\n\r\n",
        b"SIP/2.0 200 \r\nl: 0\r\n\r\n",
        request(length=b"L:\r\n\t0"),
        request(length=b"Subject: a\r\n b\r\ncontent-LENGTH  : 0"),
        request(b"INVITE", b"abc", length=b"Content-Length: 3\r\nContent-Length: 7"),
        request(b"INVITE", b"abc", length=b"Content-Length:0003"),
        request(b"INVITE", b"abc", length=b"X-Content-Length: 9\r\nl: 3"),
        request(b"ACK", length=b""),
        request(length=b"X: 1").replace(b"\r\n", b"\n"),
        request(b"INVITE", b"abc").replace(b"\r\n", b"\n"),
    ],
)
def test_forms_of_one_message(message: bytes) -> None:
    """Any method, Content-Length in any spelling, folded, repeated or absent, bare LF."""
    capture, found = read(message + NEXT)
    assert found == [message, NEXT]
    assert capture[Count.STREAM_GARBAGE] == 0
    capture.check()


def test_body_without_length_ends_at_the_next_start_line() -> None:
    """And no earlier: RFC 3261 §18.3 leaves nothing else."""
    message = request(b"INVITE", b"v=0\r\ns=-\r\n", length=b"Subject: x")
    capture, found = read(message)
    assert found == []
    assert capture.feed([segment(NEXT, len(message))]) == [message, NEXT]


@pytest.mark.parametrize("cut", range(1, 40))
def test_start_line_behind_a_body_without_length_in_two_segments(cut: int) -> None:
    """Wherever it is cut."""
    message = request(b"INVITE", b"v" * 200 + b"\r\n", length=b"Subject: x")
    capture, found = read(message + NEXT[:cut])
    found += capture.feed([segment(NEXT[cut:], len(message) + cut)])
    assert found == [message, NEXT]


def test_body_without_length_ends_with_silence_or_the_stream() -> None:
    """Whichever comes first; its time is that of its first byte."""
    message = request(b"INVITE", b"v=0\r\ns=-\r\n", length=b"Content-Length: -5")
    capture, _ = read(message)
    assert capture.expire(SECOND - 1) == []
    assert capture.expire(SECOND) == [message]
    assert capture.messages[0].time == 0
    capture, _ = read(message)
    assert capture.feed([segment(b"", len(message), flags=FIN | ACK)]) == [message]
    assert capture[Count.FOUND] == 0


@pytest.mark.parametrize("length", [b"1000000000000", b"9" * 5000, b"%d" % MAX_MESSAGE])
def test_too_large_body_is_skipped(length: bytes) -> None:
    """Lost and counted; the next start line goes on."""
    large = request(b"INVITE", length=b"Content-Length: " + length)
    capture, found = read(large + b"body\r\n" + NEXT)
    assert found == [NEXT]
    assert capture[Count.TCP_TOO_LARGE] == capture[Count.FOUND] == 1
    capture.check()


def test_largest_message_is_found() -> None:
    """To the byte."""
    head = len(request(b"INVITE", b"", length=b"l: 262000\r\nc: a/b"))
    size = MAX_MESSAGE - head
    message = request(b"INVITE", length=b"l: %d\r\nc: a/b" % size) + b"x" * size
    assert len(message) == MAX_MESSAGE
    assert read(message)[1] == [message]
    longer = request(b"INVITE", length=b"l: %d\r\nc: a/b" % (size + 1)) + b"x" * (size + 1)
    capture, found = read(longer + NEXT)
    assert found == [NEXT]
    assert capture[Count.TCP_TOO_LARGE] == 1


def test_endless_headers_are_given_up() -> None:
    """Behind the longest head that anyone reads."""
    capture, _ = read(request(length=b"X: y")[:-2])
    at = len(request(length=b"X: y")[:-2])
    line = b"X: " + b"y" * 1000 + b"\r\n"
    for _ in range(200):
        assert capture.feed([segment(line, at)]) == []
        at += len(line)
        assert capture.streams.held < MAX_HEAD + 2 * len(line)
    assert capture[Count.TCP_TOO_LARGE] == 1
    assert capture.feed([segment(NEXT, at)]) == [NEXT]
    capture.check()


def test_garbage_is_skipped_and_counted_once_a_stretch() -> None:
    """Up to the next start line, also if the garbage ends without a line end."""
    capture, found = read(NEXT + b"{}\r\nmore\r\n" + NEXT + b"{{hi}" + NEXT + b"</x>")
    assert found == [NEXT, NEXT, NEXT]
    assert capture[Count.STREAM_GARBAGE] == 2


def test_start_line_that_is_too_long_is_garbage() -> None:
    """Such a line is not waited for."""
    line = b"INVITE sip:" + b"a" * MAX_START_LINE
    capture, found = read(line + b" SIP/2.0\r\n\r\n" + NEXT)
    assert found == [NEXT]
    assert capture[Count.STREAM_GARBAGE] == 1


def test_joined_in_the_middle_of_a_message() -> None:
    """Its rest is skipped, a status line in a body is no message."""
    body = b"SIP/2.0 200 OK\r\n"
    rest = request(b"NOTIFY", body)[10:]
    capture, found = read(rest + NEXT, joined=True)
    assert found == [NEXT]
    assert capture[Count.FOUND] == 0
    assert read(b"ITE sip:b@h SIP/2.0\r\nl: 0\r\n\r\n" + NEXT, joined=True)[1] == [NEXT]


def test_a_status_line_in_a_header_is_no_message() -> None:
    """Where the beginning of the headers is missing."""
    rest = b'Warning: 399 h "SIP/2.0 200 OK"\r\nX: a SIP/2.0 200 OK\r\n\r\n'
    assert read(rest + NEXT, joined=True)[1] == [NEXT]


def test_joined_at_the_beginning_of_a_message() -> None:
    """Nothing is lost then, whatever the method."""
    capture, found = read(request(b"KDMQ") + NEXT, joined=True)
    assert found == [request(b"KDMQ"), NEXT]
    assert capture[Count.STREAM_GARBAGE] == 0


@pytest.mark.parametrize("first", [0x16, 0x17])
@pytest.mark.parametrize("joined", [True, False])
def test_tls_is_left_alone_until_the_stream_ends(first: int, joined: bool) -> None:
    """Counted; a new connection from the same port may be SIP."""
    record = bytes((first, 3, 1, 2, 0)) + b"x" * 512
    capture, found = read(record, joined=joined)
    assert found == []
    assert capture.feed([segment(NEXT, len(record)), segment(NEXT, 4000)]) == []
    assert capture[Count.TLS] == 3
    assert capture.streams.held == 0
    capture.feed([segment(b"", 7_000, flags=SYN)])
    assert capture.feed([segment(NEXT, 7_001)]) == [NEXT]
    capture.check()


@pytest.mark.parametrize("ping", [b"\r\n\r\n", b"\r\n", b"\0", b"\0\0\0\0"])
def test_keepalives_are_ignored(ping: bytes) -> None:
    """RFC 5626 §3.5.1, and what some send instead."""
    capture, found = read(ping)
    assert found == []
    assert capture.feed([segment(ping + NEXT, len(ping))]) == [NEXT]
    assert capture[Count.TCP_KEEPALIVE] == 1
    capture.check()


def test_other_protocols_are_unknown() -> None:
    """Neither held nor found."""
    capture, found = read(b"GET /status HTTP/1.1\r\nHost: h\r\n\r\n" + b"SSH-2.0-x\r\n" * 100)
    assert found == []
    assert capture[Count.TCP_UNKNOWN] == 1
    assert capture[Count.STREAM_GARBAGE] == 1
    capture.check()


def test_what_is_a_message_at_first_sight() -> None:
    """Only what is exactly one in the usual form; the rest is looked at closely."""
    message = request(b"INVITE", b"v=0\r\n")
    assert is_message(message)
    large = request(b"INVITE", b"x" * MAX_MESSAGE)
    bare = message.replace(b"\r\n", b"\n", 1)
    assert not is_message(large)
    assert not is_message(bare)
    for other in (message + b"\r\n", message[:-1], message[1:-1], b"\r\n" + message, b"", b"x"):
        assert not is_message(other)
