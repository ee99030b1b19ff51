# SPDX-License-Identifier: GPL-2.0-or-later
"""SCTP: every user message of a packet, and those that come in pieces."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.count import Count
from agent.packet.decoder import Decoder
from agent.packet.fragments import IDLE, MAX_BYTES, PIECE_COST
from agent.packet.packet import Packet
from agent.packet.sctp import MAX_MESSAGE, MAX_PIECES
from tests.agent.packet import frames
from tests.agent.packet.frames import A4, B4, SCTP, Counts, data, i_data

ONE: Final = frames.sip("one")
TWO: Final = frames.sip("two") + b"odd"
SACK: Final = frames.chunk(3, 0, bytes(12))
BEGIN: Final = 2
MIDDLE: Final = 0
END: Final = 1
UNORDERED: Final = 4
LAST_TSN: Final = 0xFFFF_FFFF


class _Host:
    """A decoder that is given SCTP packets."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.decoder = Decoder(1, erspan=False, counts=self.counts.row)
        self.found: list[Packet] = []

    def feed(self, *chunks: bytes, time: int = 1, cut: int = 0, tag: int = 7) -> list[bytes]:
        """One packet of these chunks; gives the messages that it completes."""
        frame = frames.ethernet(frames.ip4(frames.sctp(*chunks, tag=tag), SCTP))
        new = self.decoder.decode(time, frame[: len(frame) - cut] if cut else frame)
        self.found += new
        return [packet.payload for packet in new]


def _split(payload: bytes, sizes: Iterable[int]) -> list[bytes]:
    ends = list(itertools.accumulate(sizes))
    ends = [end for end in ends if 0 < end < len(payload)]
    return [payload[a:b] for a, b in zip([0, *ends], [*ends, len(payload)], strict=True)]


def _flags(index: int, count: int) -> int:
    return (BEGIN if index == 0 else 0) | (END if index == count - 1 else 0)


def test_all_messages_of_a_packet_are_found() -> None:
    """DATA and I-DATA behind control chunks and padding; heplify reads the first chunk only."""
    host = _Host()
    assert host.feed(SACK, data(1, TWO), i_data(2, ONE), data(3, ONE, flags=7)) == [TWO, ONE, ONE]
    assert host.found[0] == Packet(1, SCTP, A4, B4, 5060, 5061, 0, TWO)
    assert not list(host.counts)


def test_control_chunks_alone_are_ignored() -> None:
    """INIT, SACK, HEARTBEAT."""
    host = _Host()
    assert not host.feed(frames.chunk(1, 0, bytes(16)), SACK, frames.chunk(4, 0, bytes(9)))
    assert dict(host.counts) == {Count.EMPTY: 1}


@st.composite
def sent(draw: st.DrawFn) -> tuple[bool, int, list[bytes], list[tuple[int, int, int, bytes]]]:
    """Form, first TSN, messages, and their pieces as they arrive: message, index, count, bytes."""
    messages = draw(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5))
    pieces = []
    for number, message in enumerate(messages):
        parts = _split(message, draw(st.lists(st.integers(1, 20), max_size=8)))
        pieces += [(number, index, len(parts), part) for index, part in enumerate(parts)]
    first = draw(st.sampled_from([0, 7, LAST_TSN - 2]))
    return draw(st.booleans()), first, messages, pieces


@given(sent(), st.randoms(use_true_random=False), st.sampled_from([0, UNORDERED]))
def test_pieces_in_any_order_give_the_messages(
    case: tuple[bool, int, list[bytes], list[tuple[int, int, int, bytes]]],
    chance: random.Random,
    unordered: int,
) -> None:
    """Of both forms, TSNs wrapping around, several streams, and pieces that come again."""
    interleaved, first, messages, pieces = case
    chunks = []
    for place, (number, index, count, part) in enumerate(pieces):
        flags = _flags(index, count) | unordered
        tsn = first + place & LAST_TSN
        if interleaved:
            chunks.append((count, i_data(tsn, part, flags, 1, number, index)))
        else:
            chunks.append((count, data(tsn, part, flags, 1, number)))
    again = [chunk for count, chunk in chunks if count > 1 and chance.random() < 0.3]
    arriving = [chunk for _count, chunk in chunks] + again
    chance.shuffle(arriving)
    host = _Host()
    for chunk in arriving:
        host.feed(chunk)
    assert sorted(packet.payload for packet in host.found) == sorted(messages)
    assert host.counts.frames() + len(host.found) == len(arriving)
    assert dict(host.counts).get(Count.REPEATED, 0) == len(again)


def test_pieces_of_different_associations_and_streams_are_not_mixed() -> None:
    """Same TSNs, another verification tag; neighbouring TSNs, another stream."""
    host = _Host()
    assert not host.feed(data(1, b"a", BEGIN), tag=1)
    assert not host.feed(data(2, b"b", END), tag=2)
    assert not host.feed(data(2, b"c", END, stream=2), tag=1)
    assert not host.feed(data(2, b"d", END, number=1), tag=1)
    assert dict(host.counts) == {Count.USED: 4}


def test_ordered_and_unordered_i_data_count_apart() -> None:
    """RFC 8260 §2.1: the same message number in both is not the same message."""
    host = _Host()
    assert not host.feed(i_data(1, b"a", BEGIN))
    assert not host.feed(i_data(2, b"b", END | UNORDERED, fsn=1))
    assert host.feed(i_data(3, b"c", END, fsn=1)) == [b"ac"]


