# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls/{call_id}``: the quality of the call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.quality.course import MAX_POINTS
from tests import beside, flow
from tests.fix_api import Get
from tests.fix_calls import Ingests
from tests.quality_facts import ALICE_SSRC, BOB_SSRC, START, call_facts, fact, from_bob, rtcp, write

Connection = AsyncConnection[TupleRow]
BEGIN = datetime.fromtimestamp(START / 1e6, UTC) - timedelta(seconds=5)


async def test_reports_of_one_side(get: Get, connection: Connection) -> None:
    """How Bob hears Alice is not known, which is neither 0 nor bad."""
    await write(connection, call_facts(), [fact(rtcp(packets=500, fraction=64, jitter=160))])
    quality = (await get("/api/v1/calls/call-1")).json["quality"]
    assert quality["codec"] == "PCMA"
    assert quality["to_callee"]["reported"] is False
    assert quality["to_callee"]["loss_percent"] is None
    assert quality["to_caller"]["loss_percent"] == {"mean": 25, "worst": 25}
    assert quality["to_caller"]["jitter_ms"] == {"mean": 20, "worst": 20}
    assert quality["to_caller"]["mos_source"] == "computed"
    sent, heard = sorted(quality["streams"], key=lambda stream: stream["reports"])
    assert (sent["ssrc"], sent["packets"], sent["way"]) == (ALICE_SSRC, 500, "to_callee")
    assert (heard["ssrc"], heard["source"], heard["way"]) == (BOB_SSRC, "rtcp", "to_caller")
    assert heard["first_at"] == "2025-11-23T00:00:00.000000Z"
    assert quality["capture"] is None


async def test_reports_that_found_their_call_by_media(get: Get, connection: Connection) -> None:
    """They are the call's, although they came without its Call-ID."""
    reports = [fact(rtcp(), call_id=b""), from_bob(rtcp(), call_id=b"another-id")]
    await write(connection, call_facts(), reports)
    quality = (await get("/api/v1/calls/call-1")).json["quality"]
    assert quality["to_caller"]["reported"] is quality["to_callee"]["reported"] is True


async def test_what_the_capture_lost_stands_beside_it(get: Get, connection: Connection) -> None:
    """While the call ran, not before."""
    await write(connection, call_facts())
    node = uuid4()
    for minutes, received, lost in ((-2, 100, 90), (-1, 1000, 100), (0, 2000, 110)):
        await connection.execute(
            "INSERT INTO capture_loss VALUES (date_trunc('minute', %s, 'UTC'), %s, %s, %s)",
            (BEGIN + timedelta(minutes=minutes), node, received, lost),
        )
    quality = (await get("/api/v1/calls/call-1")).json["quality"]
    assert quality["capture"] == {"received": 1000, "lost": 10, "percent": 1}


async def test_how_the_streams_of_a_call_went(get: Get, ingests: Ingests) -> None:
    """Each report is a point, with the loss since the one before; the stream is that of
    ``quality``."""
    legs = await _stored(ingests, "hold")
    shown = (await get(f"/api/v1/calls/{legs['']}")).json
    to_callee, to_caller = sorted(shown["streams"], key=lambda stream: stream["way"])
    assert (to_callee["way"], to_caller["way"]) == ("to_callee", "to_caller")
    assert [point["loss_percent"] for point in to_callee["points"]] == [0, 0, 25, 0]
    assert {point["jitter_ms"] for point in to_callee["points"]} == {20}
    assert {point["jitter_ms"] for point in to_caller["points"]} == {10}
    assert to_callee["points"][2]["mos"] < 3 < 4 < to_callee["points"][1]["mos"]
    assert [point["at"][17:19] for point in to_callee["points"]] == ["05", "10", "15", "20"]
    assert to_callee["loss_percent"]["worst"] == 25
    own = {"call_id", "points"}
    assert [{k: v for k, v in one.items() if k not in own} for one in shown["streams"]] == (
        shown["quality"]["streams"]
    )


async def test_the_streams_of_all_legs(get: Get, ingests: Ingests) -> None:
    """Each with its Call-ID and the way that it goes in its leg."""
    legs = await _stored(ingests, "b2bua-header", leg="B")
    streams = (await get(f"/api/v1/calls/{legs['A']}?legs=all")).json["streams"]
    assert {stream["call_id"] for stream in streams} == {legs["B"]}
    assert (await get(f"/api/v1/calls/{legs['A']}")).json["streams"] == []


async def test_many_reports_are_merged(get: Get, ingests: Ingests) -> None:
    """No stream has more points than a chart can show; none of the reports is left out."""
    legs = await _stored(ingests, "hold", count=300)
    streams = (await get(f"/api/v1/calls/{legs['']}")).json["streams"]
    for stream in streams:
        assert 60 < len(stream["points"]) <= MAX_POINTS + 1
        assert sum(point["reports"] for point in stream["points"]) == 300


async def _stored(ingests: Ingests, name: str, leg: str = "", count: int = 4) -> dict[str, str]:
    found = flow.load(name)
    ingesting = await ingests.open()
    await ingesting.store([*found.messages, *beside.reports(found, count, leg=leg, loss_at=2)])
    await ingesting.write()
    return found.legs
