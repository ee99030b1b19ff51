# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP v1, v2 and v3 against bytes that were put together by hand, and against anything at all."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import hep
from collector.causes import Cause, Outcome
from collector.hep import CHUNKS, MAX_INFLATED, MAX_OTHER_CHUNKS, Hep
from tests.hep_bytes import (
    DST6,
    MICROSECONDS,
    SECONDS,
    SENDERS,
    SIP,
    SRC4,
    SRC6,
    Expected,
    chunk,
    hep1,
    hep2,
    hep3,
    u8,
    u16,
    u32,
)

FIELD_OF = {
    0x02: "protocol",
    0x03: "src_ip",
    0x04: "dst_ip",
    0x05: "src_ip",
    0x06: "dst_ip",
    0x07: "src_port",
    0x08: "dst_port",
    0x09: "seconds",
    0x0A: "microseconds",
    0x0B: "type",
    0x0C: "capture_id",
    0x0E: "auth_key",
    0x0F: "payload",
    0x10: "payload",
    0x11: "correlation_id",
    0x12: "vlan",
    0x13: "node_name",
}
"""Where the reference says each common chunk ends up; the others are in ``extra``."""

SIZES = {
    0x01: 1,
    0x02: 1,
    0x03: 4,
    0x04: 4,
    0x05: 16,
    0x06: 16,
    0x07: 2,
    0x08: 2,
    0x09: 4,
    0x0A: 4,
    0x0B: 1,
    0x0C: 4,
    0x0D: 2,
    0x12: 2,
    0x16: 2,
    0x17: 1,
    0x18: 1,
    0x20: 2,
    0x21: 2,
    0x23: 4,
    0x27: 2,
    0x28: 2,
}
"""Fixed sizes as the specification has them."""


def _decoded(data: bytes) -> Hep:
    packet = hep.decode(data)
    assert isinstance(packet, Hep), packet
    return packet


@pytest.mark.parametrize("expected", SENDERS, ids=lambda expected: expected.sender)
def test_what_real_senders_emit(expected: Expected) -> None:
    """Every field, whatever order its chunks stand in."""
    packet = _decoded(expected.data)
    assert packet.version == expected.version
    assert packet.protocol == expected.protocol
    assert (packet.src_ip, packet.dst_ip) == (expected.src_ip, expected.dst_ip)
    assert (packet.src_port, packet.dst_port) == (5060, 5061)
    time = (SECONDS, MICROSECONDS) if expected.timed else (0, 0)
    assert (packet.seconds, packet.microseconds) == time
    assert packet.type == expected.type
    assert packet.capture_id == expected.capture_id
    assert packet.payload == expected.payload
    assert packet.correlation_id == expected.correlation_id
    assert packet.node_name == expected.node_name
    assert packet.auth_key == expected.auth_key
    assert packet.vlan == expected.vlan
    assert packet.extra == expected.extra


def test_the_table_is_the_specification() -> None:
    """All ids of revision 37, with their sizes."""
    reserved = set(range(0x19, 0x20))
    assert set(CHUNKS) == set(range(0x01, 0x2A)) - reserved
    assert {n: c.size for n, c in CHUNKS.items() if c.size is not None} == SIZES
    assert all(number == line.number for number, line in CHUNKS.items())
    assert len({line.name for line in CHUNKS.values()}) == len(CHUNKS)


@pytest.mark.parametrize("number", sorted(CHUNKS))
def test_every_chunk_is_found_in_the_result(number: int) -> None:
    """In its field, or in ``extra``."""
    size = CHUNKS[number].size or 6
    data = bytes(range(1, size + 1))
    sent = zlib.compress(data) if number == 0x10 else data
    packet = _decoded(hep3(chunk(number, sent)))
    if number == 0x01:  # the addresses tell the family
        assert packet == _decoded(hep3())
    elif number in FIELD_OF:
        value = getattr(packet, FIELD_OF[number])
        assert value == (data if isinstance(value, bytes) else int.from_bytes(data))
        assert packet.extra == {}
    else:
        assert packet.extra == {number: data}


