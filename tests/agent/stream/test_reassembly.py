# SPDX-License-Identifier: GPL-2.0-or-later
"""Any segmentation, reordering, duplication and overlap of a stream gives the same messages."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.count import Count
from agent.packet.packet import Packet
from agent.stream.reassembly import PIECE_COST, Reassembly
from tests.agent.stream.segments import ACK, FIN, HANDSHAKE, SYN, Capture, frame, request, segment

METHODS = (b"INVITE", b"OPTIONS", b"KDMQ", b"X-Odd.one!", b"a")
STATUS = b"SIP/2.0 200 OK\r\nv: SIP/2.0/TCP h;branch=z\r\ni: 2@h\r\nCSeq: 2 INVITE\r\n%s\r\n\r\n%s"
LENGTHS = (
    *(b"Content-Length: %d", b"content-length:%d", b"CONTENT-LENGTH\t:  %d", b"l: %d", b"L :%d"),
    *(b"Content-Length:\r\n %d", b"Content-Length: 00%d"),
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            *(b"v=0\r\no=- 1 1 IN IP4 h\r\n", b"\r\n\r\n", b"SIP/2.0 200 OK\r\n", request()),
            *(b"\0\0", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\x81\x05INVIT"),
        ]
    ),
)
KEEPALIVES = st.sampled_from([b"", b"", b"\r\n\r\n", b"\r\n", b"\0", b"\0\0\r\n"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A request or a response with a body, Content-Length in any spelling."""
    body = draw(BODIES)
    length = draw(st.sampled_from(LENGTHS)) % len(body)
    if draw(st.booleans()):
        return request(draw(st.sampled_from(METHODS)), body, length=length)
    return STATUS % (length, body)


@st.composite
def deliveries(draw: st.DrawFn, stream: bytes) -> list[Packet]:
    """The segments of a stream with its SYN and FIN: cut anywhere, doubled, overlapping, in any
    order behind the SYN.
    """
    size = len(stream)
    first = draw(st.sampled_from([0, 1, 0x7FFF_FFF0, 0xFFFF_FF00, 0xFFFF_FFFF]))
    cuts = sorted({0, size, *draw(st.lists(st.integers(0, size), max_size=30))})
    ranges = list(pairwise(cuts))
    ranges += draw(st.lists(st.sampled_from(ranges), max_size=5))
    for begin, length in draw(
        st.lists(st.tuples(st.integers(0, size - 1), st.integers(1, 200)), max_size=8)
    ):
        ranges.append((begin, min(begin + length, size)))
    order = draw(st.one_of(st.just(ranges), st.permutations(ranges)))
    packets = [segment(b"", first - 1, flags=SYN)]
    packets += [segment(stream[a:b], first + a, time=n) for n, (a, b) in enumerate(order)]
    packets.insert(draw(st.integers(1, len(packets))), segment(b"", first + size, flags=FIN | ACK))
    return packets


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_segmentation_gives_the_same_messages(data: st.DataObject) -> None:
    """Over TCP, with keep-alives between the messages."""
    sent = data.draw(st.lists(messages(), min_size=1, max_size=5))
    stream = b"".join(data.draw(KEEPALIVES) + message for message in sent)
    capture = Capture()
    assert capture.feed(data.draw(deliveries(stream))) == sent
    assert capture[Count.FOUND] == capture[Count.STREAM_GAP] == capture[Count.STREAM_GARBAGE] == 0
    assert capture.streams.held == 0
    capture.check()


