# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of all streams of a worker: gaps, ends, port reuse, time, bounds."""

from __future__ import annotations

import gc

import pytest

from agent.count import Count
from agent.stream import streams
from agent.stream.reassembly import PIECE_COST
from agent.stream.streams import GAP_WAIT, IDLE, MAX_PIECES, MAX_STREAMS, MAX_WAITING
from tests.agent.stream.segments import ACK, FIN, RST, SYN, Capture, request, segment

A, B, C = request(b"INVITE", b"v=0\r\n"), request(b"BYE"), request(b"MESSAGE", b"hello")
SIZE_A, SIZE_B = len(A), len(B)


def opened(first: int = 0) -> Capture:
    """A capture that has seen the SYN of a stream."""
    capture = Capture()
    capture.feed([segment(b"", first - 1, flags=SYN)])
    return capture


def test_a_gap_is_waited_for() -> None:
    """Less than a second: the segment that was late fills it."""
    capture = opened()
    assert capture.feed([segment(B, SIZE_A, time=5)]) == []
    assert capture.expire(5 + GAP_WAIT - 1) == []
    assert capture.feed([segment(A, 0, time=9)]) == [A, B]
    assert [packet.time for packet in capture.messages] == [9, 5]
    assert capture[Count.STREAM_GAP] == 0
    assert capture[Count.USED] == 2


@pytest.mark.parametrize("by_segment", [False, True])
def test_a_gap_is_skipped_after_a_second(by_segment: bool) -> None:
    """The message that it cuts is found and lost, the rest of it skipped, the next one found."""
    capture = opened()
    capture.feed([segment(A + B[:40], 0), segment(B[60:] + C, SIZE_A + 60, time=1)])
    if by_segment:
        end = SIZE_A + SIZE_B + len(C)
        assert capture.feed([segment(A, end, time=1 + GAP_WAIT)]) == [C, A]
    else:
        assert capture.expire(1 + GAP_WAIT) == [C]
    assert capture[Count.STREAM_GAP] == capture[Count.TCP_CUT] == capture[Count.FOUND] == 1
    capture.check()


def test_a_gap_between_messages_loses_none_of_those_around_it() -> None:
    """heplify discards what it has collected."""
    capture = opened()
    capture.feed([segment(A, 0), segment(C, SIZE_A + SIZE_B)])
    assert capture.close() == [C]
    assert [packet.payload for packet in capture.messages] == [A, C]
    assert capture[Count.STREAM_GAP] == 1
    assert capture[Count.FOUND] == 0


def test_a_gap_in_front_of_too_many_bytes_is_skipped_at_once() -> None:
    """What waits behind it stays bounded."""
    capture = opened()
    at = SIZE_A
    found: list[bytes] = []
    while not found:
        found = capture.feed([segment(B * 5, at)])
        at += SIZE_B * 5
        assert capture.streams.held <= MAX_WAITING + 2 * (SIZE_B * 5 + 200)
        assert at < 2 * MAX_WAITING
    assert found[0] == B
    assert len(found) * SIZE_B == at - SIZE_A


def test_a_gap_in_front_of_too_many_pieces_is_skipped_at_once() -> None:
    """Tiny ones cost more than their bytes."""
    capture = opened()
    for at in range(10, 10 + 4 * MAX_PIECES, 2):
        capture.feed([segment(b"x", at)])
        assert capture.streams.held <= MAX_PIECES * (PIECE_COST + 2)
    assert capture[Count.STREAM_GAP] > 0


def test_a_gap_in_front_of_large_pieces() -> None:
    """Few, but more bytes than may wait."""
    capture = opened()
    for number in range(40):
        capture.feed([segment(b"x" * 60_000, 10 + number * 70_000)])
        assert capture.streams.held <= MAX_WAITING
    assert capture[Count.STREAM_GAP] > 0


def test_several_gaps() -> None:
    """Each is counted; each has its own second."""
    capture = opened()
    capture.feed(segment(A, n * (SIZE_A + 10) + 10, time=n * 600_000) for n in range(3))
    assert [packet.payload for packet in capture.messages] == [A]
    assert capture[Count.STREAM_GAP] == 1
    assert capture.expire(600_000 + GAP_WAIT) == [A]
    assert capture.expire(1_200_000 + GAP_WAIT) == [A]
    assert capture[Count.STREAM_GAP] == 3


