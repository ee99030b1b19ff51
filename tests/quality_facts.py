# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets of quality reports, and calls that they belong to, as correlation gets them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import hop
from collector.correlation.fact import Fact, ReportFact
from collector.correlation.pending import Pending
from collector.correlation.writer import Writer
from collector.hep import PROTOCOL_UDP, TYPE_RTCP, Hep
from collector.hop import Batch, Options
from collector.journal import record
from collector.quality import rows
from tests.sip_text import DESTINATION, SOURCE, packet, request

ALICE, BOB = bytes((192, 0, 2, 1)), bytes((198, 51, 100, 2))
ALICE_RTCP, BOB_RTCP = 40_001, 50_001
ALICE_SSRC, BOB_SSRC = 0xA11CE, 0xB0B
START = 1_763_856_000_000_000
"""µs since 1970."""

_numbers = itertools.count(1)


def fact(
    payload: bytes, *, call_id: bytes = b"call-1", at: int = START, **fields: Any
) -> ReportFact:
    """One packet that Alice sent to Bob, as it is stored; ``at`` in µs since 1970."""
    sent = Hep(
        *(3, PROTOCOL_UDP, ALICE, BOB, ALICE_RTCP, BOB_RTCP),
        *(at // 1_000_000, at % 1_000_000, TYPE_RTCP, 7),
        payload=payload,
        correlation_id=call_id,
    )._replace(**fields)
    return ReportFact(at, at * 1000 + next(_numbers), call_id, sent, rows.read(sent))


def rtcp(
    *,
    packets: int | None = None,
    lost: int = 0,
    fraction: int = 0,
    jitter: int = 0,
    ssrc: int = ALICE_SSRC,
    source: int | None = BOB_SSRC,
    **block: Any,
) -> bytes:
    """RTCP as JSON with one report block, or none; ``fraction`` in 1/256, ``jitter`` in ticks."""
    figures = {"fraction_lost": fraction, "packets_lost": lost, "ia_jitter": jitter} | block
    return orjson.dumps(
        {
            "ssrc": ssrc,
            "type": 201 if packets is None else 200,
            "sender_information": None if packets is None else {"packets": packets, "octets": 1},
            "report_blocks": [] if source is None else [{"source_ssrc": source} | figures],
        }
    )


def from_bob(payload: bytes, **fields: Any) -> ReportFact:
    """The same from Bob to Alice."""
    back = {"src_ip": BOB, "dst_ip": ALICE, "src_port": BOB_RTCP, "dst_port": ALICE_RTCP}
    return fact(payload, **{**back, **fields})


def call_facts(
    call_id: str = "call-1",
    *,
    at: int = START - 5_000_000,
    caller: tuple[str, int] = ("192.0.2.1", 40_000),
    callee: tuple[str, int] = ("198.51.100.2", 50_000),
    ended: bool = False,
    family: int = 4,
) -> list[Fact | ReportFact]:
    """An answered call with audio at these addresses: 200 after 2 s, BYE after 4 if it ended."""
    offer, answer = _sdp(*caller, family), _sdp(*callee, 4)
    head = (
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1\r\n"
        "From: <sip:alice@example.com>;tag=a\r\n"
        f"To: <sip:bob@example.com>;tag=b\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(answer)}\r\n\r\n"
    )
    back = {"src_ip": DESTINATION, "dst_ip": SOURCE}
    messages: list[tuple[bytes, dict[str, Any]]] = [
        (request(call_id=call_id, body=offer, headers="Content-Type: application/sdp\r\n"), {}),
        (f"SIP/2.0 200 OK\r\n{head}".encode() + answer, back),
    ]
    if ended:
        messages.append((request("BYE", call_id, number=2), {}))
    records = b""
    for number, (message, fields) in enumerate(messages):
        us = at + number * 2_000_000
        sent = packet(message, at=us / 1e6, **fields)
        records += record.pack(us * 1000, bytes(16), 0, 0, sent)
    batch = Batch()
    options = Options(accept_past=1 << 60, accept_future=1 << 60, correlate=True)
    hop.encode(records, batch, options, len(messages))
    assert len(batch.facts) == len(messages)
    return batch.facts


async def write(
    connection: AsyncConnection[TupleRow], *batches: Sequence[Fact | ReportFact]
) -> Writer:
    """Each batch in a transaction, all by one process."""
    writer = Writer(86_400)
    await writer.prepare(connection)
    for batch in batches:
        await write_more(connection, writer, batch)
    assert writer.refused == 0
    return writer


async def write_more(
    connection: AsyncConnection[TupleRow], writer: Writer, batch: Sequence[Fact | ReportFact]
) -> None:
    """One more batch by the same process."""
    pending = Pending()
    pending.add(batch)
    await writer.write(connection, pending, [])


def _sdp(ip: str, port: int, family: int) -> bytes:
    return f"v=0\r\nc=IN IP{family} {ip}\r\nm=audio {port} RTP/AVP 8\r\n".encode()
