# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of SIP over WebSocket (RFC 7118) as an observer sees it."""

from __future__ import annotations

import pytest

from agent.count import Count
from agent.stream.websocket import MAX_MESSAGE
from tests.agent.stream.segments import (
    HANDSHAKE,
    SWITCHING,
    SYN,
    Capture,
    frame,
    request,
    segment,
)

MESSAGE = request(b"REGISTER")
MASK = b"\x37\xfa\x21\x3d"


def read(stream: bytes, *, joined: bool = False) -> tuple[Capture, list[bytes]]:
    """The messages of a stream in one segment; no end is seen."""
    capture = Capture()
    if not joined:
        capture.feed([segment(b"", -1, flags=SYN)])
    return capture, capture.feed([segment(stream, 0)])


@pytest.mark.parametrize("mask", [b"", MASK])
@pytest.mark.parametrize(
    "handshake",
    [HANDSHAKE, SWITCHING, HANDSHAKE.replace(b"Upgrade: websocket", b"upgrade:WebSocket")],
)
def test_both_directions(handshake: bytes, mask: bytes) -> None:
    """The handshake is skipped; several frames in a segment, no Content-Length needed."""
    bare = request(b"MESSAGE", length=b"X: y") + b"hello"
    capture, found = read(
        handshake + frame(MESSAGE, mask=mask) + frame(bare, first=0x82, mask=mask)
    )
    assert found == [MESSAGE, bare]
    assert capture[Count.USED] == 1
    capture.check()


@pytest.mark.parametrize("size", [100, 125, 126, 65_535, 65_536, 100_000])
def test_lengths_of_7_16_and_64_bits(size: int) -> None:
    """RFC 6455 §5.2."""
    head = b"SIP/2.0 200 OK\r\n\r\n"
    message = head + b"x" * (size - len(head))
    assert read(HANDSHAKE + frame(message) + frame(MESSAGE))[1] == [message, MESSAGE]


def test_control_frames_between_fragments() -> None:
    """RFC 6455 §5.4; a frame of control alone is nothing of a message."""
    stream = (
        *(frame(MESSAGE[:5], first=1, mask=MASK), frame(b"ping", first=0x89, mask=MASK)),
        *(frame(b"", first=0), frame(MESSAGE[5:], first=0x80), frame(b"\x03\xe8", first=0x88)),
    )
    assert read(HANDSHAKE + b"".join(stream))[1] == [MESSAGE]
    capture, _ = read(HANDSHAKE + frame(b"ping", first=0x89))
    assert capture[Count.TCP_UNKNOWN] == 1


def test_keepalives_in_frames_are_ignored() -> None:
    """RFC 7118 leaves them to the frames, some send CRLF all the same."""
    assert read(HANDSHAKE + frame(b"\r\n\r\n") + frame(MESSAGE))[1] == [MESSAGE]


@pytest.mark.parametrize("mask", [b"", MASK, b"\x81\x82\x81\x82"])
def test_joined_in_the_middle(mask: bytes) -> None:
    """Even within a frame: the next with a SIP message in it is found."""
    rest = frame(MESSAGE, mask=mask)[50:]
    capture, found = read(rest + frame(MESSAGE, mask=mask) + frame(MESSAGE, mask=mask), joined=True)
    assert found == [MESSAGE, MESSAGE]
    assert capture[Count.FOUND] == 0
    assert read(frame(MESSAGE, mask=mask), joined=True)[1] == [MESSAGE]


def test_compressed_messages_are_counted() -> None:
    """permessage-deflate: nobody who joins can inflate them (RFC 7692)."""
    capture, found = read(
        HANDSHAKE
        + frame(b"\xaa\xbb", first=0xC1)
        + frame(b"\xaa", first=0x41)
        + frame(b"\xbb", first=0x80)
        + frame(MESSAGE)
    )
    assert found == [MESSAGE]
    assert capture[Count.WEBSOCKET_COMPRESSED] == capture[Count.FOUND] == 2
    capture.check()


def test_fragments_that_grow_too_large_are_given_up() -> None:
    """The rest of them is skipped, what is held stays bounded."""
    part = frame(b"x" * 60_000, first=0)
    capture, _ = read(HANDSHAKE + frame(MESSAGE, first=1))
    at = len(HANDSHAKE) + len(frame(MESSAGE))
    for _ in range(20):
        capture.feed([segment(part, at)])
        at += len(part)
        assert capture.streams.held <= MAX_MESSAGE
    assert capture.feed([segment(frame(b"", first=0x80) + frame(MESSAGE), at)]) == [MESSAGE]
    assert capture[Count.TCP_TOO_LARGE] == 1
    capture.check()


@pytest.mark.parametrize(
    "bad", [b"\x81\xff" + b"\xff" * 8, b"\xb1\x05", b"\x83\x05", b"\x09\x01", b"\x89\x7e\x01\x00"]
)
def test_no_frame_is_a_reason_to_search(bad: bytes) -> None:
    """2**63 bytes, reserved bits, unknown opcodes, control frames in parts or too long."""
    capture, found = read(HANDSHAKE + frame(MESSAGE) + bad + b"xxxxxxxx" + frame(MESSAGE))
    assert found == [MESSAGE, MESSAGE]
    assert capture[Count.STREAM_GARBAGE] == 1


def test_a_message_that_never_ends_is_lost_when_another_begins() -> None:
    """Counted."""
    capture, found = read(HANDSHAKE + frame(MESSAGE, first=1) + frame(MESSAGE))
    assert found == [MESSAGE]
    assert capture[Count.TCP_UNFINISHED] == 1
    capture.check()


def test_refused_handshake() -> None:
    """What follows it is searched, and a second try is understood."""
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    assert read(refused + SWITCHING + frame(MESSAGE))[1] == [MESSAGE]
