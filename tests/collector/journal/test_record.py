# SPDX-License-Identifier: GPL-2.0-or-later
"""Journal records: what is packed comes back, and damage never does."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.journal import record
from collector.journal.record import HEADER_BYTES, MAX_PACKET_BYTES, Record, Transport

PEER = record.pack_address("192.0.2.1")

packets = st.binary(max_size=200)
ids = st.integers(0, 2**64 - 1)
peers = st.binary(min_size=16, max_size=16)
ports = st.integers(0, 65_535)


def _pack(packet: bytes, number: int = 64) -> bytes:
    return record.pack(number, PEER, 9060, Transport.UDP, packet)


@given(ids, peers, ports, st.sampled_from(Transport), packets, st.binary(max_size=9))
def test_what_is_packed_comes_back(
    number: int, peer: bytes, port: int, transport: Transport, packet: bytes, before: bytes
) -> None:
    """Anywhere in a buffer, and nothing behind it matters."""
    data = before + record.pack(number, peer, port, transport, packet)
    expected = Record(number, peer, port, transport, packet, len(data))
    assert record.unpack(data, len(before)) == expected
    assert record.unpack(data + b"rest", len(before)) == expected


def test_the_layout_is_the_documented_one() -> None:
    """The file outlives upgrades: these bytes must not change."""
    data = record.pack(0x1122334455667788, bytes(range(16)), 0x1234, Transport.WS, b"packet")
    assert data[:4] == b"KREC"
    assert data[8:12] == b"\x06\0\0\0"
    assert data[12:20] == bytes.fromhex("8877665544332211")
    assert data[20:22] == bytes.fromhex("3412")
    assert data[22:24] == b"\x03\0"
    assert data[24:40] == bytes(range(16))
    assert data[40:] == b"packet"
    assert data[4:8] == crc32(data[8:]).to_bytes(4, "little")
    assert HEADER_BYTES == 40


@given(packets, st.data())
def test_every_flipped_bit_is_noticed(packet: bytes, data: st.DataObject) -> None:
    """The checksum covers everything but the magic, which is checked itself."""
    damaged = bytearray(_pack(packet))
    bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    assert record.unpack(bytes(damaged), 0) is None


def test_every_torn_length_is_noticed() -> None:
    """A record that is cut anywhere is none."""
    data = _pack(b"p" * 30)
    assert all(record.unpack(data[:size], 0) is None for size in range(len(data)))
    assert record.unpack(data, 0) is not None


def test_an_absurd_length_is_damage_and_not_waited_for() -> None:
    """Longer than any packet: even with a right checksum it is not a record."""
    assert record.unpack(_pack(bytes(MAX_PACKET_BYTES)), 0) is not None
    assert record.unpack(_pack(bytes(MAX_PACKET_BYTES + 1)), 0) is None


@pytest.mark.parametrize("offset", [0, 1, 39, 40, 41, 1000])
def test_beyond_the_end_there_is_no_record(offset: int) -> None:
    """Zeros, as a power cut leaves them, are none either."""
    assert record.unpack(b"", offset) is None
    assert record.unpack(bytes(100), min(offset, 60)) is None


@given(st.binary(max_size=120), packets, packets)
def test_the_record_behind_damage_is_found(damage: bytes, first: bytes, second: bytes) -> None:
    """The first intact one, wherever the search begins before it."""
    data = b"#" + damage + _pack(first) + _pack(second)
    assert record.find_next(data, 0) == 1 + len(damage)


def test_a_magic_inside_damage_is_not_a_record() -> None:
    """Only an intact record counts; four letters do not."""
    data = b"#KREC" + b"KREC" * 30 + _pack(b"good")
    assert record.find_next(data, 0) == 125
    assert record.find_next(b"#" + b"KREC" * 30, 0) == -1


def test_the_search_begins_behind_the_offset() -> None:
    """The offset itself is where the damage is; an intact record there is passed over."""
    data = _pack(b"first") + _pack(b"second")
    assert record.find_next(data, 0) == len(_pack(b"first"))
    assert record.find_next(data, len(_pack(b"first"))) == -1
    assert record.find_next(b"", 0) == -1


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=20), st.integers(0, 63))
def test_ids_only_grow_whatever_the_clock_does(times: list[int], slot: int) -> None:
    """And each names its slot, so that ids of one node are unique."""
    previous = 0
    for now in times:
        number = record.make_id(now, slot, previous)
        assert number > previous
        assert number % 64 == slot
        previous = number


def test_an_id_is_the_time_of_arrival() -> None:
    """To 64 ns."""
    assert record.make_id(1_000_000_000_000_000_001, 5, 0) // 64 == 1_000_000_000_000_000_001 // 64


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]", "fe80::1"),
        ("::1", "::1"),
        ("::", "::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses_go_in_and_come_out(text: str, shown: str) -> None:
    """IPv4 travels mapped into IPv6 and is shown in dotted form."""
    packed = record.pack_address(text)
    assert len(packed) == 16
    assert record.format_address(packed) == shown


@pytest.mark.parametrize("text", ["", "example.com", "1.2.3", "1.2.3.4:5060", "::g", "[]"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """The caller counts it."""
    with pytest.raises(ValueError, match="does not appear to be"):
        record.pack_address(text)


@given(peers)
def test_any_sixteen_bytes_can_be_shown(peer: bytes) -> None:
    """And read again."""
    assert record.pack_address(record.format_address(peer)) == peer
