# SPDX-License-Identifier: GPL-2.0-or-later
"""What was dropped, in status and metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.moment import to_text
from collector.partitions import Partition, Partitions
from collector.retention import history
from collector.retention.disk import FileSystem
from collector.retention.drop import record
from collector.retention.measure import Measured, Part
from collector.retention.plan import Limit
from collector.tables import KINDS
from tests.fix_api import JOURNAL, Get, store
from tests.sip_text import packet, request
from tests.webapi.test_metrics import scrape
from tests.webapi.test_status import publish

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def _fill(connection: AsyncConnection[TupleRow], disks: list[FileSystem]) -> None:
    await publish(connection)
    part = Part("sip_message_call", "call", Partition("p", NOON, NOON + HOUR), 700, True, 1, 1)
    limits = [
        Limit("max_bytes", None, 700, 1000, 0, 1000),
        *(Limit("max_disk_percent", d.device, d.used, 8000, 0, 9000) for d in disks),
    ]
    for minute, findings in ((0, ["gone by now"]), (1, ["too small"])):
        measured = Measured(NOON + timedelta(minutes=minute), [part], disks, "")
        await history.save(connection, JOURNAL, measured, limits, findings)
    for number in range(25):
        await record(
            connection,
            *("call", f"p{number}", NOON, NOON + HOUR, 10, 500, "max_bytes", "node1"),
        )


async def test_status_tells_the_limits_and_the_drops(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """The last look of each node, sums for ever, the last twenty."""
    await _fill(connection, [FileSystem("/var", 1, 5000, 10_000)])
    told = (await get("/api/v1/status")).json["retention"]
    for node in told["nodes"]:
        del node["growth"]
    assert told["nodes"] == [
        {
            "capture_node": "node1",
            "looked_at": "2026-11-23T12:01:00.000000Z",
            "octets": 700,
            "octets_limit": 1000,
            "disk": "/var",
            "disk_used": 5000,
            "disk_size": 10_000,
            "disk_limit": 8000,
            "findings": ["too small"],
        }
    ]
    assert told["dropped"] == [
        *(
            {"kind": "call", "reason": "max_bytes"}
            | {"partitions": 25, "messages": 250, "octets": 12_500},
        )
    ]
    assert [drop["partition"] for drop in told["last"]] == [f"p{n}" for n in range(24, 4, -1)]
    assert told["last"][0]["range_end"] == "2026-11-23T13:00:00.000000Z"


async def test_status_tells_the_growth(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """Of the last hour and of the last day, in bytes/s; what a limit made go has grown, too."""
    await publish(connection)
    now = datetime.now(UTC)
    for minutes, octets in ((600, 0), (30, 36_000), (0, 54_000)):
        disk = FileSystem("/var", 1, 2 * octets, 10**9)
        part = Part("sip_message_call", "call", Partition("p", NOON, NOON), octets, True, 1, 1)
        limit = Limit("max_disk_percent", 1, 2 * octets, 9 * 10**8, 0, 9 * 10**8)
        measured = Measured(now - timedelta(minutes=minutes), [part], [disk], "")
        await history.save(connection, JOURNAL, measured, [limit], [])
    (node,) = (await get("/api/v1/status")).json["retention"]["nodes"]
    assert node["growth"] == {
        "hour": {"octets": 10.0, "disk": 20.0},
        "day": {"octets": 1.5, "disk": 3.0},
    }


async def test_status_tells_what_there_is_of_each_kind(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """As PostgreSQL estimates it, from the oldest partition that has rows."""
    kinds = {
        kind["kind"]: kind for kind in (await get("/api/v1/status")).json["retention"]["kinds"]
    }
    assert set(kinds) == set(KINDS)
    assert kinds["call"] == {
        "kind": "call",
        "partitions": 0,
        "rows": 0,
        "begin": None,
        "kept_s": 14 * 86_400,
        "octets": None,
        "octets_expected": None,
    }
    now = datetime.now(UTC)
    (made,) = await Partitions(3600).ensure(connection, "sip_message_call", now, now)
    await store(connection, [packet(request(), at=now.timestamp())])
    await connection.execute("ANALYZE sip_message_call")
    kinds = {
        kind["kind"]: kind for kind in (await get("/api/v1/status")).json["retention"]["kinds"]
    }
    assert (kinds["call"]["partitions"], kinds["call"]["rows"]) == (1, 1)
    assert kinds["call"]["begin"] == to_text(made.begin)


async def test_metrics(
    client: TestClient[Request, Application], connection: AsyncConnection[TupleRow]
) -> None:
    """Counters by kind and reason, gauges by node."""
    await _fill(connection, [FileSystem("/var", 1, 5000, 10_000)])
    samples = await scrape(client)
    labels = frozenset({("kind", "call"), ("reason", "max_bytes")})
    assert samples["kemiscope_retention_dropped_bytes_total", labels] == 12_500
    assert samples["kemiscope_retention_dropped_messages_total", labels] == 250
    assert samples["kemiscope_retention_dropped_partitions_total", labels] == 25
    never = frozenset({("kind", "event"), ("reason", "age")})
    assert samples["kemiscope_retention_dropped_bytes_total", never] == 0
    node = frozenset({("capture_node", "node1")})
    for name, value in (
        *(("stored_bytes", 700), ("stored_limit_bytes", 1000), ("disk_used_bytes", 5000)),
        *(("disk_size_bytes", 10_000), ("disk_limit_bytes", 8000), ("retention_findings", 1)),
    ):
        assert samples[f"kemiscope_{name}", node] == value


async def test_a_disk_that_is_not_watched_has_no_metrics(
    client: TestClient[Request, Application], connection: AsyncConnection[TupleRow]
) -> None:
    """Nought would be a lie."""
    await _fill(connection, [])
    names = {name for name, _ in await scrape(client)}
    assert "kemiscope_stored_bytes" in names
    assert not any(name.startswith("kemiscope_disk") for name in names)


async def test_each_kind_tells_its_size_and_what_to_expect(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """A kind that has been there for a tenth of its time will take ten times as much."""
    await publish(connection)
    now = datetime.now(UTC)
    begin = now - 24 * HOUR
    kept_s = (await _kinds(get))["call"]["kept_s"]
    await Partitions(3600).ensure(connection, "sip_message_call", begin, begin)
    await store(connection, [packet(request(), at=begin.timestamp())])
    parts = [
        Part("sip_message_call", "call", Partition("p", begin, now), 5000, True, 1, 1),
        Part("call", "record", Partition("q", begin, now), 300, True, 1, 1),
        Part("call_link", "record", Partition("r", begin, now), 200, True, 1, 1),
    ]
    await history.save(connection, JOURNAL, Measured(now, parts, [], ""), [], [])
    await connection.execute("ANALYZE")
    kinds = await _kinds(get)
    assert (kinds["record"]["octets"], kinds["call"]["octets"]) == (500, 5000)
    assert kinds["event"]["octets_expected"] is None
    held_s = (now - datetime.fromisoformat(kinds["call"]["begin"])).total_seconds()
    assert kept_s > 10 * held_s
    expected = pytest.approx(5000 * kept_s / held_s, rel=0.01)
    assert kinds["call"]["octets_expected"] == expected


async def _kinds(get: Get) -> dict[str, Any]:
    told = (await get("/api/v1/retention")).json["kinds"]
    return {kind["kind"]: kind for kind in told}


async def test_the_history_has_each_kind(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """The largest size of each step; samples of an earlier version have none."""
    now = datetime.now(UTC)
    step = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) - HOUR
    for minutes, octets in ((0, 700), (5, 900), (15, 100)):
        at = step + timedelta(minutes=minutes)
        part = Part("hep_event", "event", Partition("p", NOON, NOON + HOUR), octets, True, 1, 1)
        await history.save(connection, JOURNAL, Measured(at, [part], [], ""), [], [])
    await connection.execute(
        "UPDATE retention_sample SET call_octets = NULL WHERE event_octets = 100"
    )
    told = (await get("/api/v1/retention")).json
    assert [one["octets"]["event"] for one in told["history"]] == [900, 100]
    assert [one["octets"]["call"] for one in told["history"]] == [0, None]
    assert [one["time"] for one in told["history"]] == [
        to_text(step),
        to_text(step + timedelta(seconds=told["step"])),
    ]