@pytest.mark.parametrize("number", sorted(SIZES))
@pytest.mark.parametrize("change", [-1, 1, 100])
def test_every_fixed_size_is_checked(number: int, change: int) -> None:
    """A shorter or longer value is refused, not read as far as it goes."""
    data = bytes(SIZES[number] + change)
    assert hep.decode(hep3(chunk(number, data), chunk(0x0F, SIP))) is Cause.HEP_FIELD
    assert hep.decode(hep3(chunk(number, b""), chunk(0x0F, SIP))) is Cause.HEP_FIELD


@pytest.mark.parametrize("number", [0x14, 0x15])
def test_mac_addresses_have_six_or_eight_bytes(number: int) -> None:
    """The specification says uint64, a MAC address has six."""
    for size in range(12):
        found = hep.decode(hep3(chunk(number, bytes(size))))
        assert (found is Cause.HEP_FIELD) == (size not in (6, 8))


@pytest.mark.parametrize("number", sorted(set(CHUNKS) - set(SIZES) - {0x10, 0x14, 0x15}))
def test_other_values_have_any_length(number: int) -> None:
    """Also none."""
    for size in (0, 1, 5, 60_000):
        assert isinstance(hep.decode(hep3(chunk(number, bytes(size)))), Hep)


@given(st.randoms(use_true_random=False), st.sampled_from(SENDERS))
def test_the_order_of_chunks_does_not_matter(chance: random.Random, expected: Expected) -> None:
    """Any order gives the same packet."""
    if expected.version != 3:
        return
    chunks = _chunks_of(expected.data)
    chance.shuffle(chunks)
    assert hep.decode(hep3(*chunks)) == hep.decode(expected.data)


def _chunks_of(data: bytes) -> list[bytes]:
    chunks = []
    position = 6
    while position < len(data):
        length = int.from_bytes(data[position + 4 : position + 6])
        chunks.append(data[position : position + length])
        position += length
    return chunks


@pytest.mark.parametrize("vendor", [1, 2, 3, 4, 5, 0x00FF, 0xFFFF])
@pytest.mark.parametrize("number", [0x01, 0x0C, 0x0F, 0x11, 0x65, 0xFFFF])
def test_vendor_chunks_are_kept_apart(vendor: int, number: int) -> None:
    """Their numbers and sizes are the vendor's own."""
    plain = _decoded(hep3(u32(12, 5), chunk(0x0F, SIP), chunk(0x11, b"id")))
    private = chunk(number, b"private", vendor)
    for chunks in permutations((u32(12, 5), chunk(0x0F, SIP), chunk(0x11, b"id"), private)):
        found = _decoded(hep3(*chunks))
        assert found == plain._replace(extra={vendor << 16 | number: b"private"})
        assert hep.decode(hep.encode(found)) == found


@pytest.mark.parametrize("number", [0, 0x19, 0x1F, 0x2A, 0x65, 0xFFFF])
@pytest.mark.parametrize("size", [0, 1, 300])
def test_unknown_numbers_are_kept(number: int, size: int) -> None:
    """Reserved ones and those of later revisions."""
    found = _decoded(hep3(chunk(number, bytes(size)), chunk(0x0F, SIP)))
    assert found == _decoded(hep3(chunk(0x0F, SIP)))._replace(extra={number: bytes(size)})


def test_only_so_many_unknown_chunks_are_kept() -> None:
    """Ten thousand fit into a packet; the first ones count, and what is known is always read."""
    many = [chunk(0x100 + number, b"") for number in range(5000)]
    found = _decoded(hep3(*many, chunk(0x0F, SIP), u16(0x20, 440)))
    assert len(found.extra) == MAX_OTHER_CHUNKS + 1
    assert (found.payload, found.extra[0x20]) == (SIP, b"\x01\xb8")


@pytest.mark.parametrize("magic", [b"HEP3", b"EEP3", b"EEP1"])
def test_every_magic_is_accepted(magic: bytes) -> None:
    """The newer and the older name of the same thing."""
    assert _decoded(hep3(chunk(0x0F, SIP), magic=magic)).payload == SIP
    assert hep3(magic=magic)[:4] in hep.MAGICS


