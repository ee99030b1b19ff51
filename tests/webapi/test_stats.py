# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/stats`` over known calls and messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import statistics
from collector.peers import Peers
from tests.call_rows import CALL_START, add_answered, add_call, add_failed
from tests.fix_api import JOURNAL, Answer, Get, store
from tests.plan import explain
from tests.sip_text import packet, request
from tests.webapi.test_status import publish
from webapi import kpi
from webapi.stats import CAPTURE

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
PEERS = Peers(["carrier=203.0.113.0/24", "pbx=198.51.100.2"])


async def _count(connection: Connection, minutes: int) -> None:
    for minute in range(minutes):
        await statistics.count(connection, CALL_START + timedelta(minutes=minute), PEERS)


async def _fill(connection: Connection) -> None:
    """Two minutes of calls of two nodes, from and to the carrier and from a phone."""
    carrier = {"src_ip": "203.0.113.7"}
    await add_answered(connection, "1@x", 0, talk_s=30)
    await add_answered(connection, "2@x", 1, talk_s=90, **carrier)
    await add_failed(connection, "3@x", 2, status=486, **carrier)
    await add_failed(connection, "4@x", 3, status=503, node="edge")
    await add_failed(connection, "5@x", 4, status=302, node="edge", src_ip=None, dst_ip=None)
    await add_call(connection, "6@x", 60, terminated_at=2, cancelled_at=2, node="edge")
    await add_call(connection, "7@x", 61, progress_at=2, node="edge")
    await add_failed(connection, "8@x", 62, status=480)
    await _count(connection, 2)


async def _get(get: Get, **parameters: str) -> Answer:
    query = {"from_": "2026-11-23T10:00:00Z", "to": "2026-11-23T10:10:00Z"} | parameters
    answer = await get("/api/v1/stats", **query)
    assert answer.status == 200, answer.json
    return answer


def test_ratios_follow_their_definitions() -> None:
    """ITU-T E.411 and E.425, RFC 6076 §4.6-4.8, worked out by hand."""
    counts = dict.fromkeys(kpi.COUNTS, 0) | {
        "attempts": 110,
        "undecided": 10,
        "redirected": 20,
        "answered": 40,
        "people": 25,
        "effective": 20,
        "ineffective": 5,
        "pdd_calls": 4,
        "pdd_ms": 1000,
        "setup_calls": 0,
        "setup_ms": 0,
        "duration_calls": 30,
        "duration_ms": 100_000,
    }
    shown = kpi.figures(counts)
    assert (shown["asr"], shown["ner"], shown["isa"]) == (40, 65, 5)
    assert (shown["ser"], shown["seer"]) == (50, 75)
    assert (shown["pdd_ms"], shown["setup_ms"], shown["acd_ms"]) == (250, None, 3333.3)
    assert not {"people", "effective", "pdd_calls"} & shown.keys()
    nothing = kpi.figures(counts | {"attempts": 10, "redirected": 0})
    assert [nothing[name] for name in kpi.RATIOS] == [None] * 5


async def test_calls_of_each_step_and_in_total(get: Get, connection: Connection) -> None:
    """A call that still rings has no part in the ratios."""
    await _fill(connection)
    answer = await _get(get)
    assert (answer.json["step"], answer.json["complete"]) == (60, True)
    first, second = answer.json["calls"]
    assert (first["time"], second["time"]) == (
        *("2026-11-23T10:00:00.000000Z", "2026-11-23T10:01:00.000000Z"),
    )
    assert {name: first[name] for name in ("attempts", "answered", "busy", "failed")} == {
        "attempts": 5,
        "answered": 2,
        "busy": 1,
        "failed": 1,
    }
    assert (first["redirected"], first["asr"], first["ser"], first["seer"]) == (1, 40, 50, 75)
    assert (first["ner"], first["isa"], first["acd_ms"]) == (60, 20, 60_000)
    assert (second["cancelled"], second["undecided"], second["asr"]) == (1, 1, 0)
    assert (second["ner"], second["seer"], second["acd_ms"]) == (100, 50, None)
    (total,) = answer.json["totals"]
    assert (total["attempts"], total["answered"], total["asr"]) == (8, 2, 28.57)
    assert "time" not in total


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("all", {(): 8}),
        ("node", {("2001",): 4, ("edge",): 4}),
        ("src_peer", {("",): 6, ("carrier",): 2}),
        ("dst_peer", {("",): 1, ("pbx",): 7}),
        ("peer", {("carrier", "src"): 2, ("other", ""): 1, ("pbx", "dst"): 7}),
        (
            "state",
            {
                ("busy",): 1,
                ("cancelled",): 1,
                ("completed",): 2,
                ("failed",): 2,
                ("redirected",): 1,
                ("ringing",): 1,
            },
        ),
        ("status", {(0,): 1, (200,): 2, (302,): 1, (480,): 1, (486,): 1, (487,): 1, (503,): 1}),
    ],
)
async def test_divided(
    get: Get, connection: Connection, by: str, expected: dict[tuple[Any, ...], int]
) -> None:
    """The parts make up the whole, but for peers: a call is on both sides."""
    await _fill(connection)
    answer = await _get(get, by=by)
    names = [name for name in answer.json["totals"][0] if name in ("direction", "peer", by)]
    totals = {tuple(row[name] for name in names): row["attempts"] for row in answer.json["totals"]}
    assert totals == expected
    stepped: dict[tuple[Any, ...], int] = {}
    for row in answer.json["calls"]:
        key = tuple(row[name] for name in names)
        stepped[key] = stepped.get(key, 0) + row["attempts"]
    assert stepped == expected