def test_retransmissions_and_keepalive_probes_change_nothing() -> None:
    """Whole, in part, longer than the first time, and one byte before the next."""
    capture = opened()
    assert capture.feed([segment(A, 0), segment(A, 0), segment(b"\n", SIZE_A - 1)]) == [A]
    assert capture.feed([segment(A + B, 0)]) == [B]
    assert capture[Count.TCP_REPEATED] == 2
    assert capture.feed([segment(C, SIZE_A + SIZE_B)]) == [C]
    capture.check()


def test_segments_without_payload_are_ignored() -> None:
    """And make no stream."""
    capture = Capture()
    capture.feed([segment(b"", 5), segment(b"", 5, flags=RST), segment(b"", 5, flags=FIN | ACK)])
    assert capture[Count.TCP_CONTROL] == 3
    assert len(capture.streams) == 0


def test_data_with_syn_and_fin() -> None:
    """TCP Fast Open (RFC 7413): the first byte is behind the SYN."""
    capture = Capture()
    assert capture.feed([segment(A, 99, flags=SYN | FIN)]) == [A]
    assert capture.feed([segment(B, 100, flags=ACK)]) == []


@pytest.mark.parametrize("flag", [FIN, RST])
def test_an_end_loses_what_is_not_whole(flag: int) -> None:
    """Counted."""
    capture = opened()
    assert capture.feed([segment(A + B[:30], 0), segment(b"", SIZE_A + 30, flags=flag)]) == [A]
    assert capture[Count.TCP_UNFINISHED] == capture[Count.FOUND] == 1
    assert capture.streams.held == 0
    capture.check()


def test_an_end_waits_for_what_is_late() -> None:
    """A FIN that overtook data ends the stream behind it; a second later it is believed."""
    capture = opened()
    late = segment(b"", SIZE_A + SIZE_B, flags=FIN | ACK)
    assert capture.feed([late, segment(B, SIZE_A), segment(A, 0)]) == [A, B]
    capture = opened()
    capture.feed([segment(A, 0), segment(B[:9], SIZE_A), late])
    assert capture[Count.FOUND] == 0
    capture.expire(GAP_WAIT)
    assert capture[Count.TCP_UNFINISHED] == 1


def test_a_last_segment_sent_again_is_not_read_again() -> None:
    """The stream is over, but known."""
    capture = opened()
    assert capture.feed([segment(A, 0, flags=FIN | ACK)] * 3) == [A]
    assert capture[Count.TCP_REPEATED] == 2


def test_an_end_that_was_none() -> None:
    """What follows it is read; what RST carries is no user data (RFC 9293 §3.5.2)."""
    capture = opened()
    end = SIZE_A + SIZE_B
    assert capture.feed([segment(A, 0), segment(B, SIZE_A), segment(C, end, flags=RST)]) == [A, B]
    assert capture.feed([segment(C[:50], end), segment(C[50:], end + 50)]) == [C]
    assert capture[Count.FOUND] == 0


def test_an_old_syn_says_nothing() -> None:
    """A stream that begins long after it is joined."""
    capture = opened()
    assert capture.feed([segment(A, 1000, time=IDLE + 1)]) == [A]
    capture = opened()
    assert capture.feed([segment(A, 1000, time=IDLE)]) == []


def test_port_reuse() -> None:
    """A new SYN begins anew; what was not whole is lost; a SYN sent again changes nothing."""
    capture = opened()
    capture.feed([segment(A[:20], 0), segment(b"", 0x8000_0000, flags=SYN)])
    assert capture[Count.TCP_UNFINISHED] == 1
    assert capture.feed([segment(B, 0x8000_0001)]) == [B]
    assert capture.feed([segment(b"", 0x8000_0000, flags=SYN)]) == []
    assert capture.feed([segment(C, 0x8000_0001 + SIZE_B)]) == [C]
    capture.check()


