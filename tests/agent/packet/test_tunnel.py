# SPDX-License-Identifier: GPL-2.0-or-later
"""Tunnels: the inner packet comes out, once, with the inner addresses."""

from __future__ import annotations

import struct

import pytest

from agent.count import Count
from agent.packet.decoder import MAX_TUNNELS, Decoder
from agent.packet.packet import Packet
from tests.agent.packet import frames
from tests.agent.packet.frames import A6, B6, IPV4, IPV6, Counts

X, Y = b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02"
SIP = frames.sip("tunnel")
V4 = frames.ip4(frames.udp(SIP), src=X, dst=Y)
V6 = frames.ip6(frames.udp(SIP))
TCP = frames.ip4(frames.tcp(SIP), frames.TCP, src=X, dst=Y)
INNER = frames.ethernet(V4)
TAGGED = frames.ethernet(V4, tags=((0x8100, 33),))


def _decode(packet: bytes, *, erspan: bool = False) -> tuple[list[Packet], Counts]:
    counts = Counts()
    decoder = Decoder(1, erspan=erspan, counts=counts.row)
    kind = IPV4 if packet[0] >> 4 == 4 else IPV6
    return list(decoder.decode(1, frames.ethernet(packet, kind) + bytes(5))), counts


def _gre(payload: bytes, kind: int, flags: int = 0, fields: bytes = b"") -> bytes:
    return frames.ip4(frames.gre(payload, kind, flags, fields), 47)


ROUTES = struct.pack(">HBBI", 0x0800, 0, 4, 1) + bytes(4)
TUNNELS = {
    "IPv4 in IPv4": frames.ip4(V4, 4),
    "IPv6 in IPv4": frames.ip4(V6, 41),
    "IPv4 in IPv6": frames.ip6(V4, 4),
    "IPv6 in IPv6": frames.ip6(V6, 41),
    "GRE": _gre(V4, IPV4),
    "GRE, IPv6": _gre(V6, IPV6),
    "GRE, checksum": _gre(V4, IPV4, 0x8000, bytes(4)),
    "GRE, key": _gre(V4, IPV4, 0x2000, bytes(4)),
    "GRE, all fields": _gre(V4, IPV4, 0xB000, bytes(12)),
    "GRE, routing": _gre(V4, IPV4, 0x4000, bytes(4) + ROUTES),
    "GRE, Ethernet": _gre(INNER, 0x6558),
    "GRE, MPLS": _gre(struct.pack(">I", 0x140) + V4, 0x8847),
    "GRE in IPv6": frames.ip6(frames.gre(V4, IPV4), 47),
    "EtherIP": frames.ip4(b"\x30\x00" + INNER, 97),
    "VXLAN": frames.ip4(frames.vxlan(INNER)),
    "VXLAN, TCP": frames.ip4(frames.vxlan(frames.ethernet(TCP))),
    "Geneve": frames.ip4(frames.geneve(INNER, 0x6558)),
    "Geneve, options, IPv4": frames.ip4(frames.geneve(V4, IPV4, bytes(8))),
    "HPERM": frames.ip4(frames.hperm(INNER)),
    "HPERM, from its port": frames.ip4(frames.udp(frames.hperm(INNER)[8:], 7932, 50000)),
    "HPERM, 0x00": frames.ip4(frames.hperm(INNER, 0x00)),
    "tunnel in a tunnel": frames.ip4(frames.vxlan(frames.ethernet(_gre(V4, IPV4)))),
}
ERSPAN = {
    "ERSPAN II": frames.ip4(frames.erspan_2(INNER), 47),
    "ERSPAN III": frames.ip4(frames.erspan_3(INNER), 47),
    "ERSPAN III, subheader": frames.ip4(frames.erspan_3(INNER, subheader=True), 47),
    "ERSPAN III, IP": _gre(bytes([0x20, *bytes(9), 2 << 2, 0]) + V4, 0x22EB, 0x1000, bytes(4)),
}
ERSPAN_1 = _gre(INNER, 0x88BE)


def _assert_inner(found: list[Packet], name: str) -> None:
    assert len(found) == 1, "the inner packet comes once"
    packet = found[0]
    assert packet.payload == SIP
    assert (packet.src_port, packet.dst_port) == (5060, 5061)
    inner_6 = name.endswith("IPv6") or name.startswith("IPv6")
    assert (packet.src_ip, packet.dst_ip) == ((A6, B6) if inner_6 else (X, Y)), name
    assert packet.protocol == (frames.TCP if "TCP" in name else frames.UDP)


@pytest.mark.parametrize("name", [*TUNNELS])
def test_a_tunnel_gives_the_inner_packet_once(name: str) -> None:
    """Also IPv4 in IPv4, which heplify sends twice."""
    found, counts = _decode(TUNNELS[name])
    _assert_inner(found, name.removesuffix(" in IPv6") if name != "IPv6 in IPv6" else name)
    assert not list(counts)


