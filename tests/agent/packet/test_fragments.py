# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments of both families, in any order, and what is given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.count import Count
from agent.packet import fragments
from agent.packet.decoder import Decoder
from agent.packet.fragments import IDLE, MAX_BYTES, MAX_DATAGRAMS, PIECE_COST, Fragments
from agent.packet.packet import Packet
from tests.agent.packet import frames
from tests.agent.packet.frames import IPV4, IPV6, Counts

SECOND: Final = 1_000_000
SIP: Final = frames.sip("fragments") + bytes(range(256)) * 4
FAMILIES: Final[dict[int, Callable[..., list[bytes]]]] = {
    IPV4: frames.fragments4,
    IPV6: frames.fragments6,
}
families: Final = pytest.mark.parametrize("kind", [IPV4, IPV6], ids=["IPv4", "IPv6"])
KEY: Final = (frames.A4, frames.B4, 1, frames.UDP, 0)


def _feed(
    packets: Iterable[bytes], kind: int, time: int = 1, tags: tuple[tuple[int, int], ...] = ()
) -> tuple[list[Packet], Counts]:
    counts = Counts()
    decoder = Decoder(1, erspan=False, counts=counts.row)
    found: list[Packet] = []
    for number, packet in enumerate(packets):
        found += decoder.decode(time + number, frames.ethernet(packet, kind, tags))
    return found, counts


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[int, bytes, list[int], list[int]]:
    """A family, a payload, where it is cut, and the order in which the pieces come."""
    kind = draw(st.sampled_from([IPV4, IPV6]))
    payload = frames.udp(draw(st.binary(min_size=9, max_size=400)))
    cuts = draw(st.lists(st.integers(1, len(payload) // 8), min_size=1, max_size=30))
    count = len(frames.pieces(payload, cuts))
    order = draw(st.permutations(range(count)))
    repeated = draw(st.lists(st.integers(0, count - 1), max_size=10))
    for index in repeated:
        order.insert(draw(st.integers(0, len(order))), index)
    return kind, payload, cuts, order


@given(arrivals())
def test_any_fragmentation_order_and_repetition_gives_the_same_datagram_once(
    case: tuple[int, bytes, list[int], list[int]],
) -> None:
    """For both families; every frame is counted, the one that completes it by the caller."""
    kind, payload, cuts, order = case
    packets = FAMILIES[kind](payload, cuts)
    found, counts = _feed([packets[index] for index in order], kind)
    if len(packets) == 1:
        assert len(found) == len(order), "one packet is no fragment"
        return
    assert [packet.payload for packet in found] == [payload[8:]]
    assert dict(counts).keys() <= {Count.USED, Count.REPEATED}
    assert counts.frames() == len(order) - 1
    assert dict(counts)[Count.USED] == len(packets) - 1


@families
def test_the_time_is_that_of_the_fragment_that_completes_the_datagram(kind: int) -> None:
    """As heplify has it, whichever fragment that is."""
    packets = FAMILIES[kind](frames.udp(SIP), [40, 80])
    found, _counts = _feed([packets[2], packets[0], packets[1]], kind, time=100)
    assert [packet.time for packet in found] == [102]


@families
def test_fragments_keep_addresses_and_vlan(kind: int) -> None:
    """And those of different VLANs are not mixed."""
    counts = Counts()
    decoder = Decoder(1, erspan=False, counts=counts.row)
    packets = {
        vlan: FAMILIES[kind](frames.udp(SIP + bytes([vlan])), [40, 80]) for vlan in (5, 6, 0)
    }
    found: list[Packet] = []
    for index in (1, 2, 0):
        for vlan, parts in packets.items():
            tags = ((0x8100, vlan),) if vlan else ()
            found += decoder.decode(1, frames.ethernet(parts[index], kind, tags))
    assert [(packet.vlan, packet.payload[-1]) for packet in found] == [(5, 5), (6, 6), (0, 0)]
    source = frames.A4 if kind == IPV4 else frames.A6
    assert {packet.src_ip for packet in found} == {source}


@families
def test_tcp_and_sctp_come_in_fragments_too(kind: int) -> None:
    """Everything that follows an IP header may."""
    for protocol, payload in (
        (frames.TCP, frames.tcp(SIP)),
        (frames.SCTP, frames.sctp(frames.data(1, SIP))),
    ):
        found, _counts = _feed(FAMILIES[kind](payload, [30, 60], protocol), kind)
        assert [(packet.protocol, packet.payload) for packet in found] == [(protocol, SIP)]


def test_df_does_not_hide_an_ipv4_fragment() -> None:
    """heplify takes a packet with DF for a whole one."""
    payload = frames.udp(SIP)
    packets = [
        frames.ip4(part, place=0x4000 | offset >> 3 | (0x2000 if not offset else 0))
        for offset, part in frames.pieces(payload, [50])
    ]
    assert [packet.payload for packet in _feed(packets, IPV4)[0]] == [SIP]


def test_an_ipv4_fragment_may_have_options_and_padding() -> None:
    """The padding that Ethernet puts behind a short last fragment is not part of the datagram."""
    payload = frames.udp(SIP)
    (_, first), (offset, last) = frames.pieces(payload, [len(payload) // 8])
    packets = [
        frames.ip4(first, options=b"\x94\x04\x00\x00", place=0x2000),
        frames.ip4(last, place=offset >> 3) + bytes(20),
    ]
    assert [packet.payload for packet in _feed(packets, IPV4)[0]] == [SIP]


def test_ipv6_extension_headers_before_and_within_fragments() -> None:
    """The unfragmentable part may differ; the fragmentable one begins with what 44 says."""
    options = b"\x11\x00\x01\x04\x00\x00\x00\x00"
    payload = options + frames.udp(SIP)
    packets = []
    for offset, part in frames.pieces(payload, [40]):
        fragment = frames.fragment6(part, offset, offset == 0, protocol=60)
        packets.append(frames.ip6(b"\x2c\x00\x01\x04\x00\x00\x00\x00" + fragment, 0))
    assert [packet.payload for packet in _feed(packets, IPV6)[0]] == [SIP]


def test_an_ipv6_fragment_that_is_all_of_it_waits_for_nobody() -> None:
    """RFC 6946: even with others of its identification around."""
    atomic = frames.ip6(frames.fragment6(frames.udp(SIP), 0, False), 44)
    other = frames.fragments6(frames.udp(SIP + b"other"), [40])
    found, _counts = _feed([other[0], atomic, other[1]], IPV6)
    assert [packet.payload for packet in found] == [SIP, SIP + b"other"]


@families
@pytest.mark.parametrize("first", [0, 1])
def test_an_overlap_discards_the_datagram(kind: int, first: int) -> None:
    """And all that still comes of it: nothing of what an attacker mixed in is seen as a message."""
    payload = frames.udp(SIP)
    evil = frames.udp(b"X" * len(SIP))
    good = FAMILIES[kind](payload, [40, 80])
    bad = FAMILIES[kind](evil, [50, 70])
    packets = [good[first], bad[first], *good, *good]
    found, counts = _feed(packets, kind)
    assert not found
    assert dict(counts) == {Count.USED: 1, Count.BAD_FRAGMENT: len(packets) - 1}


@families
def test_fragments_that_contradict_each_other_about_the_end_discard_the_datagram(kind: int) -> None:
    """Two last fragments, and one behind the last."""
    payload = frames.udp(SIP)
    longer = FAMILIES[kind](payload, [40, 80])
    shorter = FAMILIES[kind](payload[:320] + bytes(100), [40])
    for packets in ([longer[0], longer[2], shorter[1]], [shorter[1], longer[2], longer[0]]):
        found, counts = _feed(packets, kind)
        assert not found
        assert dict(counts)[Count.BAD_FRAGMENT] >= 1


def test_a_fragment_that_comes_again_as_the_last_one_discards_the_datagram() -> None:
    """The same bytes, but now the datagram would end there."""
    table = Fragments(Counts().row)
    assert table.add(0, KEY, 17, 0, bytes(8), more=True) == Count.USED
    assert table.add(0, KEY, 17, 0, bytes(8), more=False) == Count.BAD_FRAGMENT
    assert table.add(0, KEY, 17, 8, bytes(8), more=False) == Count.BAD_FRAGMENT


@pytest.mark.parametrize(
    "packet",
    [
        frames.ip4(bytes(80), place=0x2000 | 8190),
        frames.ip4(bytes(81), place=0x2000),
        frames.ip4(b"", place=0x2000),
        frames.ip4(b"", place=9),
    ],
)
def test_a_fragment_out_of_bounds_is_malformed(packet: bytes) -> None:
    """Beyond 65,535 bytes, of odd length, empty."""
    found, counts = _feed([packet], IPV4)
    assert not found
    assert dict(counts) == {Count.BAD_FRAGMENT: 1}


@families
def test_the_largest_datagram_in_the_smallest_fragments(kind: int) -> None:
    """8,192 of them, last one first."""
    payload = frames.udp(bytes(65_535 - 8), size=0xFFFF)
    packets = FAMILIES[kind](payload, list(range(1, 8192)))
    assert len(packets) == 8192
    if kind == IPV4:
        # With the IPv4 header it is more than UDP over IPv4 can send.
        assert len(_feed(reversed(packets), kind)[0]) == 1
    found, counts = _feed(reversed(packets), kind)
    assert [len(packet.payload) for packet in found] == [65_527]
    assert dict(counts) == {Count.USED: 8191}


@families
def test_a_fragment_cut_off_while_capturing_completes_nothing(kind: int) -> None:
    """Half a message never looks whole."""
    packets = FAMILIES[kind](frames.udp(SIP), [40])
    found, counts = _feed([packets[0], packets[1][:-1]], kind)
    assert not found
    assert dict(counts) == {Count.USED: 1, Count.TRUNCATED: 1}


@families
def test_a_datagram_that_stays_incomplete_is_found_and_lost(kind: int) -> None:
    """After 30 s without a fragment, on the capture clock; not a moment before."""
    counts = Counts()
    decoder = Decoder(1, erspan=False, counts=counts.row)
    packets = FAMILIES[kind](frames.udp(SIP), [40, 80])
    decoder.decode(0, frames.ethernet(packets[0], kind))
    decoder.decode(20 * SECOND, frames.ethernet(packets[1], kind))
    decoder.expire(20 * SECOND + IDLE)
    assert dict(counts) == {Count.USED: 2}
    decoder.expire(20 * SECOND + IDLE + 1)
    decoder.expire(90 * SECOND)
    assert dict(counts) == {Count.USED: 2, Count.FOUND: 1, Count.INCOMPLETE: 1}
    assert not decoder.decode(91 * SECOND, frames.ethernet(packets[2], kind))


@families
def test_a_datagram_without_its_first_fragment_is_no_lost_message(kind: int) -> None:
    """The filter lets later fragments of all traffic in; TCP's stream knows what is missing."""
    counts = Counts()
    decoder = Decoder(1, erspan=False, counts=counts.row)
    for packet in (
        *FAMILIES[kind](frames.udp(SIP), [40, 80])[1:],
        *FAMILIES[kind](frames.tcp(SIP), [40, 80], frames.TCP, number=2)[:1],
    ):
        decoder.decode(0, frames.ethernet(packet, kind))
    decoder.expire(IDLE + 1)
    assert dict(counts) == {Count.USED: 3, Count.UNIDENTIFIED: 2}


def test_an_identification_that_comes_again_after_the_time_out_begins_anew() -> None:
    """Without waiting for ``expire``."""
    counts = Counts()
    table = Fragments(counts.row)
    assert table.add(0, KEY, 17, 0, b"a" * 8, more=True) == Count.USED
    assert table.add(IDLE + 1, KEY, 17, 8, b"d" * 8, more=False) == Count.USED
    assert table.add(IDLE + 2, KEY, 17, 0, b"c" * 8, more=True) == (17, b"c" * 8 + b"d" * 8)
    assert dict(counts) == {Count.FOUND: 1, Count.INCOMPLETE: 1}


def test_a_clock_that_is_set_back_leaves_nothing_for_ever() -> None:
    """As when a file is played again."""
    counts = Counts()
    table = Fragments(counts.row)
    table.add(IDLE * 5, KEY, 17, 0, bytes(8), more=True)
    table.expire(IDLE)
    assert len(table) == 0
    assert table.memory == 0
    assert counts.lost() == 1


def test_fragments_seen_on_two_interfaces_give_one_datagram() -> None:
    """Also when the second copies come after all of the first; what SIP sends again counts."""
    packets = frames.fragments4(frames.udp(SIP), [40, 80])
    found, counts = _feed([*packets, *packets], IPV4)
    assert len(found) == 1
    assert dict(counts) == {Count.USED: 2, Count.REPEATED: 3}
    decoder = Decoder(1, erspan=False, counts=Counts().row)
    times = [0, 0, 0, *[SECOND // 2] * 3]
    again = [
        packet
        for time, part in zip(times, packets * 2, strict=True)
        for packet in decoder.decode(time, frames.ethernet(part))
    ]
    assert [packet.time for packet in again] == [0, SECOND // 2]


def test_the_number_of_datagrams_is_bounded_and_the_oldest_goes_first() -> None:
    """Oldest by its last fragment; a message found and lost."""
    counts = Counts()
    table = Fragments(counts.row)

    def add(number: int, offset: int, *, more: bool) -> object:
        return table.add(1, (*KEY[:2], number, 17, 0), 17, offset, bytes(8), more=more)

    for number in range(MAX_DATAGRAMS):
        add(number, 0, more=True)
    add(0, 8, more=True)
    assert not list(counts)
    add(MAX_DATAGRAMS, 0, more=True)
    assert len(table) == MAX_DATAGRAMS
    assert dict(counts) == {Count.FOUND: 1, Count.CROWDED_OUT: 1}
    assert add(0, 16, more=False) == (17, bytes(24)), "it was heard of since"
    assert add(1, 8, more=False) == Count.USED, "it is gone"


def test_memory_is_bounded() -> None:
    """Also when each datagram is large."""
    counts = Counts()
    table = Fragments(counts.row)
    size = 60_000
    fit = MAX_BYTES // (size + PIECE_COST)
    for number in range(fit + 10):
        table.add(1, (*KEY[:2], number, 17, 0), 17, 0, bytes(size), more=True)
        assert table.memory <= MAX_BYTES
    assert dict(counts) == {Count.FOUND: 10, Count.CROWDED_OUT: 10}


@given(
    st.lists(
        st.tuples(
            *(st.integers(0, 40 * SECOND), st.integers(0, 2), st.integers(0, 6)),
            *(st.integers(1, 33), st.booleans(), st.binary(min_size=1, max_size=1)),
        ),
        max_size=60,
    )
)
def test_whatever_comes_memory_is_given_back(
    arriving: list[tuple[int, int, int, int, bool, bytes]],
) -> None:
    """And every datagram is delivered, given up once, or was refused."""
    counts = Counts()
    table = Fragments(counts.row)
    for time, number, place, size, more, byte in arriving:
        result = table.add(time, (*KEY[:2], number, 17, 0), 17, place * 8, byte * size, more=more)
        if isinstance(result, tuple):
            assert 0 < len(result[1]) <= fragments.MAX_DATAGRAM
        assert 0 <= table.memory <= len(arriving) * (33 + PIECE_COST)
    table.expire(200 * SECOND)
    assert len(table) == 0
    assert table.memory == 0
    assert dict(counts).get(Count.FOUND, 0) == counts.lost()
