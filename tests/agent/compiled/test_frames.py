# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers with and without the compiled form make the same of the same frames, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import ordinary
from agent.capture.source import Frame
from agent.count import Count
from agent.counts import LAST_MESSAGE, Counts, Rows
from agent.flags.options import Options
from agent.handover import Handover
from agent.message.media import Media
from agent.message.messages import Messages
from agent.packet.decoder import Decoder
from agent.stream.streams import Streams
from agent.summary import is_balanced
from agent.worker import Worker
from bench import mix
from collector.journal.counters import Role
from collector.journal.writer import Writer
from tests.agent.packet.frames import A4, B6, ethernet, ip4, ip6, sip, udp
from tests.agent_options import options
from tests.fix_journal import OpenWriter, packets_of
from tests.fuzz import corpus, mutate

_START: Final = 1_800_000_000_000_000
_FLAGS: Final = (
    ("-m", "SIP"),
    ("-m", "SIPRTCP", "-hi", "4294967294", "-hn", "node", "-hp", "secret"),
    ("-m", "SIPDNS", "-hs", "192.0.2.1:9060", "-nt", "tcp"),
    ("-m", "SIPLOG", "-hn", "n" * 255),
)
_MUTATED: Final = 3_000


def _read(
    frames: list[Frame], chosen: Options, linktype: int, *, plain: bool
) -> tuple[list[bytes], list[int], list[object]]:
    """What one worker hands over, its counts, and what it has learnt of calls."""
    counts = Rows(1).row(0)
    media = Media(counts)
    with TemporaryDirectory() as directory:
        journal = Path(directory)
        writer = _writer(journal)
        totals = _run(writer, counts, media, frames, chosen, linktype, plain=plain)
        writer.close()
        return packets_of(journal), totals, list(media._addresses.items())


def _writer(journal: Path) -> Writer:
    return Writer(
        *(journal, Role.AGENT),
        segment_bytes=1 << 30,
        segment_seconds=3600,
        max_bytes=1 << 40,
        min_free_bytes=0,
    )


def _run(
    writer: Writer,
    counts: Counts,
    media: Media,
    frames: list[Frame],
    chosen: Options,
    linktype: int,
    *,
    plain: bool,
) -> list[int]:
    handover = Handover(writer, counts, chosen.servers)
    form = ordinary.choose(chosen, linktype, counts, media, handover)
    assert not form.reason
    messages = Messages(
        *(counts, media),
        mode=chosen.m,
        capture_id=chosen.hi,
        node_name=chosen.hn,
        auth_key=chosen.hp,
    )
    worker = Worker(
        *(chosen, counts, Decoder(linktype, erspan=False, counts=counts), Streams(counts)),
        *(messages, handover, None, None if plain else form.ordinary),
    )
    worker.take(frames)
    worker.expire(1 << 62)
    totals = counts.tolist()
    assert is_balanced(totals)
    return totals[:LAST_MESSAGE]


def _agree(
    data: Iterable[bytes], flags: Sequence[str], linktype: int = 1, step_us: int = 1000
) -> list[bytes]:
    """Both make the same of these frames; returns the packets."""
    frames = [(_START + n * step_us, frame, len(frame)) for n, frame in enumerate(data)]
    chosen = options(*flags)
    found = _read(frames, chosen, linktype, plain=False)
    assert found == _read(frames, chosen, linktype, plain=True)
    return found[0]


@pytest.mark.parametrize("flags", _FLAGS)
def test_every_message_of_the_corpus(flags: tuple[str, ...]) -> None:
    """In IPv4 and IPv6, with tags, from and to ports that mean something."""
    messages = [*corpus.messages().values(), *corpus.seeds().values()]
    messages = [data for data in messages if len(data) < 65_000]
    ports = (53, 514, 2223, 4789, 5060, 6081, 7932)
    frames = [ethernet(ip4(udp(data))) for data in messages]
    frames += [ethernet(ip6(udp(data)), 0x86DD, ((0x8100, 7),)) for data in messages]
    frames += [ethernet(ip4(udp(sip("1"), *pair))) for pair in product(ports, ports)]
    assert _agree(frames, flags)


@pytest.mark.parametrize("flags", _FLAGS[:2])
def test_mutated_messages(flags: tuple[str, ...]) -> None:
    """In frames that are right, so that each change meets the search for SIP."""
    messages = mutate.messages(_MUTATED, 20_261_126)
    assert _agree((ethernet(ip4(udp(data[:65_000]))) for data in messages), flags)


def _link(linktype: int, kind: int, rest: bytes) -> bytes:
    """A frame of Ethernet, SLL or SLL2."""
    if linktype == 1:
        return ethernet(rest, kind)
    return (bytes(14) + _u16(kind) if linktype == 113 else _u16(kind) + bytes(18)) + rest


def _u16(number: int) -> bytes:
    return number.to_bytes(2)


@pytest.mark.parametrize("linktype", [1, 113, 276])
def test_mutated_frames(linktype: int) -> None:
    """A byte changed, bytes missing, bytes added, in each kind of link."""
    chance = random.Random(20_261_127)
    tagged = b"\0\x05\x81\0\xe0\x07\x08\0"
    wholes = [
        _link(linktype, 0x0800, ip4(udp(sip("1")))),
        _link(linktype, 0x86DD, ip6(udp(sip("2")))),
        _link(linktype, 0x8100, tagged + ip4(udp(sip("3")))),
        _link(linktype, 0x0800, ip4(udp(sip("4"), 7932, 7932), options=bytes(4))),
    ]
    frames = []
    for number in range(_MUTATED):
        frame = bytearray(wholes[number % len(wholes)])
        for _ in range(chance.randrange(3)):
            frame[chance.randrange(min(len(frame), 70))] = chance.choice(
                (0, 1, 6, 17, 0x45, 0x81, 0xFF, chance.randrange(256))
            )
        end = chance.choice((len(frame), len(frame), chance.randrange(len(frame))))
        frames.append(bytes(frame[:end]) + bytes(chance.choice((0, 0, 5))))
    assert _agree(frames, _FLAGS[0], linktype)