@pytest.mark.parametrize("data", [b"", b"\0", b"\3", b"HEP", b"HEP2", b"hep3", b"SIP/2.0 200 OK"])
def test_what_is_not_hep_says_so(data: bytes) -> None:
    """Protobuf, plain SIP and noise."""
    assert hep.decode(data) is Cause.NOT_HEP


@pytest.mark.parametrize("magic", [b"HEP3", b"EEP3", b"EEP1"])
def test_short_reads_of_hep3(magic: bytes) -> None:
    """Every length from 0 to 60 of a longer packet, and each with a header that claims it."""
    whole = hep3(u8(1, 2), chunk(3, SRC4), chunk(0x11, b"id"), chunk(0x0F, SIP), magic=magic)
    for size in range(61):
        cut = whole[:size]
        assert hep.decode(cut) is (Cause.HEP_LENGTH if size >= 4 else Cause.NOT_HEP)
        if size >= 6:
            claimed = magic + struct.pack(">H", size) + cut[6:]
            found = hep.decode(claimed)
            assert isinstance(found, Hep) or found is Cause.HEP_CHUNK
            assert isinstance(found, Hep) == (size in (6, 13, 23, 31))


@pytest.mark.parametrize("claimed", [0, 1, 5, 6, 35, 37, 65_535])
def test_the_header_must_tell_the_length_received(claimed: int) -> None:
    """Larger or smaller: what was cut off or glued on is not guessed at."""
    data = hep3(chunk(0x0F, bytes(24)))
    assert len(data) == 36
    wrong = data[:4] + struct.pack(">H", claimed) + data[6:]
    assert hep.decode(wrong) is Cause.HEP_LENGTH


@pytest.mark.parametrize("length", [*range(6), 7, 8, 5000, 65_535])
def test_a_chunk_length_that_cannot_be_is_refused(length: int) -> None:
    """Shorter than the chunk's own header, or beyond the end; never an endless loop."""
    data = hep3(struct.pack(">HHH", 0, 0x11, length), chunk(0x0F, SIP))
    found = hep.decode(data)
    if length in (7, 8):  # reads into the next chunk, whose rest makes no sense
        assert isinstance(found, Cause)
        assert found.outcome is Outcome.REJECTED
    else:
        assert found is Cause.HEP_CHUNK


def test_a_chunk_header_that_is_cut_is_refused() -> None:
    """One to five bytes behind the last chunk."""
    for size in range(1, 6):
        assert hep.decode(hep3(chunk(0x0F, SIP), bytes(size))) is Cause.HEP_CHUNK


def test_of_a_repeated_chunk_the_last_counts() -> None:
    """It has to be one of them, always the same."""
    assert _decoded(hep3(u32(12, 1), u32(12, 2))).capture_id == 2


def test_a_packet_without_chunks_is_a_ping() -> None:
    """It is counted as such, not rejected."""
    packet = _decoded(hep3())
    assert packet.type == hep.TYPE_PING
    assert packet.payload == b""
    assert (packet.src_ip, packet.dst_ip) == (b"", b"")


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, _raw_deflate])
@pytest.mark.parametrize("payload", [b"", SIP, SIP * 100])
def test_compressed_payloads(payload: bytes, compress: object) -> None:
    """zlib, gzip and raw deflate."""
    assert callable(compress)
    packed = compress(payload)
    assert _decoded(hep3(u8(11, 1), chunk(0x10, packed))).payload == payload
    for size in range(len(packed) - 1):
        assert hep.decode(hep3(u8(11, 1), chunk(0x10, packed[:size]))) is Cause.HEP_INFLATE


def test_a_plain_payload_goes_before_a_compressed_one() -> None:
    """Both at once is nobody's habit; what needs no trust in a length wins."""
    assert _decoded(hep3(chunk(0x0F, SIP), chunk(0x10, zlib.compress(b"other")))).payload == SIP
    assert _decoded(hep3(chunk(0x0F, b""), chunk(0x10, zlib.compress(SIP)))).payload == SIP


