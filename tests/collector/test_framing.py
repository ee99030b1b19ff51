# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over a stream: wherever it is split, the same packets come out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.causes import Cause
from collector.framing import Framer
from tests.hep_bytes import SENDERS, SIP, chunk, hep1, hep3

PACKETS = [expected.data for expected in SENDERS if expected.version == 3]
packets = st.lists(
    st.one_of(
        st.sampled_from(PACKETS),
        st.builds(
            lambda payload, magic: hep3(chunk(0x0F, payload), magic=magic),
            st.binary(max_size=50),
            st.sampled_from([b"HEP3", b"EEP3", b"EEP1"]),
        ),
    ),
    max_size=8,
)


def _feed(framer: Framer, stream: bytes, cuts: list[int]) -> list[bytes]:
    found = []
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for begin, end in pairwise(borders):
        found += framer.feed(stream[begin:end])
    return found


@given(packets, st.lists(st.integers(0, 3000), max_size=20))
def test_any_split_gives_the_same_packets(sent: list[bytes], cuts: list[int]) -> None:
    """Whatever the network makes of it."""
    framer = Framer()
    assert _feed(framer, b"".join(sent), cuts) == sent
    assert framer.error is None


def test_byte_by_byte() -> None:
    """A packet comes out with its last byte, not before and not after."""
    framer = Framer()
    for sent in PACKETS[:3]:
        for byte in sent[:-1]:
            assert framer.feed(bytes([byte])) == []
        assert framer.feed(sent[-1:]) == [sent]


@given(packets, st.integers(1, 200), st.lists(st.integers(0, 3000), max_size=9))
def test_what_is_not_complete_is_kept(sent: list[bytes], cut: int, cuts: list[int]) -> None:
    """It is no packet until its end has come."""
    last = hep3(chunk(0x0F, bytes(300)))
    framer = Framer()
    assert _feed(framer, b"".join(sent) + last[:cut], cuts) == sent
    assert framer.feed(last[cut:]) == [last]


@pytest.mark.parametrize(
    ("garbage", "error"),
    [
        (b"GET / HTTP/1.1\r\n", Cause.NOT_HEP),
        (hep1(), Cause.NOT_HEP),
        (SIP, Cause.NOT_HEP),
        (b"HEP3\0\0", Cause.HEP_LENGTH),
        (b"HEP3\0\5xxxx", Cause.HEP_LENGTH),
        (b"\0" * 6, Cause.NOT_HEP),
    ],
)
def test_a_stream_that_cannot_be_followed_ends(garbage: bytes, error: Cause) -> None:
    """What came before is good; nothing is guessed about what comes after."""
    good = PACKETS[0]
    framer = Framer()
    assert framer.feed(good * 2 + garbage + good) == [good, good]
    assert framer.error is error
    assert framer.feed(good) == []
    assert framer.error is error


def test_the_smallest_and_the_largest_packet() -> None:
    """6 and 65,535 bytes, back to back."""
    largest = hep3(chunk(0x0F, bytes(65_535 - 12)))
    assert len(largest) == 65_535
    framer = Framer()
    assert framer.feed(hep3() + largest + hep3()) == [hep3(), largest, hep3()]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=9))
def test_any_bytes_are_framed_or_refused(stream: bytes, cuts: list[int]) -> None:
    """Never an exception; all splits agree."""
    one, other = Framer(), Framer()
    assert _feed(one, stream, []) == _feed(other, stream, cuts)
    assert one.error is other.error
    one.feed(b"")
    assert len(one._rest) <= len(stream)
