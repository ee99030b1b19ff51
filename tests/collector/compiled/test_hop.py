# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled form of the hop gives what the reference gives, byte for byte and fact for fact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import mix
from collector import hep, sip_header
from collector.correlation.leg import MESSAGES, SEEN
from collector.correlation.pending import Pending
from collector.hep import Hep
from collector.hop import Batch, Options, plain
from collector.hop.form import Encode
from collector.journal import record
from collector.sip import METHODS
from tests.fuzz import corpus, mutate, worst
from tests.hep_bytes import DST4, DST6, SRC4, SRC6, chunk, hep3, u8, u16, u32
from tests.sip_text import request, with_headers

NOW_US = 1_763_856_000_000_000
PEERS = [record.pack_address(text) for text in ("203.0.113.5", "203.0.113.6", "2001:db8::5")]
OPTIONS = Options(
    accept_past=60_000_000,
    accept_future=1_000_000,
    max_field_bytes=64,
    max_refused=1000,
    correlate=True,
    accept_imported=(86_400_000_000,) * 5,
)
CASES = 8_000
"""Mutated packets that both forms get."""
_FIXTURE_IS_FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def _packet(payload: bytes, **fields: Any) -> bytes:
    base = Hep(3, 17, SRC4, DST4, 5060, 5061, NOW_US // 1_000_000, 0, hep.TYPE_SIP, 2001, payload)
    return hep.encode(base._replace(**fields))


def _journal(packets: Iterable[bytes]) -> bytes:
    return b"".join(
        record.pack(NOW_US * 1000 + 64_000 * number, PEERS[number % 3], 9060, 0, packet)
        for number, packet in enumerate(packets)
    )


def _agree(compiled: Encode, packets: Sequence[bytes], options: Options = OPTIONS) -> Batch:
    """Both forms make the same of a journal of these packets, and of each alone; returns that."""
    journal = _journal(packets)
    found, reference = Batch(), Batch()
    assert plain.encode(journal, reference, options, len(packets)) == len(journal)
    assert compiled(journal, found, options, len(packets)) == len(journal)
    merged, expected = Batch(pending=Pending()), Pending()
    compiled(journal, merged, options, len(packets))
    expected.add(reference.facts)
    assert merged.facts == []
    if found != reference or said(merged.pending) != said(expected):
        for packet in packets if len(packets) > 1 else ():
            _agree(compiled, [packet], options)
        assert found == reference
        assert said(merged.pending) == said(expected)
    return found


def said(pending: Pending | None) -> Any:
    """What is pending; the messages that repeats are counted by in an order of their own."""
    assert pending is not None
    for leg in pending.legs.values():
        leg[SEEN].sort()
    return pending.legs, pending.registrations, pending.edges, pending.streams


def _in_runs(packets: Iterable[bytes], size: int = 200) -> Iterator[list[bytes]]:
    iterator = iter(packets)
    while run := list(islice(iterator, size)):
        yield run


def test_every_sender_and_the_corpus(compiled: Encode) -> None:
    """As they are, together and one by one."""
    packets = [*corpus.seeds().values()]
    packets += [_packet(data) for data in corpus.messages().values() if len(data) < 65_000]
    assert _agree(compiled, packets).records == len(packets)
    for packet in packets:
        _agree(compiled, [packet])


def test_mutated_packets(compiled: Encode) -> None:
    """Of every sender and the corpus."""
    records = 0
    for run in _in_runs(mutate.cases(CASES, 20_261_124)):
        records += _agree(compiled, run).records
    assert records == CASES


def test_mutated_messages(compiled: Encode) -> None:
    """In packets that are right, so that each change meets the reading of SIP."""
    messages = (data for data in mutate.messages(CASES, 20_261_125) if len(data) < 65_000)
    for run in _in_runs(map(_packet, messages)):
        _agree(compiled, run)


def test_the_worst_cases(compiled: Encode) -> None:
    """Long ones."""
    for run in _in_runs(islice(worst.cases(), 3, None, 40), 20):
        _agree(compiled, run)


WORDS = st.sampled_from(
    (
        *(
            b"sip:",
            b"sips:",
            b"SIP:",
            b"tel:",
            b"<sip:",
            b"<tel:+49",
            b"<",
            b">",
            b'"',
            b"\\",
            b"@",
        ),
        *(
            b":",
            b";",
            b",",
            b"=",
            b"[",
            b"]",
            b"?",
            b" ",
            b"  ",
            b"\t",
            b"\r",
            b"\n",
            b"\0",
            b"\x7f",
        ),
        *(
            b";tag=",
            b"; TAG = ",
            b"tag",
            b";branch=z9",
            b"; Branch =",
            b"branch",
            b"a",
            b"Z9",
            b"*",
        ),
        *(
            b"example.COM",
            b"[2001:db8::1]",
            b"\xc3\xbc",
            b"\xff",
            b"SIP/2.0/UDP",
            b"SIP / 2.0 / tcp",
        ),
        *(b"SIP/2.0/WSS x", b"Digest ", b" username=", b',realm="r"', b' USERNAME = "a\\"b"', b"1"),
        *(b"INVITE", b"REGISTER", b"4294967296", b"99999999999", b"anonymous", b"x" * 70),
    )
)
VALUE = st.lists(WORDS, max_size=8).map(b"".join)
SPELLINGS = sorted({*sip_header._NAMES, *sip_header.COMPACT_NAMES, b"x-other"})
NAME = st.builds(
    lambda name, change, after: change(name) + after,
    st.sampled_from(SPELLINGS),
    st.sampled_from((bytes.title, bytes.upper, bytes.lower)),
    st.sampled_from((b": ", b":", b" : ", b":  ", b"", b"\t:", b"::")),
)
LINE = st.builds(
    lambda name, value, end: name + value + end,
    NAME,
    VALUE,
    st.sampled_from((b"\r\n", b"\r\n", b"\r\n", b"\r\n", b" \r\n", b"\n", b"\r\n ", b"\r\r\n")),
)
START = st.one_of(
    st.sampled_from(
        (
            *(b"INVITE sip:+49@Example.com;user=phone SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n"),
            *(b"SIP/2.0 100\r\n", b"SIP/2.0 407  Who? \r\n", b"REGISTER sips:[::1]:1 SIP/2.0\r\n"),
            *(
                b"SIP/2.0 99 x\r\n",
                b"SIP/2.0 700 x\r\n",
                b"SIP/2.0 2000\r\n",
                b"Ack tel:1 sip/2.0\r\n",
            ),
            *(
                b"BYE sip:a b SIP/2.0\r\n",
                b"ACK  sip:a SIP/2.0 \r\n",
                b"INFO tel:+1;x=y SIP/2.0\r\n",
            ),
        )
    ),
    st.builds(lambda value: value + b" SIP/2.0\r\n", VALUE),
)
MESSAGE = st.builds(
    lambda start, usual, lines, end: b"".join((start, usual, *lines, end)),
    START,
    st.sampled_from((b"Call-ID: c\r\nCSeq: 7 INVITE\r\n", b"i:c@d\r\nCSEQ:  8  BYE \r\n", b"")),
    st.lists(LINE, max_size=6),
    st.sampled_from((b"\r\n", b"\r\nbody", b"l: 4\r\n\r\nbody", b"", b"\n\n", b"\r\n\r\n")),
)


@_FIXTURE_IS_FIXED
@given(st.lists(MESSAGE, min_size=1, max_size=20))
def test_any_message(compiled: Encode, messages: list[bytes]) -> None:
    """Made of what has a meaning, in every place."""
    _agree(compiled, [_packet(message) for message in messages])


ADDRESS = st.sampled_from(
    (SRC4, bytes(4), b"\xff" * 4, bytes((0, 0, 0, 1)), bytes((255, 255, 255, 0)))
)
ADDRESS6 = st.sampled_from(
    (DST6, bytes(16), bytes(15) + b"\1", bytes(10) + b"\xff\xff" + SRC4, bytes(5) + b"\1" * 11)
)
CHUNK = st.one_of(
    st.builds(chunk, st.integers(0, 0x30), st.binary(max_size=20), st.sampled_from((0, 0, 0, 3))),
    st.builds(u8, st.sampled_from((1, 2, 0x0B)), st.integers(0, 255)),
    st.builds(u16, st.sampled_from((7, 8, 0x12)), st.integers(0, 65_535)),
    st.builds(u32, st.sampled_from((9, 0x0A, 0x0C)), st.integers(0, 2**32 - 1)),
    st.builds(chunk, st.sampled_from((3, 4)), ADDRESS),
    st.builds(chunk, st.sampled_from((5, 6)), ADDRESS6),
    st.builds(
        chunk,
        st.sampled_from((0x0E, 0x11, 0x13)),
        st.sampled_from((b"", b"call@example", b"n\xc3", b"\0", b"import/a", b"x" * 65)),
    ),
)
TIMES = st.sampled_from((0, NOW_US, NOW_US - 60_000_001, NOW_US + 1_000_000, NOW_US + 1_000_001))


@_FIXTURE_IS_FIXED
@given(st.lists(st.tuples(TIMES, st.lists(CHUNK, max_size=6)), min_size=1, max_size=20))
def test_any_packet(compiled: Encode, packets: list[tuple[int, list[bytes]]]) -> None:
    """Chunks of every number and size around a message, clocks at the limits."""
    message = chunk(0x0F, request())
    _agree(
        compiled,
        [
            hep3(
                *(u8(0x0B, 1), u32(9, at // 1_000_000), u32(0x0A, at % 1_000_000)),
                *(message, *chunks),
            )
            for at, chunks in packets
        ],
    )


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_header_name(compiled: Encode, name: bytes) -> None:
    """In every form that its name has, once and again."""
    values = (b"<sip:One@Example.com>;tag=1", b"7 INVITE", b'Digest username="u", realm=r', b"3")
    spellings = (name, name.upper(), name.title(), name + b" ")
    _agree(
        compiled,
        [
            _packet(with_headers(spelling + b": " + value, spelling + b": second"))
            for spelling in spellings
            for value in values
        ],
    )


def test_methods_statuses_and_transports(compiled: Encode) -> None:
    """All that are told apart."""
    methods = [*METHODS, "invite", "INVITES", "REGISTERS", "X"]
    packets = [_packet(request(method)) for method in methods]
    packets += [
        _packet(with_headers(start=b"SIP/2.0 %d Reason" % status))
        for status in (100, 180, 200, 302, 401, 407, 486, 503, 603, 699)
    ]
    for protocol in (0, 6, 17, 22, 132, 255):
        for via in (b"UDP", b"TCP", b"TLS", b"WS", b"WSS", b"tls", b"SCTP"):
            message = with_headers(b"Via: SIP/2.0/%b h;branch=b" % via)
            packets.append(_packet(message, protocol=protocol, src_ip=SRC6, dst_ip=DST6))
    batch = _agree(compiled, packets)
    assert all(rows.data for rows in batch.rows[:3])


def test_fields_at_their_longest(compiled: Encode) -> None:
    """One byte more goes another way to the same row."""
    for size in range(62, 67):
        _agree(
            compiled,
            [_packet(request(call_id="c" * size)), _packet(request(), node_name=b"n" * size)],
        )


def test_many_nodes_methods_and_peers(compiled: Encode) -> None:
    """More than are counted at one place."""
    packets = [
        _packet(request(f"M{number % 70}", number=number), capture_id=number * 7919 % 3000)
        for number in range(3000)
    ]
    assert len(_agree(compiled, packets).stats) > 2000


def test_damage_and_ends(compiled: Encode) -> None:
    """Both stop at the same record, wherever bytes are missing or changed."""
    journal = _journal([_packet(request(number=number)) for number in range(3)])
    for cut in range(0, len(journal), 7):
        damaged = bytearray(journal)
        damaged[cut] ^= 0x40
        for data in (journal[:cut], bytes(damaged)):
            found, reference = Batch(), Batch()
            assert compiled(data, found, OPTIONS, 100) == plain.encode(
                data, reference, OPTIONS, 100
            )
            assert found == reference


def test_checksums_of_every_length(compiled: Encode) -> None:
    """However many bytes are left over by the larger steps; and a bit more is another checksum."""
    for size in range(330):
        packet = bytes(number * 31 % 251 for number in range(size))
        journal = record.pack(NOW_US * 1000, PEERS[0], 9060, 0, packet)
        assert compiled(journal, Batch(), OPTIONS, 1) == len(journal)
        damaged = bytes((*journal[:-1], journal[-1] ^ 1))
        assert compiled(damaged, Batch(), OPTIONS, 1) == 0


def test_facts_of_unusual_messages_are_merged_with_the_others(compiled: Encode) -> None:
    """By whichever form reads them."""
    packets = [
        _packet(request(number=number) if number % 5 else request(headers="X: a\tb\r\n"))
        for number in range(1000)
    ]
    for encode in (compiled, plain.encode):
        batch = Batch(pending=Pending())
        encode(_journal(packets), batch, OPTIONS, 2000)
        assert batch.facts == []
        assert batch.pending is not None
        assert sum(leg[MESSAGES] for leg in batch.pending.legs.values()) == 1000


def test_ordinary_traffic_stays_in_the_compiled_form(
    compiled: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would be no faster: none of the messages of the benchmarks goes the long way."""
    unit = mix.packets()
    packets = [mix.fill(unit, number) for number in range(len(unit))]
    monkeypatch.setattr(plain, "encode_run", None)
    batch = Batch()
    assert compiled(_journal(packets), batch, OPTIONS._replace(accept_past=1 << 60), 100)
    assert sum(batch.causes) == len(packets)