_REPORT: Final = b"\x80\xc9\0\1\0\0\0\5" + bytes(24)
_LINES: Final = st.sampled_from(
    (
        *(b"CSeq: 1 A\r\n", b"\nCSeq:", b"Cseq: 1 A\r\n", b"CSEQ : 1 A\r\n", b"Sip0", b"Sip", b"S"),
        *(b"m=audio 4000 RTP/AVP 8\r\n", b"\nm=audio ", b"c=IN IP4 10.0.0.9\r\n", b"v=0\r\n"),
        *(b"Call-ID: a@b\r\n", b"x" * 20, b"\r\n", b"\x80\xc9\0\1", b"\0", b"v=0\r\n"),
    )
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(_LINES, max_size=8).map(b"".join), min_size=1, max_size=20),
    st.sampled_from(_FLAGS),
    st.sampled_from((1, 999_999, 3_000_000, -3_000_000)),
)
def test_any_payload(payloads: list[bytes], flags: tuple[str, ...], step_us: int) -> None:
    """Of what has a meaning, in any order; and whatever the clock of the capture does."""
    _agree((ethernet(ip4(udp(data))) for data in payloads), flags, step_us=step_us)


def test_what_sdp_says_is_learnt_before_the_reports_that_follow() -> None:
    """RTCP between the addresses of a call in the same batch; and a message that cannot be read."""
    unit = mix.packets()
    frames: list[bytes] = []
    for number in range(2 * len(unit)):
        frames.append(ethernet(ip4(udp(mix.fill(unit, number)))))
        frames.append(ethernet(ip4(udp(_REPORT, 40_001 + number, 40_003))))
    for flags in _FLAGS[1:]:
        packets = _agree(frames, flags)
        assert len(packets) >= len(frames) // 2
    chosen = options(*_FLAGS[1])
    timed = [(_START + n, frame, 0) for n, frame in enumerate(frames)]
    assert _read(timed, chosen, 1, plain=False)[2]


def test_a_fault_of_what_learns_costs_its_frame(
    open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the plain form's to say so."""
    counts = Rows(1).row(0)
    chosen = options(*_FLAGS[1])
    handover = Handover(open_writer(), counts, chosen.servers)
    media = Media(counts)
    monkeypatch.setattr(media, "learn", _fails, raising=False)
    taken = ordinary.choose(chosen, 1, counts, media, handover).ordinary
    assert taken
    message = sip("1").replace(b"\r\n\r\n", b"\r\n\r\nv=0\r\nm=audio 4000 RTP/AVP 8\r\n")
    assert taken.take([(_START, ethernet(ip4(udp(message))), 0)], 0, 0, 1 << 62) == 0
    assert not handover.waiting


def _fails(*_: object) -> None:
    raise ZeroDivisionError


def test_packets_at_their_longest() -> None:
    """What fits no datagram goes the plain way, where it is compressed."""
    head = sip("1")
    payloads = [head + b"x" * (65_507 - len(head) - less) for less in range(200)]
    assert len(_agree((ethernet(ip4(udp(one))) for one in payloads), _FLAGS[0])) == len(payloads)


def test_times_that_hep_cannot_say(open_writer: OpenWriter) -> None:
    """Before 1970 and behind 2106 nothing is ordinary; nor is what lies outside of the bounds."""
    end_of_time = (1 << 32) * 1_000_000
    counts = Rows(1).row(0)
    chosen = options(*_FLAGS[0])
    handover = Handover(open_writer(), counts, chosen.servers)
    taken = ordinary.choose(chosen, 1, counts, Media(counts), handover).ordinary
    assert taken
    frame = ethernet(ip4(udp(sip("1"))))
    for at, is_taken in ((-1, 0), (0, 1), (end_of_time - 1, 1), (end_of_time, 0)):
        assert taken.take([(at, frame, 0)], 0, -(1 << 62), 1 << 62) == is_taken
    for earliest, latest, is_taken in ((5, 6, 1), (6, 9, 0), (1, 5, 0)):
        assert taken.take([(5, frame, 0)], 0, earliest, latest) == is_taken
    frames = [(at, frame, 0) for at in (0, end_of_time - 1)]
    assert _read(frames, chosen, 1, plain=False) == _read(frames, chosen, 1, plain=True)


def test_ordinary_traffic_is_taken(open_writer: OpenWriter) -> None:
    """Or it would be no faster: none of the messages of the benchmarks goes the long way."""
    unit = mix.packets()
    frames = [
        (_START, ethernet(network(udp(mix.fill(unit, number)))), 0)
        if network is ip4
        else (_START, ethernet(network(udp(mix.fill(unit, number))), 0x86DD), 0)
        for number, network in product(range(len(unit)), (ip4, ip6))
    ]
    counts = Rows(1).row(0)
    chosen = options(*_FLAGS[0])
    handover = Handover(open_writer(), counts, chosen.servers)
    taken = ordinary.choose(chosen, 1, counts, Media(counts), handover).ordinary
    assert taken
    assert taken.take(frames, 0, 0, 1 << 62) == len(frames)
    assert counts[Count.FOUND] == counts[Count.CAPTURED] == counts[Count.USED] == len(frames)
    assert A4 in handover.waiting[0]
    assert B6 in handover.waiting[1]