@pytest.mark.parametrize("data", [b"", b"x", bytes(50), b"\xff" * 50, SIP])
def test_what_cannot_be_inflated_is_refused(data: bytes) -> None:
    """Whether it is garbage or was never compressed."""
    assert hep.decode(hep3(chunk(0x10, data))) is Cause.HEP_INFLATE


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, _raw_deflate])
def test_bombs_are_refused_at_the_limit(compress: object) -> None:
    """One byte more than allowed, and a thousand times that."""
    assert callable(compress)
    largest = compress(bytes(MAX_INFLATED))
    assert len(_decoded(hep3(chunk(0x10, largest))).payload) == MAX_INFLATED
    for size in (MAX_INFLATED + 1, 50_000_000):
        assert hep.decode(hep3(chunk(0x10, compress(bytes(size))))) is Cause.HEP_INFLATE


@pytest.mark.parametrize("family", [10, 24, 28, 30])
def test_ipv6_has_the_number_of_the_senders_system(family: int) -> None:
    """Linux, NetBSD and OpenBSD, FreeBSD, macOS."""
    for data in (
        hep1(ipv6=True, family=family),
        hep2(ipv6=True, family=family),
        hep2(ipv6=True, family=family, counts_time=True),
    ):
        packet = _decoded(data)
        assert (packet.src_ip, packet.dst_ip) == (SRC6, DST6)
        assert packet.payload == SIP


def test_other_families_are_refused() -> None:
    """Without a width of the addresses nothing behind them can be found."""
    for family in set(range(256)) - {2, 10, 24, 28, 30}:
        for make in (hep1, hep2):
            assert hep.decode(make(family=family)) is Cause.HEP_FAMILY


@pytest.mark.parametrize("ipv6", [False, True])
def test_short_reads_of_v1_and_v2(ipv6: bool) -> None:
    """Every length up to the payload is refused; from there on it is a packet."""
    width = 32 if ipv6 else 8
    for make, begin in ((hep1, 8 + width), (hep2, 8 + width + 12)):
        whole = make(ipv6=ipv6)
        assert begin <= 60
        for size in range(1, 61):
            found = hep.decode(whole[:size])
            if size < begin:
                assert found is Cause.HEP_LENGTH
            else:
                assert isinstance(found, Hep)
                assert found.payload == SIP[: size - begin]


@pytest.mark.parametrize("length", [0, 7, 16, 28, 40, 52, 255])
@pytest.mark.parametrize("make", [hep1, hep2])
def test_the_header_length_of_v1_and_v2_is_not_trusted(make: object, length: int) -> None:
    """Senders disagree about what it counts."""
    assert callable(make)
    data = make()
    wrong = data[:1] + bytes([length]) + data[2:]
    assert hep.decode(wrong) == hep.decode(data)


def test_the_times_of_v2_are_little_endian() -> None:
    """Unlike everything else in it, and two bytes of padding follow."""
    packet = _decoded(hep2())
    assert (packet.seconds, packet.microseconds) == (SECONDS, MICROSECONDS)
    assert packet.capture_id == 0x1234
    assert packet.payload == SIP


def test_ports_and_vlan_are_read_apart() -> None:
    """Three chunks of the same shape."""
    packet = _decoded(hep3(u16(0x12, 1), u16(8, 2), u16(7, 3)))
    assert (packet.vlan, packet.dst_port, packet.src_port) == (1, 2, 3)


@given(st.binary(min_size=1, max_size=20), st.integers(0, 400))
def test_a_password_is_covered_wherever_the_packet_breaks_off(secret: bytes, size: int) -> None:
    """What goes into the quarantine has none, as far as chunks can be told."""
    marked = b"<" + secret.hex().encode() + b">"
    whole = hep3(u8(11, 1), chunk(0x0E, marked), chunk(0x0F, b"payload"))
    part = whole[:size]
    hidden = hep.hide_auth_key(part)
    assert len(hidden) == len(part)
    assert marked[:2] not in hidden
    assert (hidden == part) == (size <= whole.find(marked))


def test_what_has_no_password_is_not_touched() -> None:
    """Older versions, other vendors, and what is no HEP."""
    for data in (b"", b"x", hep1(), hep2(), hep3(chunk(0x0E, b"secret", vendor=9))):
        assert hep.hide_auth_key(data) == data
