# SPDX-License-Identifier: GPL-2.0-or-later
"""IP and transport headers, lengths that lie, and who counts a frame."""

from __future__ import annotations

import random
import struct
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.count import Count
from agent.packet.decoder import Decoder
from agent.packet.packet import Packet
from tests.agent.packet import frames
from tests.agent.packet.frames import A4, A6, B4, B6, IPV4, IPV6, TCP, UDP, Counts
from tests.agent.packet.test_link import FRAMES
from tests.agent.packet.test_tunnel import ERSPAN, TUNNELS

SIP: Final = frames.sip("decoder")
LINKTYPES: Final = (0, 1, 9, 12, 51, 101, 108, 113, 228, 276)
PADDING: Final = bytes(6)


def _decode(packet: bytes, *, erspan: bool = False) -> tuple[list[Packet], dict[Count, int]]:
    counts = Counts()
    decoder = Decoder(1, erspan=erspan, counts=counts.row)
    kind = IPV4 if packet[0] >> 4 == 4 else IPV6
    found = list(decoder.decode(1_700_000_000_123_456, frames.ethernet(packet, kind)))
    assert counts.frames() == (not found), "counted here or by the caller, once"
    return found, dict(counts)


def _assert_sip(packet: bytes, protocol: int = UDP) -> None:
    (found,), _counts = _decode(packet)
    v4 = packet[0] >> 4 == 4
    assert found[:2] == (1_700_000_000_123_456, protocol)
    assert (found.src_ip, found.dst_ip) == ((A4, B4) if v4 else (A6, B6))
    assert (found.src_port, found.dst_port, found.vlan) == (5060, 5061, 0)
    assert found.payload == SIP


def _both(payload: bytes, protocol: int = UDP) -> tuple[bytes, bytes]:
    return frames.ip4(payload, protocol), frames.ip6(payload, protocol)


def test_udp_over_both_families() -> None:
    """With what Ethernet puts behind a short packet."""
    for packet in _both(frames.udp(SIP)):
        _assert_sip(packet)
        _assert_sip(packet + PADDING)


@pytest.mark.parametrize("size", range(4, 44, 4))
def test_ipv4_options_are_skipped(size: int) -> None:
    """Up to 40 bytes of them."""
    _assert_sip(frames.ip4(frames.udp(SIP), options=b"\x01" * size) + PADDING)


def test_ipv6_extension_headers_are_skipped() -> None:
    """Hop-by-hop, destination, routing, AH, mobility and shim6, each leading to the next."""
    sip = frames.udp(SIP)
    shim6 = b"\x11\x00" + bytes(6) + sip
    mobility = b"\x8c\x01" + bytes(14) + shim6
    authentication = b"\x87\x04" + bytes(22) + mobility
    routing = b"\x33\x02" + bytes(22) + authentication
    destination = b"\x2b\x00" + bytes(6) + routing
    hop_by_hop = b"\x3c\x01" + bytes(14) + destination
    _assert_sip(frames.ip6(hop_by_hop, 0) + PADDING)


def test_ah_is_skipped_in_ipv4() -> None:
    """RFC 4302: it authenticates and does not encrypt."""
    _assert_sip(frames.ip4(b"\x11\x04" + bytes(22) + frames.udp(SIP), 51) + PADDING)


def test_too_many_extension_headers_are_malformed() -> None:
    """However many more there are."""
    headers = b"\x3c\x00" + bytes(6)
    packet = frames.ip6(headers * 5000 + frames.udp(SIP), 60)
    assert _decode(packet) == ([], {Count.NESTED: 1})


def test_a_udp_length_below_that_of_ip_cuts_the_rest_off() -> None:
    """What follows the datagram is not part of it."""
    for packet in _both(frames.udp(SIP + b"surplus", size=8 + len(SIP))):
        _assert_sip(packet)


@pytest.mark.parametrize("size", [0, 7, 9 + len(SIP), 65_535])
def test_a_udp_length_that_cannot_be_true_is_malformed(size: int) -> None:
    """None, as in jumbograms, less than its header, more than IP carries."""
    for packet in _both(frames.udp(SIP, size=size)):
        assert _decode(packet) == ([], {Count.BAD_HEADER: 1})