@pytest.mark.parametrize("name", [*ERSPAN])
def test_erspan_headers_are_skipped_with_the_flag(name: str) -> None:
    """Version 1 has 8 bytes, version 2 has 12, or 20 with the O bit."""
    found, _counts = _decode(ERSPAN[name], erspan=True)
    _assert_inner(found, name)


@pytest.mark.parametrize("name", [*ERSPAN])
def test_without_the_flag_gre_holds_an_ethernet_frame_at_once(name: str) -> None:
    """So an ERSPAN header is taken for one, and nothing comes of it."""
    found, counts = _decode(ERSPAN[name])
    assert not found
    assert counts.frames() == 1


@pytest.mark.parametrize("erspan", [False, True])
def test_erspan_i_has_no_header(erspan: bool) -> None:
    """Told by the missing sequence number."""
    _assert_inner(_decode(ERSPAN_1, erspan=erspan)[0], "ERSPAN I")


@pytest.mark.parametrize("cut", [1, 30, 200])
@pytest.mark.parametrize("name", [*TUNNELS, *ERSPAN])
def test_a_tunnel_cut_off_while_capturing_gives_no_half_message(name: str, cut: int) -> None:
    """Though the outer packet is the one whose end is missing."""
    counts = Counts()
    packet = (TUNNELS | ERSPAN)[name]
    frame = frames.ethernet(packet, IPV4 if packet[0] >> 4 == 4 else IPV6)[:-cut]
    found = Decoder(1, erspan=True, counts=counts.row).decode(1, frame)
    if name.endswith("TCP") and cut < len(SIP):
        assert [part.payload for part in found] == [SIP[:-cut]]
    else:
        assert not found
        assert counts.frames() == 1


def test_the_innermost_tag_counts_and_the_outer_one_holds_without() -> None:
    """On both sides of a tunnel's header."""
    counts = Counts()
    decoder = Decoder(1, erspan=False, counts=counts.row)
    for inner, vlan in ((TAGGED, 33), (INNER, 44)):
        frame = frames.ethernet(frames.ip4(frames.vxlan(inner)), tags=((0x8100, 44),))
        assert [packet.vlan for packet in decoder.decode(1, frame)] == [vlan]


def test_tunnels_in_one_another_are_bounded() -> None:
    """The last one that is read, and one more."""
    packet = V4
    for _ in range(MAX_TUNNELS):
        packet = frames.ip4(packet, 4)
    assert len(_decode(packet)[0]) == 1
    found, counts = _decode(frames.ip4(packet, 4))
    assert not found
    assert dict(counts) == {Count.NESTED: 1}


@pytest.mark.parametrize(
    ("src_port", "dst_port", "payload"),
    [
        (5060, 4789, SIP),
        (5060, 6081, SIP),
        (5060, 7932, SIP),
        (7932, 5060, SIP),
        (5060, 4789, b"\r\n\r\n" + SIP),
        (5060, 6081, b"\r\n\r\n" + SIP),
        (5060, 6081, b"\x40\x00\x08\x00" + bytes(4) + V4),
        (4789, 5060, b"\x08" + bytes(7) + INNER),
        (5060, 7932, bytes(9) + b"\x00\x00\x01" + INNER),
        (5060, 7932, bytes(8) + b"\x01\x00\x00\x00" + INNER),
    ],
)
def test_a_tunnels_port_alone_makes_no_tunnel(src_port: int, dst_port: int, payload: bytes) -> None:
    """A phone may use any port."""
    found, _counts = _decode(frames.ip4(frames.udp(payload, src_port, dst_port)))
    assert [packet.payload for packet in found] == [payload]


def test_a_fragmented_tunnel_and_fragments_in_a_tunnel() -> None:
    """Outer and inner datagrams are put together one after the other."""
    counts = Counts()
    decoder = Decoder(1, erspan=False, counts=counts.row)
    inner = frames.fragments4(frames.udp(SIP), [10, 20])
    outer = [
        fragment
        for number, packet in enumerate(inner)
        for fragment in frames.fragments4(frames.vxlan(frames.ethernet(packet)), [6], number=number)
    ]
    found = [p for packet in outer for p in decoder.decode(1, frames.ethernet(packet))]
    assert [packet.payload for packet in found] == [SIP]
    assert dict(counts) == {Count.USED: len(outer) - 1}


@pytest.mark.parametrize(
    ("packet", "cause"),
    [
        (_gre(V4, IPV4, 0x0001), Count.OTHER_PROTOCOL),
        (frames.ip4(b"\x20\x00" + INNER, 97), Count.BAD_HEADER),
        (_gre(bytes(40), 0x88BE, 0x1000, bytes(4)), Count.BAD_HEADER),
        (_gre(V4, IPV4, 0x4000, bytes(4) + b"\x08\x00\x00\x00" * 100), Count.NESTED),
        (frames.ip4(frames.vxlan(frames.ethernet(bytes(46), 0x0806))), Count.NOT_IP),
        (_gre(b"", IPV4), Count.SHORT),
    ],
)
def test_what_cannot_be_read_is_counted(packet: bytes, cause: Count) -> None:
    """By cause."""
    found, counts = _decode(packet, erspan=True)
    assert not found
    assert dict(counts) == {cause: 1}
