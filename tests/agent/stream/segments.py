# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP segments, SIP messages and WebSocket frames for the tests of streams."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

from agent.count import Count, Outcome, Unit
from agent.packet.packet import Packet
from agent.stream.streams import Streams
from collector.hep import PROTOCOL_TCP

FIN, SYN, RST, ACK = 1, 2, 4, 16
SECOND: Final = 1_000_000
CLIENT: Final = bytes((192, 0, 2, 1))
SERVER: Final = bytes((192, 0, 2, 2))

HANDSHAKE: Final = (
    b"GET /sip HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


def segment(
    data: bytes, sequence: int, *, time: int = 0, flags: int = ACK, port: int = 40_000
) -> Packet:
    """From client to server; the sequence number is taken modulo 2**32."""
    return Packet(
        *(time, PROTOCOL_TCP, CLIENT, SERVER, port, 5060, 0, data),
        *(sequence & 0xFFFF_FFFF, flags),
    )


def request(method: bytes = b"OPTIONS", body: bytes = b"", *, length: bytes | None = None) -> bytes:
    """A request; ``length`` stands in for the whole Content-Length line, without CRLF."""
    line = b"Content-Length: %d" % len(body) if length is None else length
    return b"".join(
        (
            *(method, b" sip:bob@example.com SIP/2.0\r\n"),
            b"Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK776\r\n",
            *(b"Call-ID: 1@192.0.2.1\r\nCSeq: 1 ", method, b"\r\n"),
            b"Content-Type: application/sdp\r\n" if body else b"",
            *(line, b"\r\n" if line else b"", b"\r\n", body),
        )
    )


def frame(payload: bytes, *, first: int = 0x81, mask: bytes = b"") -> bytes:
    """A WebSocket frame (RFC 6455 §5.2)."""
    size = len(payload)
    flag = 0x80 if mask else 0
    if size < 126:
        header = bytes((first, flag | size))
    elif size < 65_536:
        header = bytes((first, flag | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((first, flag | 127)) + size.to_bytes(8, "big")
    if not mask:
        return header + payload
    return header + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))


class Capture:
    """Streams, what came out of them, and what was counted."""

    def __init__(self) -> None:
        self.counts = memoryview(array("Q", bytes(8 * len(Count))))
        self.streams = Streams(self.counts)
        self.messages: list[Packet] = []
        self.fed = 0

    def feed(self, packets: Iterable[Packet]) -> list[bytes]:
        """The messages that are whole with these segments."""
        found: list[Packet] = []
        for packet in packets:
            self.fed += 1
            found += self.streams.feed(packet)
        return self._take(found)

    def expire(self, now: int) -> list[bytes]:
        """The messages that time brings."""
        return self._take(self.streams.expire(now))

    def close(self) -> list[bytes]:
        """The messages that the end brings."""
        return self._take(self.streams.close())

    def _take(self, found: list[Packet]) -> list[bytes]:
        self.messages += found
        return [packet.payload for packet in found]

    def __getitem__(self, count: Count) -> int:
        return self.counts[count]

    def check(self) -> None:
        """Both balances, as far as streams are part of them."""
        frames = [
            self[count]
            for count in Count
            if count.unit is Unit.FRAME and count.outcome is not Outcome.TOTAL
        ]
        lost = [
            self[count]
            for count in Count
            if count.unit is Unit.MESSAGE and count.outcome is Outcome.LOST
        ]
        assert sum(frames) == self.fed
        assert sum(lost) == self[Count.FOUND]
