# SPDX-License-Identifier: GPL-2.0-or-later
"""What is shown of a call's quality, from packets through PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from collector.correlation import streams
from collector.correlation.columns import STREAM
from collector.correlation.encode import RowEncoder
from collector.correlation.fact import Fact, ReportFact
from collector.correlation.streams import StreamKey
from collector.quality import codec, emodel
from collector.quality.emodel import Mark
from collector.quality.report import MAX_MS
from collector.quality.stream import Figure, Source, Way
from collector.quality.verdict import (
    CaptureLoss,
    MosSource,
    Summary,
    Verdict,
    codec_in_use,
    to_json,
    verdict,
)
from tests.quality_facts import (
    ALICE,
    ALICE_SSRC,
    BOB_SSRC,
    START,
    call_facts,
    fact,
    from_bob,
    rtcp,
    write,
)
from tests.quality_json import HORACLIFIX, RTPAGENT, VQ_SESSION_REPORT

pytestmark = pytest.mark.one_database

PCMA = codec.find("PCMA")


async def _verdict(
    connection: AsyncConnection[TupleRow], *batches: Sequence[Fact | ReportFact]
) -> Verdict:
    await write(connection, *batches)
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM call")
        call = await cursor.fetchone()
        await cursor.execute("SELECT * FROM rtp_stream")
        return verdict(await cursor.fetchall(), call)


def _from_alice(**figures: Any) -> ReportFact:
    return fact(rtcp(**figures))


def _from_bob(**figures: Any) -> ReportFact:
    return from_bob(rtcp(ssrc=BOB_SSRC, source=ALICE_SSRC, **figures))


async def test_a_call_with_rtcp_from_both_ends(connection: AsyncConnection[TupleRow]) -> None:
    """3 of 300 lost towards Bob; towards Alice nothing, with jitter."""
    found = await _verdict(
        connection,
        call_facts(),
        [
            _from_alice(packets=300, fraction=0, jitter=160),
            _from_bob(packets=280, lost=3, fraction=5, jitter=8),
            _from_bob(packets=290, lost=3, fraction=0, jitter=24),
        ],
    )
    assert found.codec == "PCMA"
    to_callee, to_caller = found.to_callee, found.to_caller
    assert to_callee.reported is to_caller.reported is True
    assert to_callee.loss_percent == Figure(1.0, 1.9531)
    assert to_callee.jitter_ms == Figure(2.0, 3.0)
    assert to_caller.loss_percent == Figure(0.0, 0.0)
    assert to_caller.jitter_ms == Figure(20.0, 20.0)
    assert to_caller.rtt_ms is None
    assert to_callee.mos_source is to_caller.mos_source is MosSource.COMPUTED
    expected = emodel.estimate(loss=0.01, delay_ms=None, jitter_ms=2, codec=PCMA)
    worst = emodel.estimate(loss=0.019531, delay_ms=None, jitter_ms=1, codec=PCMA)
    assert to_callee.mos == Figure(expected.mos, worst.mos)
    (stream,) = [each for each in found.streams if each.way is Way.TO_CALLEE]
    assert (stream.source, stream.ssrc, stream.reports) == (Source.RTCP, ALICE_SSRC, 2)
    assert (stream.packets, stream.packets_lost) == (300, 3)
    assert stream.mos_reported is None
    assert stream.mos_computed is not None
    assert stream.mos_computed.marks == {Mark.DELAY}


async def test_loss_that_is_counted_but_never_a_fraction(
    connection: AsyncConnection[TupleRow],
) -> None:
    """Some senders always write 0 as fraction; a few lost packets are less than 1/256, too."""
    reports = [_from_alice(packets=300), _from_bob(lost=3, fraction=0)]
    found = await _verdict(connection, call_facts(), reports)
    assert found.to_callee.loss_percent == Figure(1.0, 1.0)


async def test_no_report_is_not_a_good_report(connection: AsyncConnection[TupleRow]) -> None:
    """Alice sends reports, Bob does not: how Bob hears her is not known."""
    found = await _verdict(connection, call_facts(), [_from_alice(packets=500)])
    assert found.to_caller.reported is True
    assert found.to_caller.loss_percent == Figure(0.0, 0.0)
    assert found.to_callee == Summary(reported=False)
    (sent,) = [each for each in found.streams if each.way is Way.TO_CALLEE]
    assert (sent.packets, sent.reports, sent.loss_percent, sent.jitter_ms) == (500, 0, None, None)
    assert sent.mos_computed is None


async def test_no_report_at_all(connection: AsyncConnection[TupleRow]) -> None:
    found = await _verdict(connection, call_facts())
    assert found == Verdict("PCMA", Summary(False), Summary(False), (), None)


async def test_reports_of_unknown_ends(connection: AsyncConnection[TupleRow]) -> None:
    """With the Call-ID, but between a relay and itself."""
    relay = bytes((203, 0, 113, 1))
    stranger = fact(rtcp(), src_ip=relay, dst_ip=relay, src_port=7001, dst_port=7003)
    found = await _verdict(connection, call_facts(), [stranger])
    assert found.to_callee == found.to_caller == Summary(reported=None)
    assert [stream.way for stream in found.streams] == [None]


async def test_ports_tell_ways_apart_on_one_host(connection: AsyncConnection[TupleRow]) -> None:
    """Addresses alone do when the ports are others, as behind NAT."""
    call = call_facts(caller=("192.0.2.1", 40_000), callee=("192.0.2.1", 50_000))
    found = await _verdict(connection, call, [fact(rtcp(lost=9), dst_ip=ALICE)])
    assert {each.way for each in found.streams if each.reports} == {Way.TO_CALLER}


async def test_address_without_port(connection: AsyncConnection[TupleRow]) -> None:
    report = fact(rtcp(), src_port=1025, dst_port=1027)
    found = await _verdict(connection, call_facts(), [report])
    assert [each.way for each in found.streams] == [Way.TO_CALLER]


async def test_without_a_call(connection: AsyncConnection[TupleRow]) -> None:
    """The clock of the codec is not known, nor which way is which."""
    found = await _verdict(connection, [_from_alice(packets=5, jitter=80)])
    assert found.codec is None
    assert found.to_caller.reported is None
    (stream,) = [each for each in found.streams if each.reports]
    assert stream.jitter_ms == Figure(10.0, 10.0)
    assert stream.mos_computed is not None
    assert stream.mos_computed.marks >= {Mark.CLOCK, Mark.CODEC}


async def test_what_a_source_gives_goes_before_what_is_computed(
    connection: AsyncConnection[TupleRow],
) -> None:
    """Both are shown with the stream."""
    found = await _verdict(connection, call_facts(), [fact(RTPAGENT, type=34)])
    assert (found.to_callee.mos, found.to_callee.mos_source) == (
        Figure(4.032, 4.032),
        MosSource.REPORTED,
    )
    (stream,) = found.streams
    assert (stream.source, stream.way, stream.ssrc) == (Source.AGENT, Way.TO_CALLEE, None)
    assert stream.loss_percent == Figure(5.5, 5.5)
    assert stream.mos_computed is not None
    assert stream.mos_computed.mean < 4


async def test_views_of_a_voice_quality_report(connection: AsyncConnection[TupleRow]) -> None:
    """The caller's phone: its local view is how it hears the callee."""
    report = fact(VQ_SESSION_REPORT, type=35, src_port=5060, dst_port=5060)
    found = await _verdict(connection, call_facts(), [report])
    assert {(each.direction, each.way) for each in found.streams} == {
        ("local", Way.TO_CALLER),
        ("remote", Way.TO_CALLEE),
    }
    assert found.to_caller.rtt_ms == Figure(200.0, 200.0)
    assert found.to_caller.mos == Figure(4.2, 4.2)
    (local,) = [each for each in found.streams if each.direction == "local"]
    assert local.source is Source.VQ
    assert (local.loss_percent, local.discard_percent) == (Figure(5.0, 5.0), Figure(2.0, 2.0))
    assert local.delay_ms == Figure(170.0, 170.0)