@pytest.mark.parametrize(
    ("parameters", "attempts"),
    [
        ({"node": "edge"}, 4),
        ({"peer": "carrier"}, 2),
        ({"peer": "pbx"}, 7),
        ({"peer": "pbx", "node": "edge", "by": "peer"}, 3),
        ({"to": "2026-11-23T10:01:00Z"}, 5),
        ({"from_": "2026-11-23T10:01:59Z"}, 3),
    ],
)
async def test_narrowed(
    get: Get, connection: Connection, parameters: dict[str, str], attempts: int
) -> None:
    """A range begins with the minute that it begins in."""
    await _fill(connection)
    answer = await _get(get, **parameters)
    assert answer.json["totals"][0]["attempts"] == attempts


async def test_steps_of_any_number_of_minutes(get: Get, connection: Connection) -> None:
    """Without one, not more than there is room for."""
    await _fill(connection)
    answer = await _get(get, step="5m")
    assert [row["attempts"] for row in answer.json["calls"]] == [8]
    assert (await _get(get, from_="2026-11-23T00:00:00Z")).json["step"] == 900
    assert (await _get(get, from_="2020-01-01")).json["step"] == 86_400


async def test_registrations_and_messages_come_from_what_ingest_counts(
    get: Get, connection: Connection
) -> None:
    """A challenge and the request that it makes necessary are one attempt."""
    at = CALL_START.timestamp()
    answers = ((401, 3), (200, 2), (403, 1))
    await store(
        connection,
        [packet(request("REGISTER", f"r{n}@x"), at=at + n) for n in range(6)]
        + [
            packet(
                b"SIP/2.0 %d X\r\nCall-ID: r@x\r\nCSeq: 1 REGISTER\r\n\r\n" % status,
                at=at + n,
                node_name=b"edge" if status == 403 else b"",
            )
            for status, times in answers
            for n in range(times)
        ],
    )
    answer = await _get(get)
    (row,) = answer.json["registrations"]
    assert row == {
        "time": "2026-11-23T10:00:00.000000Z",
        "attempts": 3,
        "requests": 6,
        "challenges": 3,
        "successes": 2,
        "failures": 1,
    }
    shown = [(row["method"], row["class"], row["messages"]) for row in answer.json["messages"]]
    assert sorted(shown) == [
        *(("REGISTER", "2xx", 2), ("REGISTER", "4xx", 1)),
        *(("REGISTER", "challenge", 3), ("REGISTER", "request", 6)),
    ]
    (traffic,) = answer.json["traffic"]
    assert traffic["messages"] == 12
    assert traffic["octets"] == sum(row["octets"] for row in answer.json["messages"])
    answer = await _get(get, by="node", node="edge")
    assert [row["messages"] for row in answer.json["traffic"]] == [1]
    assert [row["node"] for row in answer.json["registrations"]] == ["edge"]
    assert [row["messages"] for row in answer.json["messages"]] == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("by", "colour"), ("step", "90"), ("step", "0"), ("step", "often"), ("sort", "time")],
)
async def test_what_breaks_a_rule_is_named(get: Get, name: str, value: str) -> None:
    """As everywhere."""
    answer = await get("/api/v1/stats", **{name: value})
    assert (answer.status, answer.json["error"]["field"]) == (400, name)


async def test_too_many_steps_are_refused(get: Get) -> None:
    """And no time leads to nothing."""
    answer = await get("/api/v1/stats", from_="2020-01-01", to="2026-01-01", step="60")
    assert (answer.status, answer.json["error"]["field"]) == (400, "step")
    answer = await _get(get)
    assert (answer.json["calls"], answer.json["totals"], answer.json["messages"]) == ([], [], [])


async def test_what_capture_nodes_lost(get: Get, connection: Connection) -> None:
    """By step, of one node or of all."""
    await publish(connection)
    for minute, received, lost in ((0, 100, 0), (1, 160, 2), (2, 200, 2)):
        await connection.execute(
            "INSERT INTO capture_loss VALUES (%s, %s, %s, %s)",
            (CALL_START + timedelta(minutes=minute), JOURNAL, received, lost),
        )
    found = (await _get(get, step="60")).json["capture"]
    assert [(row["received"], row["lost"]) for row in found] == [(60, 2), (40, 0)]
    assert (await _get(get, capture_node="node1", step="5m")).json["capture"] == [
        {"time": found[0]["time"][:14] + "00:00.000000Z", "received": 100, "lost": 2}
    ]
    assert (await _get(get, capture_node="node2")).json["capture"] == []


async def test_losses_are_found_by_an_index(connection: Connection) -> None:
    """Of an hour, with two weeks of readings."""
    await publish(connection)
    await connection.execute(
        "INSERT INTO capture_loss SELECT timestamptz '2026-11-23 12:00Z' - n * interval '1 min',"
        " %s, 20000 - n, 0 FROM generate_series(0, 20000) n",
        (JOURNAL,),
    )
    await connection.execute("ANALYZE capture_loss, capture_node")
    values = {
        "begin": CALL_START,
        "end": CALL_START + timedelta(hours=1),
        "limit": 1000,
        "step": timedelta(minutes=1),
        "capture_node": None,
    }
    plan = await explain(connection, CAPTURE, values)
    assert "capture_loss" not in plan.scans_whole
    assert "capture_loss_pkey" in plan.indexes
