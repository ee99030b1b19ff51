# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams in PostgreSQL: which call they belong to, and that their row is the same in any order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from collector.correlation.fact import ReportFact
from collector.correlation.writer import Writer
from tests.collector.correlation.test_streams import FACTS
from tests.quality_facts import (
    ALICE_SSRC,
    BOB_SSRC,
    START,
    call_facts,
    fact,
    from_bob,
    rtcp,
    write,
    write_more,
)
from tests.quality_json import RTPAGENT

pytestmark = pytest.mark.one_database

HOUR = datetime.fromtimestamp(START // 3_600_000_000 * 3600, UTC)
REPORTS = (
    fact(rtcp(packets=500, lost=1, fraction=10, jitter=8)),
    from_bob(rtcp(packets=490, ssrc=BOB_SSRC, source=ALICE_SSRC, lost=7, jitter=80)),
)


async def _streams(connection: AsyncConnection[TupleRow]) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT * FROM rtp_stream ORDER BY call_id, ssrc, direction, src_port, reports, ts"
        )
        return await cursor.fetchall()


async def test_streams_stand_beside_their_call(connection: AsyncConnection[TupleRow]) -> None:
    """Filed by the same time, whichever comes first within the transaction."""
    await write(connection, [*REPORTS, *call_facts()])
    rows = await _streams(connection)
    assert {(row["call_id"], row["ssrc"]) for row in rows} == {
        ("call-1", ALICE_SSRC),
        ("call-1", BOB_SSRC),
    }
    found = await connection.execute("SELECT ts FROM call")
    assert [(row["ts"],) for row in rows] == await found.fetchall() * 2
    assert [(row["packets"], row["packets_lost"], row["loss_max"]) for row in rows] == [
        (490, 1, 39_062),
        (500, 7, 0),
    ]
    assert {str(row["src_ip"]) for row in rows} == {"192.0.2.1", "198.51.100.2"}


async def test_reports_are_merged_into_their_row(connection: AsyncConnection[TupleRow]) -> None:
    await write(connection, call_facts(), [*REPORTS], [*REPORTS], [*REPORTS])
    rows = await _streams(connection)
    assert [row["reports"] for row in rows] == [3, 3]
    assert [row["jitter_ticks_sum"] for row in rows] == [24, 240]


@pytest.mark.parametrize("call_id", [b"", b"rtpengine-7f3a"])
async def test_a_report_without_call_id_finds_its_call_by_media(
    connection: AsyncConnection[TupleRow], call_id: bytes
) -> None:
    """RTCP has the port after that of RTP, which SDP names."""
    strangers = [each._replace(call_id=call_id) for each in REPORTS]
    await write(connection, call_facts(), strangers)
    assert {row["call_id"] for row in await _streams(connection)} == {"call-1"}


async def test_what_two_ids_have_of_one_stream_is_one_row(
    connection: AsyncConnection[TupleRow],
) -> None:
    """One agent knows the Call-ID, the other does not, in one transaction."""
    strangers = [each._replace(call_id=b"") for each in REPORTS]
    await write(connection, call_facts(), [*REPORTS, *strangers])
    assert [row["reports"] for row in await _streams(connection)] == [2, 2]


async def test_a_stream_that_found_its_call_keeps_it(
    connection: AsyncConnection[TupleRow],
) -> None:
    """Also when the addresses belong to another call by then: an SSRC is not used again."""
    strangers = [each._replace(call_id=b"") for each in REPORTS]
    writer = await write(connection, call_facts(), strangers)
    await write_more(connection, writer, call_facts("call-2", at=START - 1_000_000))
    await write_more(connection, writer, strangers)
    assert {(row["call_id"], row["reports"]) for row in await _streams(connection)} == {
        ("call-1", 2)
    }


async def test_streams_of_no_known_call_are_kept(connection: AsyncConnection[TupleRow]) -> None:
    """With the id they came with, filed by the hour."""
    await write(connection, [REPORTS[0], REPORTS[0]._replace(call_id=b"")], [REPORTS[0]])
    rows = await _streams(connection)
    assert {(row["call_id"], row["reports"]) for row in rows} == {
        *(("", 0), ("", 1)),
        *(("call-1", 0), ("call-1", 2)),
    }
    assert {row["ts"] for row in rows} == {HOUR}


async def test_unknown_addresses_and_ssrcs_are_null_and_one_row(
    connection: AsyncConnection[TupleRow],
) -> None:
    nowhere = fact(RTPAGENT, type=34, src_ip=bytes(4), dst_ip=b"\xff" * 4)
    await write(connection, [nowhere], [nowhere])
    (row,) = await _streams(connection)
    assert (row["src_ip"], row["dst_ip"], row["ssrc"], row["reports"]) == (None, None, None, 2)


@pytest.mark.own_database
async def test_a_stream_that_is_refused_is_left_out_alone(
    connection: AsyncConnection[TupleRow],
) -> None:
    """The call and the other stream are written."""
    await connection.execute(f"ALTER TABLE rtp_stream ADD CHECK (ssrc <> {BOB_SSRC}) NOT VALID")
    writer = Writer(86_400)
    await writer.prepare(connection)
    await write_more(connection, writer, [*call_facts(), *REPORTS])
    assert writer.refused == 1
    assert [row["ssrc"] for row in await _streams(connection)] == [ALICE_SSRC]
    found = await connection.execute("SELECT count(*) FROM call")
    assert await found.fetchone() == (1,)


async def test_a_partition_is_made_for_streams(connection: AsyncConnection[TupleRow]) -> None:
    await write(connection, [*REPORTS])
    found = await connection.execute("SELECT count(*) FROM ONLY rtp_stream_default")
    assert await found.fetchone() == (0,)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(facts=FACTS, data=st.data())
async def test_any_order_and_batching_gives_the_same_rows(
    connection: AsyncConnection[TupleRow], facts: list[ReportFact], data: st.DataObject
) -> None:
    """As the database merges them, too."""
    shuffled = data.draw(st.permutations(facts))
    cut = data.draw(st.integers(0, len(facts)))
    outcomes = []
    for batches in ([facts], [shuffled[:cut], shuffled[cut:]], [[each] for each in shuffled]):
        for emptied in ("DELETE FROM rtp_stream", "DELETE FROM call", "DELETE FROM call_key"):
            await connection.execute(emptied)
        await write(connection, call_facts(), *batches)
        outcomes.append(await _streams(connection))
    assert outcomes[0] == outcomes[1] == outcomes[2]
