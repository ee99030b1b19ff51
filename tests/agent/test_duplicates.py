# SPDX-License-Identifier: GPL-2.0-or-later
"""-dd: which packets are the same, for how long, and in how much memory."""

from __future__ import annotations

import tracemalloc

from agent import duplicates
from agent.duplicates import MOST, WINDOW_US, Duplicates
from agent.packet.packet import Packet

_START = 1_800_000_000_000_000
_PACKET = Packet(
    _START, 17, bytes(4), b"\x01" * 4, 5060, 5070, 0, b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"
)


def _at(offset_us: int, **changed: object) -> Packet:
    return _PACKET._replace(time=_START + offset_us, **changed)  # type: ignore[arg-type]


def test_the_same_packet_within_the_window_is_left_out() -> None:
    """And only within it: SIP's retransmissions after 500 ms are messages of their own."""
    seen = Duplicates()
    assert not seen.discards(_at(0))
    assert seen.discards(_at(1))
    assert seen.discards(_at(WINDOW_US - 1))
    assert not seen.discards(_at(WINDOW_US))
    assert not seen.discards(_at(WINDOW_US + 500_000))


def test_a_copy_does_not_prolong_the_window() -> None:
    """Else a message that is repeated often would be seen once and never again."""
    seen = Duplicates()
    kept = [offset for offset in range(0, 2_000_000, 100_000) if not seen.discards(_at(offset))]
    assert kept == list(range(0, 2_000_000, WINDOW_US))


def test_two_interfaces_a_vlan_tag_make_no_difference() -> None:
    """What is tagged on one interface is untagged on the other."""
    seen = Duplicates()
    assert not seen.discards(_at(0, vlan=7))
    assert seen.discards(_at(20, vlan=0))


def test_another_port_address_payload_or_sequence_number_is_another_packet() -> None:
    """A proxy on the same host sends the same message on."""
    seen = Duplicates()
    others = [
        _at(0),
        _at(0, src_port=5061),
        _at(0, dst_port=5061),
        _at(0, src_ip=b"\2" * 4),
        _at(0, dst_ip=b"\2" * 4),
        _at(0, protocol=132),
        _at(0, payload=_PACKET.payload + b"x"),
        _at(0, sequence=1),
    ]
    assert [seen.discards(one) for one in others] == [False] * len(others)


def test_packets_out_of_order_are_compared_by_capture_time() -> None:
    """Two interfaces have two rings: times are not strictly in order."""
    seen = Duplicates()
    assert not seen.discards(_at(1_000_000))
    assert seen.discards(_at(1_000_000 - WINDOW_US + 1))
    assert not seen.discards(_at(0))


def test_a_segment_without_payload_is_no_duplicate() -> None:
    """Acknowledgements look all the same."""
    seen = Duplicates()
    assert [seen.discards(_at(0, payload=b"")) for _ in range(2)] == [False, False]


def test_memory_is_bounded() -> None:
    """20 MB, whatever comes within the window."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        seen = Duplicates()
        for number in range(3 * MOST):
            seen.discards(_at(number % 1000, payload=b"%d" % number))
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used < 20 << 20
    # The newest are still known.
    assert seen.discards(_at(999, payload=b"%d" % (3 * MOST - 1)))


def test_the_window_is_that_of_heplify() -> None:
    """Four times 100 ms."""
    assert duplicates.WINDOW_US == 400_000
