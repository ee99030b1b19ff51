# SPDX-License-Identifier: GPL-2.0-or-later
"""Records packed and read in runs: both forms give the same, whatever the bytes are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.compiled import sources
from collector.journal import record, run
from collector.journal.record import HEADER_BYTES, SLOT_BITS

_PEER = record.pack_address("2001:db8::5")
_ID = 1_763_856_000_000_000_000 | 5


def _compiled() -> None:
    found = sources.load(sources.RECORDS)
    assert found.module, f"{found.reason}: `make install-dev` compiles it"
    assert run.pack is found.module.pack
    assert run.unpack is found.module.unpack


@given(
    st.lists(st.binary(max_size=300), max_size=12),
    st.integers(0, 12),
    st.integers(1, 2000),
    st.integers(0, 65_535),
    st.integers(0, 3),
)
def test_packing(packets: list[bytes], first: int, room: int, port: int, transport: int) -> None:
    """The records of ``record.pack``, up to the one that reaches the room."""
    _compiled()
    given_to = (packets, first, _ID, _PEER, port, transport, room)
    data, count = run.pack(*given_to)
    assert (data, count) == run.pack_plain(*given_to)
    found = run.unpack(data)
    assert [one.packet for one in found] == packets[first : first + count]
    assert [one.id for one in found] == [_ID + (n << SLOT_BITS) for n in range(count)]
    assert {(one.peer, one.port, one.transport) for one in found} <= {(_PEER, port, transport)}
    if first + count < len(packets):
        assert len(data) >= room > len(data) - HEADER_BYTES - len(packets[first + count - 1])


@given(
    st.lists(st.binary(max_size=100), min_size=1, max_size=6),
    st.integers(0, 1000),
    st.integers(0, 255),
    st.integers(0, 300),
)
def test_reading_ends_at_damage(packets: list[bytes], at: int, byte: int, missing: int) -> None:
    """A byte that is another, and an end that is not there."""
    data, _ = run.pack_plain(packets, 0, _ID, _PEER, 9, 1, 1 << 30)
    damaged = bytearray(data)
    damaged[at % len(data)] = byte
    for buffer in (bytes(damaged), data[: max(len(data) - missing, 0)], bytes(damaged)[:-1]):
        assert run.unpack(buffer) == run.unpack_plain(buffer)


def test_a_length_that_is_damage() -> None:
    """Longer than any sender can be, or than what is there: whatever its checksum says."""
    huge = record.pack(_ID, _PEER, 0, 0, bytes(record.MAX_PACKET_BYTES + 1))
    for buffer in (huge, huge[:200], b"", b"KREC", bytes(100)):
        assert run.unpack(buffer) == run.unpack_plain(buffer) == []
    whole = record.pack(_ID, _PEER, 0, 0, bytes(record.MAX_PACKET_BYTES))
    assert run.unpack(whole) == run.unpack_plain(whole) != []


@pytest.mark.parametrize("peer", [b"", bytes(15), bytes(17)])
def test_a_peer_has_16_bytes(peer: bytes) -> None:
    """The compiled form looks: it would read beyond them."""
    _compiled()
    with pytest.raises(ValueError, match="16 bytes"):
        run.pack([b"x"], 0, _ID, peer, 0, 0, 1)