def test_a_udp_datagram_is_whole_or_nothing() -> None:
    """Cut off by the snap length, by any number of bytes; the rest of IP may be missing."""
    for packet in _both(frames.udp(SIP)):
        for cut in range(1, len(SIP) + 8):
            assert _decode(packet[:-cut]) == ([], {Count.TRUNCATED: 1})
    for packet in _both(frames.udp(SIP + b"surplus", size=8 + len(SIP))):
        _assert_sip(packet[:-7])


@pytest.mark.parametrize("protocol", [1, 2, 50, 58, 59, 88, 112])
def test_other_protocols_are_ignored(protocol: int) -> None:
    """ICMP, IGMP, ESP, no next header, OSPF's kin."""
    for packet in _both(bytes(64), protocol):
        assert _decode(packet) == ([], {Count.OTHER_PROTOCOL: 1})


def test_a_datagram_without_payload_is_ignored() -> None:
    """A keep-alive of nothing."""
    for packet in _both(frames.udp(b"")):
        assert _decode(packet + bytes(18)) == ([], {Count.EMPTY: 1})


@pytest.mark.parametrize("options", [b"", b"\x01\x01\x08\x0a" + bytes(8), b"\x01" * 40])
def test_tcp_gives_payload_sequence_and_flags(options: bytes) -> None:
    """Options are skipped, padding is cut off."""
    segment = frames.tcp(SIP, sequence=0xFFFF_FFF0, flags=0xD9, options=options)
    for packet in _both(segment, TCP):
        (found,), _counts = _decode(packet + PADDING)
        assert (found.sequence, found.flags, found.payload) == (0xFFFF_FFF0, 0xD9, SIP)
        _assert_sip(packet, TCP)


@pytest.mark.parametrize("flags", [0x02, 0x12, 0x11, 0x04, 0x14])
def test_segments_that_open_or_end_a_stream_come_without_payload(flags: int) -> None:
    """SYN, FIN and RST; the padding of a short frame is no payload."""
    (found,), _counts = _decode(frames.ip4(frames.tcp(b"", flags=flags), TCP) + PADDING)
    assert (found.flags, found.payload) == (flags, b"")


def test_an_acknowledgement_alone_is_ignored() -> None:
    """It tells a stream nothing."""
    for packet in _both(frames.tcp(b"", flags=16), TCP):
        assert _decode(packet + PADDING) == ([], {Count.EMPTY: 1})


def test_a_segment_cut_off_while_capturing_gives_what_is_there_and_no_fin() -> None:
    """The stream sees the gap; a FIN would have been behind it."""
    for packet in _both(frames.tcp(SIP, flags=0x19), TCP):
        (found,), _counts = _decode(packet[:-10])
        assert (found.payload, found.flags) == (SIP[:-10], 0x10)
        assert _decode(packet[: -len(SIP)]) == ([], {Count.TRUNCATED: 1})


def test_a_segment_that_no_length_field_can_hold_is_taken_to_its_end() -> None:
    """IPv4 and IPv6 say 0 then (BIG TCP); other protocols may not."""
    big = SIP * 400
    for protocol, payload in ((TCP, frames.tcp(big)), (UDP, frames.udp(SIP))):
        v4 = bytearray(frames.ip4(payload[:1000], protocol)[:20] + payload)
        v4[2:4] = bytes(2)
        v6 = bytearray(frames.ip6(payload[:1000], protocol)[:40] + payload)
        v6[4:6] = bytes(2)
        jumbo = struct.pack(">BBBBI", protocol, 0, 0xC2, 4, 8 + len(payload))
        extended = bytearray(frames.ip6(b"", 0) + jumbo + payload)
        for packet in map(bytes, (v4, v6, extended)):
            found, counts = _decode(packet)
            if protocol == TCP:
                assert [part.payload for part in found] == [big]
            else:
                assert not found
                assert counts.keys() <= {Count.BAD_HEADER, Count.EMPTY}