async def test_sides_of_a_border_controller_are_no_ways(
    connection: AsyncConnection[TupleRow],
) -> None:
    found = await _verdict(connection, call_facts(), [fact(HORACLIFIX, type=38)])
    assert [(each.way, each.source) for each in found.streams] == [(None, Source.AGENT)] * 2
    assert [each.faults for each in found.streams if each.direction == "out"] == [1]


async def test_rows_from_before_and_after_the_call_was_known_are_one_stream(
    connection: AsyncConnection[TupleRow],
) -> None:
    """The reports came first; later ones are filed with the call."""
    early = fact(rtcp(lost=2, fraction=128, jitter=8))
    late = fact(rtcp(lost=2, fraction=0, jitter=80), at=START + 5_000_000)
    found = await _verdict(connection, [early], call_facts(), [late])
    rows = await connection.execute("SELECT count(*) FROM rtp_stream")
    assert await rows.fetchone() == (2,)
    (stream,) = found.streams
    assert (stream.reports, stream.packets_lost) == (2, 2)
    assert stream.loss_percent == Figure(25.0, 50.0)
    assert stream.jitter_ms == Figure(5.5, 10.0)
    assert stream.mos_computed is not None
    assert stream.mos_computed.worst < 2


@pytest.mark.parametrize(
    ("caller", "callee", "expected"),
    [
        ("PCMA,PCMU", "PCMU", "PCMU"),
        ("PCMU,G722,PCMA", "G722,PCMA", "G722"),
        ("PCMA", "opus,PCMA", "PCMA"),
        (None, "G729", "G729"),
        ("PCMA", None, None),
        (None, "", None),
    ],
)
def test_codec_in_use(caller: str | None, callee: str | None, expected: str | None) -> None:
    assert codec_in_use({"caller_codecs": caller, "callee_codecs": callee}) == expected