@st.composite
def frames(draw: st.DrawFn, message: bytes) -> bytes:
    """A message in one frame or in fragments, masked or not, control frames between them."""
    cuts = sorted({0, len(message), *draw(st.lists(st.integers(0, len(message)), max_size=3))})
    parts = [message[a:b] for a, b in pairwise(cuts)]
    mask = draw(st.sampled_from([b"", b"\x81\x82\x7f\x00", b"\xff\x16\x03\x0a"]))
    out = b""
    for number, part in enumerate(parts):
        opcode = draw(st.sampled_from([1, 2])) if not number else 0
        if draw(st.booleans()):
            ping = draw(st.sampled_from([0x89, 0x8A]))
            out += frame(draw(st.binary(max_size=9)), first=ping, mask=mask)
        out += frame(part, first=opcode | (0x80 if number == len(parts) - 1 else 0), mask=mask)
    return out


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_segmentation_of_websocket_gives_the_same_messages(data: st.DataObject) -> None:
    """The same with the frames of RFC 7118, behind the handshake."""
    sent = data.draw(st.lists(messages(), min_size=1, max_size=4))
    stream = HANDSHAKE + b"".join(data.draw(frames(message)) for message in sent)
    capture = Capture()
    assert capture.feed(data.draw(deliveries(stream))) == sent
    assert capture[Count.FOUND] == capture[Count.STREAM_GAP] == capture[Count.STREAM_GARBAGE] == 0
    assert capture.streams.held == 0
    capture.check()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_time_is_that_of_the_first_byte(data: st.DataObject) -> None:
    """However late the rest comes: of the segment in which the message begins."""
    sent = data.draw(st.lists(messages(), min_size=1, max_size=4))
    stream = b"".join(sent)
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream)), max_size=9))})
    ranges = list(pairwise(cuts))
    order = data.draw(st.permutations(range(len(ranges))))
    capture = Capture()
    capture.feed([segment(b"", -1, flags=SYN)])
    capture.feed(
        segment(stream[ranges[n][0] : ranges[n][1]], ranges[n][0], time=1000 + when)
        for when, n in enumerate(order)
    )
    begins = [sum(map(len, sent[:n])) for n in range(len(sent))]
    expected = [
        1000 + order.index(next(n for n, (a, b) in enumerate(ranges) if a <= begin < b))
        for begin in begins
    ]
    assert [packet.time for packet in capture.messages] == expected


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_in_any_segments(data: st.DataObject) -> None:
    """Nothing raises, every segment has one outcome, and nothing is held after the end."""
    pieces = st.one_of(
        st.binary(max_size=40),
        messages(),
        st.sampled_from(
            [
                *(HANDSHAKE, b"\r\n", b" SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n", b"A a: SIP/2.0\r\n"),
                *(b"l: 99999999999999999999\r\n", b"l: -1\r\n", b"c: a\r\n\r\n", b"\x81\xfe\0\x50"),
                *(frame(request()), frame(b"INVITE", first=1), b"\x16\x03\x01", b"\xc1\x01a"),
            ]
        ),
    )
    stream = b"".join(data.draw(st.lists(pieces, max_size=12)))
    capture = Capture()
    for packet in data.draw(
        st.lists(
            st.builds(
                segment,
                st.builds(
                    lambda a, b: stream[a : a + b],
                    st.integers(0, len(stream)),
                    st.integers(0, 300),
                ),
                st.one_of(st.integers(0, len(stream) + 9), st.integers(0, 0xFFFF_FFFF)),
                time=st.integers(0, 400_000_000),
                flags=st.one_of(st.just(ACK), st.integers(0, 255)),
            ),
            max_size=20,
        )
    ):
        capture.feed([packet])
    for at in range(0, len(stream), 50):
        capture.feed([segment(stream[at : at + 50], 1_000_000 + at, port=2)])
    capture.expire(data.draw(st.integers(0, 400_000_000)))
    capture.close()
    assert capture.streams.held == len(capture.streams) == 0
    capture.check()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_cut_anywhere_gives_what_one_piece_gives(data: st.DataObject) -> None:
    """Also where the stream holds garbage: the messages depend on the bytes alone."""
    pieces = st.one_of(
        messages(),
        st.sampled_from(
            [
                *(b"garbage\r\n", b"hello", b"Via: SIP/2.0/TCP h\r\n", b"\x81\x7e", b"INVITE sip:"),
                *(frame(request()), frame(request(b"BYE"), mask=b"abcd"), HANDSHAKE),
                *(b"l: -1\r\n", b"A a: SIP/2.0\r\n", b"HTTP/1.1 404 no\r\n\r\n", b"\n\n"),
                request(length=b"c: text/plain") + b"body",
            ]
        ),
    )
    stream = b"".join(data.draw(st.lists(pieces, min_size=1, max_size=8)))
    size = len(stream)
    whole, cut = Capture(), Capture()
    syn = segment(b"", -1, flags=SYN)
    expected = whole.feed([syn, segment(stream, 0)]) + whole.close()
    cuts = sorted({0, size, *data.draw(st.lists(st.integers(0, size), max_size=20))})
    packets = [segment(stream[a:b], a) for a, b in pairwise(cuts)]
    assert cut.feed([syn, *packets]) + cut.close() == expected


def test_first_bytes_win() -> None:
    """Of bytes that overlap, those that were captured first are kept, in order or waiting."""
    reassembly = Reassembly(100)
    assert reassembly.add(104, b"EFGH", 1) == []
    assert reassembly.add(102, b"cdefgh", 2) == []
    assert reassembly.add(100, b"abcdefghij", 3) == [
        (3, b"ab"),
        (2, b"cdEFGH"),
        (3, b"ij"),
    ]
    assert reassembly.add(100, b"ABCDEFGHIJ", 4) is None
    assert reassembly.add(108, b"IJKL", 5) == [(5, b"KL")]


def test_waiting_pieces_that_are_covered_become_one() -> None:
    """So a segment that is sent again and again is not compared with each of its bytes."""
    reassembly = Reassembly(0)
    for at in range(100, 200, 2):
        assert reassembly.add(at, b"x", at) == []
    assert reassembly.pieces == 50
    assert reassembly.add(90, b"y" * 120, 300) == []
    assert reassembly.pieces == 1
    assert reassembly.held == 120 + PIECE_COST
    assert reassembly.add(90, b"z" * 120, 300) is None
    assert reassembly.skip() == [(300, b"y" * 10 + b"xy" * 50 + b"y" * 10)]


def test_sequence_numbers_wrap() -> None:
    """Modulo 2**32, also while bytes wait on the other side."""
    reassembly = Reassembly(0xFFFF_FFFE)
    assert reassembly.add(1, b"d", 1) == []
    assert reassembly.add(0xFFFF_FFFF, b"bc", 2) == []
    assert reassembly.add(0xFFFF_FFFE, b"a", 3) == [(3, b"a"), (2, b"bc"), (1, b"d")]
    assert reassembly.next == 2
    assert reassembly.held == 0


def test_nothing_new_behind_a_gap() -> None:
    """A segment of which every byte waits already, in several pieces."""
    reassembly = Reassembly(0)
    assert reassembly.add(100, b"a", 1) == []
    assert reassembly.add(101, b"b", 2) == []
    assert reassembly.add(100, b"xy", 3) is None
    assert reassembly.add(99, b"xyz", 4) == []
    assert reassembly.skip() == [(4, b"xab")]
