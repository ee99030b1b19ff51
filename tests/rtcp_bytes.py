# SPDX-License-Identifier: GPL-2.0-or-later
"""RTCP packets, built from RFC 3550 and RFC 3611 without the code that reads them."""

from __future__ import annotations

import struct

BLOCK = (0x1A2B3C4D, 12, 34, 0x00010203, 55, 0x11223344, 0x55667788)
"""SSRC, fraction lost, packets lost, highest sequence number, jitter, LSR, DLSR."""
METRICS = (0x0A0B0C0D, 128, 32, 64, 16, 120, 4000, 48, 80)
"""SSRC, fractions lost and discarded, densities of burst and gap, their times, delays."""


def packet(packet_type: int, count: int, body: bytes) -> bytes:
    """One packet of a compound; the body is a multiple of 4 bytes."""
    return struct.pack(">BBH", 0x80 | count, packet_type, len(body) // 4) + body


def block(values: tuple[int, ...] = BLOCK) -> bytes:
    """A report block; loss may be negative."""
    ssrc, fraction, lost, *rest = values
    return (
        struct.pack(">IB", ssrc, fraction)
        + (lost & 0xFFFFFF).to_bytes(3)
        + struct.pack(">IIII", *rest)
    )


def sender_report(ssrc: int, figures: tuple[int, ...], *blocks: bytes) -> bytes:
    """``figures``: NTP seconds and fraction, RTP time, packets, octets."""
    body = struct.pack(">IIIIII", ssrc, *figures) + b"".join(blocks)
    return packet(200, len(blocks), body)


def receiver_report(ssrc: int, *blocks: bytes) -> bytes:
    return packet(201, len(blocks), struct.pack(">I", ssrc) + b"".join(blocks))


def description(ssrc: int, name: bytes = b"alice@example.com") -> bytes:
    """SDES with a CNAME."""
    item = bytes((1, len(name))) + name + b"\0"
    return packet(202, 1, struct.pack(">I", ssrc) + item + bytes(-len(item) % 4))


def goodbye(ssrc: int) -> bytes:
    return packet(203, 1, struct.pack(">I", ssrc))


def application(ssrc: int) -> bytes:
    return packet(204, 0, struct.pack(">I4s", ssrc, b"test") + bytes(8))


def extended_report(ssrc: int, *blocks: bytes) -> bytes:
    return packet(207, 0, struct.pack(">I", ssrc) + b"".join(blocks))


def voip_metrics(values: tuple[int, ...] = METRICS) -> bytes:
    """Block 7: signal levels and what follows is fixed."""
    rest = bytes((0xEE, 0xC4, 60, 16, 93, 127, 42, 41, 0, 0)) + bytes(6)
    return struct.pack(">BBHIBBBBHHHH", 7, 0, 8, *values) + rest


def reference_time() -> bytes:
    """Block 4 (RFC 3611 §4.4)."""
    return struct.pack(">BBHII", 4, 0, 2, 1, 2)