async def test_json(connection: AsyncConnection[TupleRow]) -> None:
    """All of it, null where nobody said anything."""
    found = await _verdict(connection, call_facts(), [_from_alice(packets=500)])
    lossy = found._replace(capture=CaptureLoss(1000, 5))
    document = orjson.loads(orjson.dumps(to_json(lossy)))
    assert document["capture"] == {"received": 1000, "lost": 5, "percent": 0.5}
    assert document["to_callee"]["reported"] is False
    assert document["to_callee"]["loss_percent"] is None
    assert document["to_caller"]["loss_percent"] == {"mean": 0, "worst": 0}
    assert {stream["way"] for stream in document["streams"]} == {"to_callee", "to_caller"}
    (heard,) = [stream for stream in document["streams"] if stream["reports"]]
    assert heard["mos_computed"]["marks"] == ["delay"]
    assert heard["src_ip"] == "198.51.100.2"


def test_capture_loss_of_nothing() -> None:
    assert CaptureLoss(0, 0).percent == 0


NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from(["", "1", "0x7f", "-1", "x"])
FIGURES = st.sampled_from(
    (
        *("fraction_lost", "packets_lost", "ia_jitter", "lsr", "dlsr", "source_ssrc", "id"),
        *("fraction_discard", "round_trip_delay", "mos_lq", "r_factor", "highest_seq_no"),
        *("TOTAL_PK", "PACKET_LOSS", "JITTER", "MAX_JITTER", "MOS", "EXPECTED_PK"),
        *("INC_RTP_PK", "INC_RTP_PK_LOSS", "OUT_MOS", "OUT_RTP_MAX_JITTER", "OUT_RTCP_AVG_LAT"),
    )
)
BLOCKS = st.dictionaries(FIGURES, NUMBERS)
PAYLOADS = st.one_of(
    BLOCKS,
    st.fixed_dictionaries(
        {"ssrc": NUMBERS},
        optional={
            "report_blocks": st.lists(BLOCKS, max_size=3),
            "report_blocks_xr": BLOCKS,
            "sender_information": st.fixed_dictionaries({"packets": NUMBERS}),
        },
    ),
).map(lambda document: json.dumps(document).encode())


@given(st.lists(PAYLOADS, max_size=4))
def test_whatever_reports_say_is_within_bounds(payloads: list[bytes]) -> None:
    """Impossible values are left out, and what is shown can be."""
    found: dict[StreamKey, list[Any]] = {}
    for payload in payloads:
        streams.add(found, fact(payload))
    rows = []
    for key, slots in found.items():
        row = key._asdict() | {"direction": key.direction.decode() or None}
        for group, value in zip(STREAM, slots, strict=True):
            values = value if isinstance(value, tuple) else [value] * len(group.columns)
            row |= dict(zip([column.name for column in group.columns], values, strict=True))
        rows.append(row)
        RowEncoder(0, STREAM).row((), slots)
    for stream in verdict(rows).streams:
        for percent in (stream.loss_percent, stream.discard_percent):
            assert percent is None or 0 <= percent.mean <= percent.worst <= 100
        for ms in (stream.jitter_ms, stream.rtt_ms, stream.delay_ms):
            assert ms is None or 0 <= ms.mean <= ms.worst <= MAX_MS
        for score in (stream.mos_reported, stream.mos_computed):
            assert score is None or 1 <= score.worst <= score.mean <= 5