@pytest.mark.parametrize(
    ("at", "value", "cause"),
    [
        (0, 0x65, Count.BAD_HEADER),
        (0, 0x44, Count.BAD_HEADER),
        (3, 19, Count.BAD_HEADER),
        (32, 0x40, Count.BAD_HEADER),
        (32, 0xF0, Count.SHORT),
    ],
)
def test_an_ipv4_or_tcp_header_that_cannot_be_true_is_malformed(
    at: int, value: int, cause: Count
) -> None:
    """Version, header lengths, total length."""
    packet = bytearray(frames.ip4(frames.tcp(b"0123456789"), TCP))
    packet[at] = value
    counts = Counts()
    assert not Decoder(1, erspan=False, counts=counts.row).decode(1, frames.ethernet(bytes(packet)))
    assert dict(counts) == {cause: 1}


def test_every_frame_of_the_link_and_tunnel_tests_is_counted_once() -> None:
    """captured = handed on + counted, with the caller's half done here."""
    counts = Counts()
    handed_on = 0
    cases = [(1, frames.ethernet(packet)) for packet in (TUNNELS | ERSPAN).values()]
    cases += [(linktype, frame) for linktype, frame, _packet, _vlan in FRAMES.values()]
    shapes = [(linktype, frame[:size]) for linktype, frame in cases for size in (20, 60, 4096)]
    for linktype, frame in shapes:
        decoder = Decoder(linktype, erspan=True, counts=counts.row)
        handed_on += bool(decoder.decode(1, frame))
    assert counts.frames() + handed_on == len(shapes)
    assert handed_on >= len(FRAMES)


def _corpus() -> list[bytes]:
    sip = frames.udp(SIP)
    packets = [
        *_both(sip),
        *_both(frames.tcp(SIP), TCP),
        *_both(frames.sctp(frames.data(1, SIP), frames.i_data(2, SIP, 2)), frames.SCTP),
        *(TUNNELS | ERSPAN).values(),
        *frames.fragments4(sip, [4, 8]),
        *frames.fragments6(sip, [4, 8]),
        frames.ip4(b"\x11\x04" + bytes(22) + sip, 51),
    ]
    made = [frames.ethernet(p, IPV4 if p[0] >> 4 == 4 else IPV6) for p in packets]
    return made + [frame for _linktype, frame, _packet, _vlan in FRAMES.values()]


CORPUS: Final = _corpus()


@given(st.sampled_from(LINKTYPES), st.booleans(), st.binary(max_size=200))
def test_any_bytes_are_decoded_or_counted(linktype: int, erspan: bool, frame: bytes) -> None:
    """Nothing raises."""
    counts = Counts()
    found = Decoder(linktype, erspan=erspan, counts=counts.row).decode(1, frame)
    assert counts.frames() == (not found)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.sampled_from(LINKTYPES))
def test_mutated_frames_are_decoded_or_counted(chance: random.Random, linktype: int) -> None:
    """Real ones with bytes changed, lost and added in every layer, through one decoder."""
    counts = Counts()
    decoder = Decoder(linktype, erspan=True, counts=counts.row)
    handed_on = 0
    for time, original in enumerate(CORPUS):
        frame = bytearray(original)
        for _ in range(chance.randrange(4)):
            at = chance.randrange(min(len(frame), 120))
            match chance.randrange(4):
                case 0:
                    frame[at] = chance.choice((0, 1, 4, 6, 0x7F, 0x80, 0xFF))
                case 1:
                    frame[at] ^= 1 << chance.randrange(8)
                case 2:
                    del frame[at : at + chance.randrange(1, 9)]
                case _:
                    frame[at:at] = chance.randbytes(chance.randrange(1, 9))
        found = decoder.decode(time, bytes(frame))
        handed_on += bool(found)
        for packet in found:
            assert len(packet.src_ip) == len(packet.dst_ip)
            assert len(packet.src_ip) in (4, 16)
            assert packet.protocol in (UDP, TCP, frames.SCTP)
            assert type(packet) is Packet
    decoder.expire(10**9)
    assert counts.frames() + handed_on == len(CORPUS)
    assert dict(counts).get(Count.FOUND, 0) == counts.lost()
