# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile streams stay within the bounds of memory, and cost no more than in proportion."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final, TypeAlias

import pytest

from agent.count import Count
from agent.packet.packet import Packet
from agent.stream import reassembly, sip_stream, start_line, websocket
from agent.stream import streams as all_streams
from agent.stream.streams import MAX_HELD, MAX_STREAMS, MAX_WAITING
from agent.stream.websocket import MAX_MESSAGE
from tests.agent.stream.segments import HANDSHAKE, SYN, Capture, frame, request, segment

FILES: Final = {
    module.__file__ for module in (reassembly, sip_stream, start_line, websocket, all_streams)
}
MASK: Final = b"\x81\x82\xfe\x01"

Trace: TypeAlias = Callable[[FrameType, str, Any], Any]


def tiny(stream: bytes, size: int) -> Iterator[Packet]:
    """The stream in segments of this size."""
    for at in range(0, len(stream), size):
        yield segment(stream[at : at + size], at)


def lines_run(packets: list[Packet]) -> int:
    """How many lines of the code of streams these segments make it run."""
    lines = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> Trace:
        nonlocal lines
        lines += event == "line"
        return count

    def enter(entered: FrameType, _event: str, _argument: Any) -> Trace | None:
        return count if entered.f_code.co_filename in FILES else None

    capture = Capture()
    capture.feed([segment(b"", -1, flags=SYN)])
    before = sys.gettrace()
    sys.settrace(enter)
    try:
        capture.feed(packets)
    finally:
        sys.settrace(before)
    capture.check()
    assert capture.streams.held <= MAX_WAITING + MAX_MESSAGE + 70_000
    return lines


def backwards(count: int) -> list[Packet]:
    """One byte each, from the last to the second."""
    return [segment(b"x", at) for at in range(count, 0, -1)]


def covered(count: int) -> list[Packet]:
    """Every fourth byte, then a segment over all of them, again and again."""
    rounds = [segment(b"x", at) for at in range(10, 10 + count, 4)]
    return rounds + [segment(b"y" * count, 10)] * (count // 2)


STREAMS: Final[dict[str, Callable[[int], list[Packet]]]] = {
    "one byte each": lambda n: list(tiny(request(b"INVITE", b"x" * n), 1)),
    "one byte each of a line without end": lambda n: list(tiny(b"A " + b"x" * n, 1)),
    "one byte each of headers without end": lambda n: list(
        tiny(request()[:-2] + b"a:b\r\n" * n, 1)
    ),
    "one byte each of garbage": lambda n: list(tiny(b"{" + b"x" * n, 1)),
    "one byte each of a body without length": lambda n: list(
        tiny(request(b"INVITE", b"v" * n, length=b""), 1)
    ),
    "one byte each of a frame": lambda n: list(tiny(HANDSHAKE + frame(b"x" * n, mask=MASK), 1)),
    "fragments of nothing": lambda n: list(
        tiny(HANDSHAKE + frame(b"x", first=1) + frame(b"", first=0) * n, 1000)
    ),
    "start lines alone": lambda n: list(tiny(b"{" + b"A a: SIP/2.0\r\n" * n, 60_000)),
    "versions alone": lambda n: list(tiny(b"{" + b" SIP/2.0\r\n" * n, 60_000)),
    "versions without line ends": lambda n: list(tiny(b"{" + b" SIP/2.0" * n, 60_000)),
    "garbage between messages": lambda n: list(tiny(b"{" + (request() + b"{}\r\n") * n, 60_000)),
    "garbage between frames": lambda n: list(
        tiny(b"{" + (frame(b"MESSAGE sip:a@b SIP/2.0\r\n\r\n", mask=MASK) + b"\xff") * n, 60_000)
    ),
    "beginnings of frames": lambda n: list(tiny(b"{" + b"\x81\xfe\x01" * n, 60_000)),
    "lengths that are too large": lambda n: list(
        tiny(b"A a: SIP/2.0\r\nl: 1000000000000\r\n\r\n" * n, 60_000)
    ),
    "empty lines": lambda n: list(tiny(b"\r\n" * n, 1000)),
    "last byte first": backwards,
    "covered again and again": covered,
}


@pytest.mark.parametrize("name", STREAMS)
def test_work_is_in_proportion(name: str) -> None:
    """Four times as much of it makes at most about four times as many lines run."""
    make = STREAMS[name]
    less, more = lines_run(make(900)), lines_run(make(3600))
    assert more <= 4.4 * less + 2000


def test_a_million_tiny_segments() -> None:
    """One byte each of messages that are cut nowhere else; all of them are found."""
    message = request(b"INVITE", b"x" * 5000)
    capture = Capture()
    capture.feed([segment(b"", -1, flags=SYN)])
    stream = message * (1_000_000 // len(message))
    held = 0
    for packet in tiny(stream, 1):
        capture.feed([packet])
        held = max(held, capture.streams.held)
    assert len(capture.messages) == 1_000_000 // len(message)
    assert held < len(message)


def test_a_hundred_thousand_half_open_streams() -> None:
    """Bounded; a stream that sends stays known."""
    capture = Capture()
    capture.feed([segment(request(), 0, port=1)])
    for number in range(100_000):
        syn = segment(b"", 7, flags=SYN)._replace(src_ip=number.to_bytes(4, "big"))
        capture.feed([syn])
    assert len(capture.streams) == MAX_STREAMS + 1
    assert capture.streams.held == 0
    assert capture.feed([segment(request(), len(request()), port=1)]) == [request()]
    capture.check()


def test_a_hundred_thousand_streams_that_hold_bytes() -> None:
    """Each begins a message, and shows a gap: what is held stays bounded."""
    capture = Capture()
    part = request(length=b"Content-Length: 2000") + b"x" * 1500
    for number in range(100_000):
        address = number.to_bytes(4, "big")
        capture.feed(
            segment(part, at)._replace(src_ip=address) for at in (0, 2 * len(part), 4 * len(part))
        )
        if not number % 100:
            assert capture.streams.held <= MAX_HELD
    assert len(capture.streams) <= MAX_STREAMS
    assert capture[Count.TCP_CUT] + capture[Count.TCP_CROWDED_OUT] > 100_000 - MAX_STREAMS
    capture.close()
    assert capture.streams.held == 0
    capture.check()