@pytest.mark.parametrize("order", [(2, 3, 1, 4), (2, 1, 4, 3)], ids=["after", "before"])
def test_pieces_that_contradict_each_other_are_not_joined(order: tuple[int, ...]) -> None:
    """A middle before a beginning or behind an end, after the message is complete or before."""
    host = _Host()
    pieces = {2: (b"b", BEGIN), 3: (b"c", END), 1: (b"x", MIDDLE), 4: (b"y", MIDDLE)}
    for tsn in order:
        host.feed(data(tsn, *pieces[tsn]))
    host.feed(data(7, b"e", END))
    host.feed(data(8, b"z", END))
    host.feed(data(6, b"d", BEGIN))
    assert [packet.payload for packet in host.found] == [b"bc", b"de"]
    host.decoder.expire(2 * IDLE)
    assert dict(host.counts)[Count.INCOMPLETE] == 3


def test_a_packet_that_holds_a_whole_message_and_a_piece_is_the_callers_to_count() -> None:
    """Since it gave something."""
    host = _Host()
    assert host.feed(data(1, ONE), data(2, TWO[:50], BEGIN)) == [ONE]
    assert host.feed(data(3, TWO[50:], END)) == [TWO]
    assert not list(host.counts)


def test_the_time_is_that_of_the_piece_that_completes_the_message() -> None:
    """As with fragments of IP."""
    host = _Host()
    host.feed(data(2, b"b", END), time=5)
    host.feed(data(1, b"a", BEGIN), time=9)
    assert [packet.time for packet in host.found] == [9]


def test_a_message_cut_off_behind_a_whole_one_is_found_and_lost() -> None:
    """By the snap length: the first is delivered, the second never looks whole."""
    for cut in range(4, len(data(2, ONE)) + 1):
        host = _Host()
        assert host.feed(data(1, ONE), data(2, ONE), cut=cut) == [ONE]
        assert dict(host.counts) == {Count.FOUND: 1, Count.SCTP_CUT: 1}


def test_a_message_cut_off_alone_is_a_truncated_frame() -> None:
    """Wherever the end is missing."""
    size = len(frames.sctp(data(1, ONE)))
    for cut in range(1, size):
        host = _Host()
        assert not host.feed(data(1, ONE), cut=cut)
        assert host.counts.frames() == 1
        assert not host.counts.lost()


@pytest.mark.parametrize("length", [0, 3, 15, 65_535])
def test_a_chunk_whose_length_cannot_be_true_is_malformed(length: int) -> None:
    """Too short for its header, or longer than the packet."""
    host = _Host()
    chunk = bytearray(data(1, ONE))
    chunk[2:4] = length.to_bytes(2, "big")
    assert not host.feed(bytes(chunk))
    assert dict(host.counts) == {Count.BAD_HEADER: 1}


def test_a_message_that_stays_incomplete_is_found_and_lost() -> None:
    """After 30 s of the capture clock."""
    host = _Host()
    host.feed(data(1, ONE[:50], BEGIN), time=0)
    host.feed(data(2, ONE[50:90], MIDDLE), time=20)
    host.decoder.expire(20 + IDLE)
    assert not host.counts.lost()
    host.decoder.expire(21 + IDLE)
    host.decoder.expire(90 + IDLE)
    assert dict(host.counts) == {Count.USED: 2, Count.FOUND: 1, Count.INCOMPLETE: 1}


def test_a_message_that_no_hep_packet_can_hold_is_found_and_lost() -> None:
    """Once, when its end is there; the next one is not hurt."""
    host = _Host()
    part = bytes(16_000)
    count = MAX_MESSAGE // len(part) + 2
    for index in range(count):
        assert not host.feed(data(index, part, _flags(index, count)))
    assert dict(host.counts) == {Count.USED: count, Count.FOUND: 1, Count.SCTP_TOO_LARGE: 1}
    assert host.feed(data(count, ONE)) == [ONE]


def test_a_message_as_large_as_a_hep_packet() -> None:
    """In pieces of one network packet each."""
    message = bytes(range(255)) * (MAX_MESSAGE // 255)
    parts = _split(message, [1_400] * 50)
    host = _Host()
    for index, part in enumerate(parts):
        host.feed(data(index, part, _flags(index, len(parts))))
    assert [packet.payload for packet in host.found] == [message]


def test_the_number_of_pieces_is_bounded_and_the_oldest_goes_first() -> None:
    """Each a message of its own, found and lost."""
    host = _Host()
    for number in range(MAX_PIECES // 64 + 1):
        host.feed(*(data(2 * (64 * number + i), b"x", BEGIN) for i in range(64)))
    assert dict(host.counts)[Count.CROWDED_OUT] == 64
    assert host.feed(data(1, b"y", END)) == [], "it went first"
    assert host.feed(data(2 * MAX_PIECES + 1, b"y", END)) == [b"xy"]


def test_memory_is_bounded() -> None:
    """Also when each piece is large."""
    host = _Host()
    size = 30_000
    fit = MAX_BYTES // (size + PIECE_COST)
    for number in range(fit + 5):
        host.feed(data(2 * number, bytes(size), BEGIN))
    assert dict(host.counts) == {
        Count.USED: fit + 5,
        Count.FOUND: 5,
        Count.CROWDED_OUT: 5,
    }
