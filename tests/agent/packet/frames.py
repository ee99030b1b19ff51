# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds frames from the inside out; headers that dpkt has are dpkt's."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import dpkt

from agent.count import Count, Outcome, Unit

A4: Final = b"\x0a\x00\x00\x01"
B4: Final = b"\x0a\x00\x00\x02"
A6: Final = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"
B6: Final = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x02"
IPV4: Final = 0x0800
IPV6: Final = 0x86DD
UDP: Final = 17
TCP: Final = 6
SCTP: Final = 132

OPTIONS: Final = (
    b"OPTIONS sip:%s@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK%s\r\n"
    b"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: %s\r\n"
    b"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def sip(call_id: str) -> bytes:
    """A request of that Call-ID."""
    name = call_id.encode()
    return OPTIONS % (name, name, name)


def ethernet(payload: bytes, kind: int = IPV4, tags: tuple[tuple[int, int], ...] = ()) -> bytes:
    """A frame; ``tags``: type and id of each, outermost first."""
    macs = b"\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01"
    return macs + b"".join(struct.pack(">HH", *tag) for tag in tags) + _u16(kind) + payload


def ip4(
    payload: bytes,
    protocol: int = UDP,
    src: bytes = A4,
    dst: bytes = B4,
    options: bytes = b"",
    number: int = 1,
    place: int = 0,
) -> bytes:
    """An IPv4 packet; ``place`` holds flags and fragment offset as on the wire."""
    size = 20 + len(options)
    packet = dpkt.ip.IP(
        hl=size >> 2, len=size + len(payload), id=number, ttl=64, p=protocol, src=src
    )
    packet.dst = dst
    header = bytearray(packet.pack_hdr()[:20])
    header[6:8] = _u16(place)
    header[10:12] = bytes(2)
    header += options
    header[10:12] = _u16(dpkt.in_cksum(bytes(header)))
    return bytes(header) + payload


def ip6(payload: bytes, protocol: int = UDP, src: bytes = A6, dst: bytes = B6) -> bytes:
    """An IPv6 packet; extension headers are part of ``payload``."""
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + src + dst + payload


def udp(payload: bytes, src: int = 5060, dst: int = 5061, *, size: int | None = None) -> bytes:
    """A UDP datagram without a checksum; ``size`` where the length field lies."""
    return struct.pack(">HHHH", src, dst, 8 + len(payload) if size is None else size, 0) + payload


def tcp(
    payload: bytes,
    src: int = 5060,
    dst: int = 5061,
    sequence: int = 1,
    flags: int = 24,
    options: bytes = b"",
) -> bytes:
    """A TCP segment."""
    offset = 5 + len(options) // 4
    segment = dpkt.tcp.TCP(sport=src, dport=dst, seq=sequence, off=offset, flags=flags)
    return bytes(segment.pack_hdr()[:20]) + options + payload


def chunk(kind: int, flags: int, value: bytes) -> bytes:
    """An SCTP chunk, padded."""
    padding = bytes(-len(value) % 4)
    return struct.pack(">BBH", kind, flags, 4 + len(value)) + value + padding


def data(tsn: int, payload: bytes, flags: int = 3, stream: int = 1, number: int = 0) -> bytes:
    """A DATA chunk; flags: 1 end, 2 begin, 4 unordered."""
    return chunk(0, flags, struct.pack(">IHHI", tsn, stream, number, 0) + payload)


def i_data(
    tsn: int, payload: bytes, flags: int = 3, stream: int = 1, number: int = 0, fsn: int = 0
) -> bytes:
    """An I-DATA chunk; ``fsn`` is the PPID where the message begins."""
    return chunk(64, flags, struct.pack(">IHHII", tsn, stream, 0, number, fsn) + payload)


def sctp(*chunks: bytes, src: int = 5060, dst: int = 5061, tag: int = 7) -> bytes:
    """An SCTP packet; its checksum is not set."""
    return struct.pack(">HHII", src, dst, tag, 0) + b"".join(chunks)


def gre(payload: bytes, kind: int, flags: int = 0, fields: bytes = b"") -> bytes:
    """A GRE packet; ``fields`` as ``flags`` announce them."""
    return struct.pack(">HH", flags, kind) + fields + payload


def erspan_2(frame: bytes) -> bytes:
    """GRE with an ERSPAN type II header."""
    return gre(struct.pack(">HHI", 0x1000 | 20, 5, 0) + frame, 0x88BE, 0x1000, bytes(4))


def erspan_3(frame: bytes, *, subheader: bool = False) -> bytes:
    """GRE with an ERSPAN type III header."""
    header = struct.pack(">HHIHH", 0x2000 | 20, 5, 0, 0, int(subheader))
    return gre(header + bytes(8 * subheader) + frame, 0x22EB, 0x1000, bytes(4))


def vxlan(frame: bytes) -> bytes:
    """VXLAN in UDP."""
    return udp(b"\x08" + bytes(3) + b"\x00\x00\x2a\x00" + frame, 50000, 4789)


def geneve(packet: bytes, kind: int, options: bytes = b"") -> bytes:
    """Geneve in UDP."""
    header = struct.pack(">BBHI", len(options) // 4, 0, kind, 42 << 8)
    return udp(header + options + packet, 50000, 6081)


def hperm(frame: bytes, last: int = 0x80) -> bytes:
    """HPERM in UDP."""
    return udp(bytes(9) + b"\x01\x02" + bytes([last]) + frame, 50000, 7932)


def sll(packet: bytes, kind: int = IPV4) -> bytes:
    """Linux cooked capture, version 1."""
    return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), kind) + packet