def test_port_reuse_without_syn() -> None:
    """Sequence numbers that no window explains are another connection's."""
    capture = opened()
    assert capture.feed([segment(A, 0), segment(B, 0x4000_0000), segment(C, 0xC000_0000)]) == [
        *(A, B, C)
    ]


def test_directions_ports_and_vlans_are_streams_of_their_own() -> None:
    """Messages have the addresses of theirs."""
    capture = Capture()
    first = segment(A[:30], 7)
    other = first._replace(src_ip=first.dst_ip, dst_ip=first.src_ip, payload=B[:30])
    tagged = first._replace(vlan=12, payload=C[:30])
    capture.feed([first, other, tagged])
    for packet, message in ((tagged, C), (other, B), (first, A)):
        rest = packet._replace(payload=message[30:], sequence=37, time=9)
        assert capture.feed([rest]) == [message]
        assert capture.messages[-1] == packet._replace(payload=message, sequence=0, flags=0)


def test_idle_streams_are_forgotten() -> None:
    """What they held is lost; a stream that goes on is joined."""
    capture = opened()
    capture.feed([segment(A, 0), segment(B[:9], SIZE_A, time=7)])
    capture.expire(IDLE + 6)
    assert len(capture.streams) == 1
    capture.expire(IDLE + 7)
    assert len(capture.streams) == capture.streams.held == 0
    assert capture[Count.TCP_UNFINISHED] == 1
    assert capture.feed([segment(B[9:] + C, SIZE_A + 9)]) == [C]


def test_too_many_streams() -> None:
    """The one that was silent for longest makes room, with what it held."""
    capture = Capture()
    ports = range(MAX_STREAMS + 1)
    assert len(ports) < 65_536
    for port in ports[:-1]:
        capture.feed([segment(A[:60] if port == 1 else A, 0, port=port)])
    assert capture.feed([segment(B, SIZE_A, port=0)]) == [B]
    capture.feed([segment(A, 0, port=ports[-1])])
    assert len(capture.streams) == MAX_STREAMS
    assert capture[Count.STREAM_FORGOTTEN] == capture[Count.TCP_CROWDED_OUT] == 1
    assert capture.feed([segment(C, SIZE_A + SIZE_B, port=0)]) == [C]
    capture.check()


def test_messages_are_not_held_once_they_are_handed_out() -> None:
    """A stream would keep its last ones in memory, beside all bounds."""
    capture = opened()
    first, second = capture.streams.feed(segment(A + B, 0))
    for packet in (first, second):
        assert not [
            holder
            for holder in gc.get_referrers(packet.payload)
            if isinstance(holder, list | tuple) and holder is not packet
        ]


def test_streams_that_have_ended_are_not_missed() -> None:
    """They make room uncounted, unless they went on."""
    capture = Capture()
    for port in range(MAX_STREAMS + 2):
        capture.feed([segment(A, 0, port=port, flags=FIN | ACK)])
        if port == 1:
            capture.feed([segment(B, SIZE_A, port=1)])
    assert len(capture.streams) == MAX_STREAMS
    assert capture[Count.STREAM_FORGOTTEN] == 1


def test_too_many_bytes_in_all_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream whose bytes wait for longest makes room, others do not."""
    monkeypatch.setattr(streams, "MAX_HELD", 5000)
    capture = Capture()
    capture.feed([segment(A, 0, port=1)])
    part = request(length=b"Content-Length: 900") + b"x" * 800
    for port in range(2, 10):
        capture.feed([segment(part, 0, port=port)])
        if port == 4:
            capture.feed([segment(b"x", len(part), port=2)])
        if port == 8:
            assert capture.feed([segment(b"x" * 99, len(part) + 1, port=2)]) == [part + b"x" * 100]
        assert capture.streams.held <= 5000
    assert capture[Count.STREAM_FORGOTTEN] == capture[Count.TCP_CROWDED_OUT] > 0
    assert len(capture.streams) == 9 - capture[Count.STREAM_FORGOTTEN]
    rest = segment(b"x" * 100 + B, len(part), port=9)
    assert capture.feed([rest]) == [part + b"x" * 100, B]
    capture.check()
