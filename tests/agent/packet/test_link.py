# SPDX-License-Identifier: GPL-2.0-or-later
"""Link layers and tags: each leads to the same packet."""

from __future__ import annotations

import struct

import pytest

from agent.count import Count
from agent.packet.decoder import Decoder
from tests.agent.packet import frames
from tests.agent.packet.frames import IPV4, IPV6, Counts

SIP = frames.sip("link")
V4 = frames.ip4(frames.udp(SIP))
V6 = frames.ip6(frames.udp(SIP))
PADDING = bytes(9)
SNAP = b"\xaa\xaa\x03\x00\x00\x00"


def _decode(linktype: int, frame: bytes) -> tuple[list[tuple[bytes, int, bytes]], Counts]:
    counts = Counts()
    found = Decoder(linktype, erspan=False, counts=counts.row).decode(1, frame)
    return [(packet.src_ip, packet.vlan, packet.payload) for packet in found], counts


FRAMES = {
    "ethernet": (1, frames.ethernet(V4), V4, 0),
    "ethernet, IPv6": (1, frames.ethernet(V6, IPV6), V6, 0),
    "802.1Q": (1, frames.ethernet(V4, tags=((0x8100, 0xE005),)), V4, 5),
    "802.1Q, IPv6": (1, frames.ethernet(V6, IPV6, tags=((0x8100, 5),)), V6, 5),
    "QinQ": (1, frames.ethernet(V4, tags=((0x88A8, 100), (0x8100, 7))), V4, 7),
    "stacked 802.1Q": (1, frames.ethernet(V4, tags=((0x8100, 1), (0x8100, 2), (0x8100, 3))), V4, 3),
    "old QinQ": (1, frames.ethernet(V4, tags=((0x9100, 100), (0x8100, 4095))), V4, 4095),
    "LLC and SNAP": (1, frames.ethernet(SNAP + b"\x08\x00" + V4, 8 + len(V4)), V4, 0),
    "MPLS": (1, frames.ethernet(struct.pack(">II", 0x10040, 0x20140) + V4, 0x8847), V4, 0),
    "MPLS, IPv6": (1, frames.ethernet(struct.pack(">I", 0x20140) + V6, 0x8848), V6, 0),
    "pseudowire": (
        *(1, frames.ethernet(struct.pack(">II", 0x20140, 0) + frames.ethernet(V4), 0x8847)),
        *(V4, 0),
    ),
    "PPPoE": (1, frames.ethernet(frames.pppoe(V4), 0x8864), V4, 0),
    "PPPoE in a VLAN": (
        *(1, frames.ethernet(frames.pppoe(V6, 0x0057), 0x8864, tags=((0x8100, 9),))),
        *(V6, 9),
    ),
    "SLL": (113, frames.sll(V4), V4, 0),
    "SLL, IPv6": (113, frames.sll(V6, IPV6), V6, 0),
    "SLL, tagged": (113, frames.sll(struct.pack(">HH", 12, IPV4) + V4, 0x8100), V4, 12),
    "SLL2": (276, frames.sll2(V4), V4, 0),
    "SLL2, IPv6": (276, frames.sll2(V6, IPV6), V6, 0),
    "SLL2, tagged": (276, frames.sll2(struct.pack(">HH", 12, IPV4) + V4, 0x8100), V4, 12),
    "raw IP": (101, V4, V4, 0),
    "raw IP, IPv6": (12, V6, V6, 0),
    "raw IP, OpenBSD": (14, V4, V4, 0),
    "DLT_IPV4": (228, V4, V4, 0),
    "DLT_IPV6": (229, V6, V6, 0),
    "NULL": (0, b"\x02\x00\x00\x00" + V4, V4, 0),
    "NULL of a big-endian host": (0, b"\x00\x00\x00\x1e" + V6, V6, 0),
    "LOOP": (108, b"\x00\x00\x00\x02" + V4, V4, 0),
    "PPP": (9, b"\x00\x21" + V4, V4, 0),
    "PPP as in HDLC": (50, b"\xff\x03\x00\x57" + V6, V6, 0),
    "PPP, compressed protocol": (9, b"\x21" + V4, V4, 0),
    "PPP_ETHER": (51, frames.pppoe(V4), V4, 0),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_link_layer_and_tag_leads_to_the_packet(name: str) -> None:
    """Padding behind it is cut off, and the innermost id is reported."""
    linktype, frame, packet, vlan = FRAMES[name]
    found, counts = _decode(linktype, frame + PADDING)
    assert found == [(frames.A4 if packet is V4 else frames.A6, vlan, SIP)]
    assert not list(counts), "a frame that is handed on is the caller's to count"


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_cut_anywhere_gives_nothing_and_is_counted_once(name: str) -> None:
    """As a capture with a snap length leaves it."""
    linktype, frame, _packet, _vlan = FRAMES[name]
    for size in range(len(frame)):
        found, counts = _decode(linktype, frame[:size])
        assert not found
        assert counts.frames() == 1
        if size > len(frame) - len(SIP):
            assert dict(counts) == {Count.TRUNCATED: 1}


@pytest.mark.parametrize(
    ("linktype", "frame"),
    [
        (1, frames.ethernet(bytes(46), 0x0806)),
        (1, frames.ethernet(b"\x42\x42\x03" + bytes(35), 38)),
        (1, frames.ethernet(frames.pppoe(bytes(20), 0xC021), 0x8864)),
        (113, frames.sll(bytes(28), 0x0806)),
        (0, b"\x07\x00\x00\x00" + bytes(30)),
        (101, b"\x00" * 40),
        (9, b"\xc0\x21" + bytes(30)),
    ],
)
def test_what_is_not_ip_is_ignored(linktype: int, frame: bytes) -> None:
    """ARP, spanning tree, PPP's own protocols."""
    found, counts = _decode(linktype, frame)
    assert not found
    assert dict(counts) == {Count.NOT_IP: 1}


def test_tags_without_end_are_malformed() -> None:
    """And do not take time without end."""
    found, counts = _decode(1, frames.ethernet(V4, tags=((0x8100, 1),) * 16_000))
    assert not found
    assert dict(counts) == {Count.NESTED: 1}


def test_a_link_type_that_nobody_can_read_is_refused_at_the_start() -> None:
    """With its number."""
    with pytest.raises(ValueError, match="link type 147"):
        Decoder(147, erspan=False, counts=Counts().row)