def sll2(packet: bytes, kind: int = IPV4) -> bytes:
    """Linux cooked capture, version 2."""
    return struct.pack(">HHIHBB8s", kind, 0, 1, 1, 0, 6, bytes(8)) + packet


def pppoe(packet: bytes, protocol: int = 0x0021) -> bytes:
    """A PPPoE session packet without the Ethernet header."""
    return struct.pack(">BBHHH", 0x11, 0, 1, 2 + len(packet), protocol) + packet


def pieces(payload: bytes, cuts: list[int]) -> list[tuple[int, bytes]]:
    """``payload`` cut at these units of 8 bytes: offset and part."""
    ends = sorted({8 * cut for cut in cuts if 0 < 8 * cut < len(payload)})
    return [
        (begin, payload[begin:end])
        for begin, end in zip([0, *ends], [*ends, len(payload)], strict=True)
    ]


def fragments4(
    payload: bytes, cuts: list[int], protocol: int = UDP, number: int = 1
) -> list[bytes]:
    """IPv4 packets that make up one datagram."""
    return [
        ip4(
            part,
            protocol,
            number=number,
            place=offset >> 3 | (0x2000 if offset + len(part) < len(payload) else 0),
        )
        for offset, part in pieces(payload, cuts)
    ]


def fragments6(
    payload: bytes, cuts: list[int], protocol: int = UDP, number: int = 1
) -> list[bytes]:
    """IPv6 packets that make up one datagram."""
    return [
        ip6(fragment6(part, offset, offset + len(part) < len(payload), protocol, number), 44)
        for offset, part in pieces(payload, cuts)
    ]


def fragment6(part: bytes, offset: int, more: bool, protocol: int = UDP, number: int = 1) -> bytes:
    """A fragment header and what follows it."""
    return struct.pack(">BBHI", protocol, 0, offset | more, number) + part


class Counts:
    """A row of counters, and what has happened to it."""

    def __init__(self) -> None:
        self.row = memoryview(bytearray(8 * len(Count))).cast("Q")

    def __iter__(self) -> Iterator[tuple[Count, int]]:
        return ((count, self.row[count]) for count in Count if self.row[count])

    def frames(self) -> int:
        """Frames counted, whatever became of them."""
        return sum(value for count, value in self if count.unit is Unit.FRAME)

    def lost(self) -> int:
        """Messages counted as lost."""
        return sum(
            value
            for count, value in self
            if count.unit is Unit.MESSAGE and count.outcome is Outcome.LOST
        )


def _u16(number: int) -> bytes:
    return struct.pack(">H", number)
