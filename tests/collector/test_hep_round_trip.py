# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP there and back, at its limits, and against anything at all."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import hep
from collector.causes import Outcome
from collector.hep import CHUNKS, MAX_INFLATED, MAX_PACKET, Hep
from tests.hep_bytes import (
    DST4,
    DST6,
    MICROSECONDS,
    SECONDS,
    SENDERS,
    SIP,
    SRC4,
    SRC6,
    Expected,
    hep1,
    hep2,
    u8,
)

ipv4 = st.binary(min_size=4, max_size=4)
ipv6 = st.binary(min_size=16, max_size=16)
addresses = st.one_of(
    st.tuples(ipv4, ipv4),
    st.tuples(ipv6, ipv6),
    st.tuples(ipv4, st.just(b"")),
    st.tuples(st.just(b""), ipv6),
    st.just((b"", b"")),
)
extras = st.dictionaries(
    st.sampled_from(sorted(n for n in CHUNKS if n == 0x0D or n > 0x13)), st.binary(max_size=9)
).map(
    lambda found: {
        n: data[: CHUNKS[n].size].ljust(CHUNKS[n].size or 0, b"\0")
        if CHUNKS[n].size
        else (bytes(6) if n in (0x14, 0x15) else data)
        for n, data in found.items()
    }
)
u8s, u16s, u32s = st.integers(0, 255), st.integers(0, 65_535), st.integers(0, 2**32 - 1)
texts = st.binary(max_size=20)


@st.composite
def packets(draw: st.DrawFn) -> Hep:
    """Any HEP3 packet."""
    src, dst = draw(addresses)
    return Hep(
        *(3, draw(u8s), src, dst, draw(u16s), draw(u16s), draw(u32s), draw(u32s), draw(u8s)),
        *(draw(u32s), draw(st.binary(max_size=200)), draw(texts), draw(texts), draw(texts)),
        *(draw(u16s), draw(extras)),
    )


@given(packets())
def test_what_is_encoded_comes_back(packet: Hep) -> None:
    """HEP3, every field."""
    assert hep.decode(hep.encode(packet)) == packet


@given(packets(), st.sampled_from([1, 2]), st.one_of(st.tuples(ipv4, ipv4), st.tuples(ipv6, ipv6)))
def test_v1_and_v2_keep_what_they_have_room_for(
    packet: Hep, version: int, pair: tuple[bytes, bytes]
) -> None:
    """v1 has no time and no capture id, v2 16 bits of it; both carry SIP only."""
    sent = packet._replace(version=version, src_ip=pair[0], dst_ip=pair[1])
    expected = Hep(
        *(version, sent.protocol, *pair, sent.src_port, sent.dst_port),
        sent.seconds if version == 2 else 0,
        sent.microseconds if version == 2 else 0,
        hep.TYPE_SIP,
        sent.capture_id & 0xFFFF if version == 2 else 0,
        sent.payload,
    )
    assert hep.decode(hep.encode(sent)) == expected


def _packet(**fields: object) -> Hep:
    base = Hep(3, 17, SRC4, DST4, 5060, 5061, SECONDS, MICROSECONDS, 1, 7, SIP)
    return base._replace(**fields)  # type: ignore[arg-type]


def test_chunks_stand_in_the_order_of_kamailio() -> None:
    """So that receivers which assume it can read us."""
    assert hep.encode(_packet()) == SENDERS[6].data
    assert hep.encode(_packet(correlation_id=b"call-1", auth_key=b"secret")) == SENDERS[9].data
    assert hep.encode(_packet(version=1)) == hep1()
    assert hep.encode(_packet(version=2, capture_id=0x1234)) == hep2()


def test_the_largest_packet_can_be_encoded_and_no_larger_one() -> None:
    """The length field has 16 bits; ValueError, whichever chunk is too long."""
    room = MAX_PACKET - len(hep.encode(_packet(payload=b"")))
    largest = hep.encode(_packet(payload=bytes(room)))
    assert len(largest) == MAX_PACKET
    assert isinstance(hep.decode(largest), Hep)
    for name in ("payload", "correlation_id", "node_name", "auth_key"):
        for size in (65_520, 65_529, 65_530, 70_000, 1_000_000):
            with pytest.raises(ValueError, match="exceeds 65535"):
                hep.encode(_packet(**{name: bytes(size)}))
    with pytest.raises(ValueError, match="exceeds 65535"):
        hep.encode(_packet(payload=bytes(room + 1)))


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    ("src", "dst"), [(SRC4, DST6), (SRC6, DST4), (b"abc", b"abc"), (SRC4, b"abc"), (b"x", b"")]
)
def test_addresses_of_two_families_cannot_be_encoded(version: int, src: bytes, dst: bytes) -> None:
    """There is one family field."""
    with pytest.raises(ValueError, match="addresses"):
        hep.encode(_packet(version=version, src_ip=src, dst_ip=dst))


@pytest.mark.parametrize(("src", "dst"), [(SRC6, b""), (b"", DST6), (SRC6, DST6)])
def test_the_family_chunk_fits_the_addresses(src: bytes, dst: bytes) -> None:
    """Also when only one is known."""
    assert hep.encode(_packet(src_ip=src, dst_ip=dst))[6:13] == u8(1, 10)


def test_v1_and_v2_need_both_addresses() -> None:
    """Their places in the header are fixed."""
    for version in (1, 2):
        with pytest.raises(ValueError, match="two addresses"):
            hep.encode(_packet(version=version, src_ip=b""))


@given(st.binary(max_size=300), st.sampled_from([b"", b"HEP3", b"EEP1", b"\1", b"\2"]))
def test_any_bytes_are_decoded_or_refused(data: bytes, magic: bytes) -> None:
    """Never an exception; a refusal is always one of the rejected causes."""
    found = hep.decode(magic + data)
    assert isinstance(found, Hep) or found.outcome is Outcome.REJECTED


@given(st.sampled_from(SENDERS), st.data())
def test_mutated_packets_are_decoded_or_refused(expected: Expected, data: st.DataObject) -> None:
    """Bytes changed, cut out and put in; with the old and with a right length."""
    mutated = bytearray(expected.data)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(mutated)))
        match data.draw(st.integers(0, 2)):
            case 0:
                mutated[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case 1:
                del mutated[at : at + data.draw(st.integers(1, 20))]
            case _:
                mutated[at:at] = data.draw(st.binary(max_size=20))
    for candidate in (bytes(mutated), _with_length(mutated)):
        found = hep.decode(candidate)
        if isinstance(found, Hep):
            assert len(found.payload) <= max(len(candidate), MAX_INFLATED)
            assert len(found.src_ip) in (0, 4, 16)
            assert len(found.dst_ip) in (0, 4, 16)
        else:
            assert found.outcome is Outcome.REJECTED


def _with_length(data: bytearray) -> bytes:
    return bytes(data[:4]) + struct.pack(">H", len(data) & 0xFFFF) + bytes(data[6:])
