# SPDX-License-Identifier: GPL-2.0-or-later
"""What reports say of streams, in any order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.correlation import streams
from collector.correlation.columns import STREAM, STREAM_KEY, Rule
from collector.correlation.fact import ReportFact
from collector.correlation.streams import Stream, StreamKey
from tests.quality_facts import (
    ALICE,
    ALICE_RTCP,
    ALICE_SSRC,
    BOB,
    BOB_RTCP,
    BOB_SSRC,
    START,
    fact,
    from_bob,
    rtcp,
)
from tests.quality_json import HEPLIFY_XR, HORACLIFIX, RTPAGENT, VQ_SESSION_REPORT, VQ_TOKENS

TO_ALICE = StreamKey(b"call-1", 5, BOB_SSRC, BOB_RTCP, ALICE_RTCP, BOB, ALICE, b"")
TO_BOB = StreamKey(b"call-1", 5, ALICE_SSRC, ALICE_RTCP, BOB_RTCP, ALICE, BOB, b"")


def _merged(*facts: ReportFact) -> dict[StreamKey, Stream]:
    found: dict[StreamKey, Stream] = {}
    for each in facts:
        streams.add(found, each)
    return found


def _row(stream: Stream) -> dict[str, Any]:
    """By the names of the columns."""
    row: dict[str, Any] = {}
    for group, value in zip(STREAM, stream, strict=True):
        values = value if len(group.columns) > 1 else (value,)
        names = [column.name for column in group.columns]
        row |= dict(zip(names, values or [None] * len(names), strict=True))
    return row


def test_the_key_is_that_of_the_table() -> None:
    assert StreamKey._fields == tuple(column.name for column in STREAM_KEY)


def test_a_sender_report_tells_of_both_directions() -> None:
    """How much Alice sent to Bob, and how she received what Bob sent."""
    found = _merged(fact(rtcp(packets=500, lost=3, fraction=64, jitter=80)))
    assert found.keys() == {TO_BOB, TO_ALICE}
    sent, received = _row(found[TO_BOB]), _row(found[TO_ALICE])
    assert (sent["packets"], sent["reports"], sent["loss_reports"]) == (500, 0, 0)
    assert (received["packets"], received["packets_lost"]) == (None, 3)
    assert (received["reports"], received["loss_sum"], received["loss_max"]) == (
        1,
        250_000,
        250_000,
    )
    assert (received["jitter_ticks_reports"], received["jitter_ticks_max"]) == (1, 80)
    assert received["jitter_us_reports"] == received["mos_reports"] == 0
    assert received["mos_min"] is None


def test_what_both_ends_say_of_a_stream_is_one_row() -> None:
    found = _merged(
        fact(rtcp(packets=500, lost=1)),
        from_bob(rtcp(packets=490, ssrc=BOB_SSRC, source=ALICE_SSRC, lost=7, fraction=8)),
    )
    assert found.keys() == {TO_BOB, TO_ALICE}
    assert (_row(found[TO_BOB])["packets"], _row(found[TO_BOB])["packets_lost"]) == (500, 7)
    assert (_row(found[TO_ALICE])["packets"], _row(found[TO_ALICE])["packets_lost"]) == (490, 1)


def test_figures_of_several_reports() -> None:
    found = _merged(
        fact(rtcp(lost=4, fraction=64, jitter=10)),
        fact(rtcp(lost=4, fraction=0, jitter=30), at=START + 5_000_000),
        fact(rtcp(lost=-1, fraction=0, jitter=20), at=START + 10_000_000),
    )
    row = _row(found[TO_ALICE])
    assert (row["first_at"], row["last_at"]) == (START, START + 10_000_000)
    assert (row["reports"], row["faults"], row["packets_lost"]) == (3, 1, 4)
    assert (row["loss_reports"], row["loss_sum"], row["loss_max"]) == (3, 250_000, 250_000)
    assert (row["jitter_ticks_reports"], row["jitter_ticks_sum"]) == (3, 60)
    assert row["jitter_ticks_max"] == 30


def test_the_worst_report_is_kept_whole() -> None:
    """Loss counts more than jitter does; what is worst for the E-model is worst."""
    found = _merged(
        fact(rtcp(fraction=0, jitter=800)),
        fact(rtcp(fraction=26, jitter=8), at=START + 1),
        fact(rtcp(fraction=0, jitter=0), at=START + 2),
    )
    row = _row(found[TO_ALICE])
    assert row["worst_at"] == START + 1
    assert (row["worst_loss"], row["worst_jitter_ticks"]) == (101_562, 8)
    assert row["worst_delay_us"] is None


def test_extended_report() -> None:
    """Discarded packets are beside lost ones, half the round trip is a delay."""
    row = _row(_merged(fact(HEPLIFY_XR))[TO_ALICE._replace(ssrc=9)])
    assert row["reports"] == 2
    assert (row["loss_sum"], row["discard_sum"], row["rtt_us_sum"]) == (500_000, 125_000, 48_000)
    assert (row["worst_loss"], row["worst_delay_us"]) == (625_000, 24_000)


def test_voice_quality_report_has_two_views() -> None:
    found = _merged(fact(VQ_SESSION_REPORT, type=35))
    local, remote = (TO_BOB._replace(type=35, direction=view) for view in (b"local", b"remote"))
    assert found.keys() == {
        local._replace(ssrc=0x1A3B5C7D),
        remote._replace(ssrc=4_209_273_062),
    }
    row = _row(found[local._replace(ssrc=0x1A3B5C7D)])
    assert (row["loss_sum"], row["jitter_us_sum"], row["rtt_us_sum"]) == (50_000, 2_000, 200_000)
    assert (row["delay_us_sum"], row["mos_sum"], row["mos_min"]) == (170_000, 4_200, 4_200)


@pytest.mark.parametrize(
    ("payload", "directions"),
    [(RTPAGENT, {b""}), (HORACLIFIX, {b"in", b"out"}), (VQ_TOKENS, {b""})],
)
def test_other_sources(payload: bytes, directions: set[bytes]) -> None:
    found = _merged(fact(payload, type=34))
    assert {key.direction for key in found} == directions
    assert all(_row(stream)["loss_reports"] == 1 for stream in found.values())
    assert {key.ssrc for key in found} == {None}


def test_largest_jitter_of_an_agent() -> None:
    found = _merged(fact(HORACLIFIX, type=38))
    row = _row(found[TO_BOB._replace(type=38, ssrc=None, direction=b"in")])
    assert (row["jitter_us_sum"], row["jitter_us_max"], row["mos_min"]) == (8_000, 22_000, 4_200)
    assert row["packets"] == 4950


def test_unknown_addresses_are_one() -> None:
    """siptrace writes 255.255.255.255, others 0: null in the column."""
    nowhere = (bytes(4), b"\xff" * 4, b"", bytes(16))
    assert len(_merged(*(fact(rtcp(), dst_ip=address) for address in nowhere))) == 1


def test_a_report_without_any_block() -> None:
    """There was a report, but none of how a stream was received."""
    found = _merged(fact(rtcp(source=None)))
    assert found.keys() == {TO_BOB}
    assert _row(found[TO_BOB])["reports"] == 0


PAYLOADS = st.one_of(
    st.builds(
        rtcp,
        packets=st.none() | st.integers(0, 5000),
        lost=st.integers(-5, 100),
        fraction=st.integers(0, 300),
        jitter=st.integers(0, 2000),
        source=st.sampled_from([None, BOB_SSRC]),
    ),
    st.sampled_from([HEPLIFY_XR, RTPAGENT, HORACLIFIX, VQ_SESSION_REPORT]),
)
FACTS = st.lists(
    st.builds(
        lambda payload, late, back: (from_bob if back else fact)(payload, at=START + late),
        PAYLOADS,
        st.integers(0, 3),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(FACTS, st.data())
def test_any_order_and_grouping_gives_the_same(
    facts: list[ReportFact], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(facts))
    cut = data.draw(st.integers(0, len(facts)))
    parts = _merged(*shuffled[:cut]), _merged(*shuffled[cut:])
    together = parts[0]
    for key, stream in parts[1].items():
        together[key] = streams.merge(together.get(key), stream)
    assert together == _merged(*facts)


def test_sums_are_never_null() -> None:
    """PostgreSQL adds nothing to null."""
    for stream in _merged(fact(rtcp()), fact(RTPAGENT, type=34)).values():
        for group, value in zip(STREAM, stream, strict=True):
            assert group.rule is not Rule.SUM or value is not None
