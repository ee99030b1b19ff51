# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls`` over known legs."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.call_rows import CALL_START, add_answered, add_call, add_failed
from tests.fix_api import Get

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
FROM, TO = "2026-11-23T09:00:00Z", "2026-11-23T12:00:00Z"


async def _fill(connection: Connection) -> None:
    """Five legs, a minute apart: answered, busy, running, cancelled, and one without its INVITE."""
    await add_answered(
        connection,
        "answered@x",
        from_user="+4930123",
        ruri_user="004989777",
        user_agent="Phone/1.0",
        answer_agent="PBX",
        caller_media_ip="10.1.2.3",
        caller_media_port=4000,
        headers=orjson.dumps({"X-Tenant": "7"}).decode(),
        seen=bytes.fromhex("00000107 00000107 00000108 00000207"),
    )
    await add_failed(
        connection, "busy@x", 60, status=486, from_user="100", ruri_user="004989777", node="edge"
    )
    await add_call(connection, "running@x", 120, progress_at=1, from_domain="a%b.example")
    await add_call(
        connection,
        "cancelled@x",
        180,
        cancelled_at=5,
        terminated_at=5.1,
        attempt_branch="b1",
        cancel_branch="b1",
        failure_reason=None,
        cancel_cause='SIP;cause=200;text="Call completed elsewhere"',
        last_at=5.1,
    )
    await add_call(connection, "middle@x", 240, first_rank=2, on_hold=True, auth_user="joe")


async def _ids(get: Get, **parameters: str) -> list[str]:
    answer = await get("/api/v1/calls", **{"from_": FROM, "to": TO} | parameters)
    assert answer.status == 200, answer.json
    assert answer.json["complete"] is True
    return [call["call_id"].partition("@")[0] for call in answer.json["calls"]]


ALL = ["middle", "cancelled", "running", "busy", "answered"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ALL),
        ({"sort": "started_at"}, ALL[::-1]),
        ({"caller": "+4930123"}, ["answered"]),
        ({"caller": "+49*"}, ["answered"]),
        ({"caller": "*30123"}, ["answered"]),
        ({"caller": "*0*2*"}, ["answered"]),
        ({"caller": "+4*23"}, ["answered"]),
        ({"callee": "004989777"}, ["busy", "answered"]),
        ({"callee": "*777"}, ["busy", "answered"]),
        ({"callee": "*9777", "caller": "100"}, ["busy"]),
        ({"number": "100"}, ["busy"]),
        ({"number": "*8977*"}, ["busy", "answered"]),
        ({"number": "bob"}, ["middle", "cancelled", "running"]),
        ({"number": "*_ob"}, []),
        ({"number": "%"}, []),
        ({"ip": "192.0.2.0/24"}, ALL),
        ({"ip": "10.1.2.3"}, ["answered"]),
        ({"media_ip": "10.0.0.0/8"}, ["answered"]),
        ({"src_ip": "10.1.2.3"}, []),
        ({"port": "4000"}, ["answered"]),
        ({"state": "completed,busy"}, ["busy", "answered"]),
        ({"state": "unknown"}, ["middle"]),
        ({"status": "486"}, ["busy"]),
        ({"status": "2xx,487"}, ["cancelled", "answered"]),
        ({"status": "none"}, ["middle", "running"]),
        ({"min_duration": "60"}, ["answered"]),
        ({"min_duration": "61s"}, []),
        ({"max_duration": "1m"}, ["answered"]),
        ({"min_pdd": "500ms", "max_pdd": "1.5"}, ["running", "answered"]),
        ({"min_setup": "3s"}, ["answered"]),
        ({"user_agent": "Phone*"}, ["answered"]),
        ({"user_agent": "PBX"}, ["answered"]),
        ({"node": "edge"}, ["busy"]),
        ({"call_id": "busy@x"}, ["busy"]),
        ({"header": "X-Tenant:7"}, ["answered"]),
        ({"header": "X-Tenant:8"}, []),
        ({"text": "COMPLETED else"}, ["cancelled"]),
        ({"text": "a%b"}, ["running"]),
        ({"text": "a_b"}, []),
        ({"text": "X-Tenant"}, ["answered"]),
        ({"domain": "a%b.*"}, ["running"]),
        ({"ended_by": "caller"}, ["cancelled", "answered"]),
        ({"ended_by": "callee"}, []),
        ({"on_hold": "true"}, ["middle"]),
        ({"on_hold": "false"}, ALL[1:]),
        ({"auth_user": "joe"}, ["middle"]),
        ({"transport": "udp"}, ALL),
        ({"running": "true"}, ["middle", "running"]),
        ({"running": "false"}, ["cancelled", "busy", "answered"]),
        ({"from_": "2026-11-23T10:02:00Z"}, ["middle", "cancelled", "running"]),
        ({"to": "2026-11-23T10:01:00Z"}, ["answered"]),
        ({"sort": "-duration_ms", "limit": "1"}, ["answered"]),
        ({"sort": "caller", "limit": "2"}, ["answered", "busy"]),
    ],
)
async def test_filters(
    get: Get, connection: Connection, parameters: dict[str, str], expected: list[str]
) -> None:
    """Each finds what it names and nothing else."""
    await _fill(connection)
    assert await _ids(get, **parameters) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("state", "gone"), ("status", "700"), ("min_duration", "-1"), ("max_pdd", "long")),
        *(("on_hold", "yes"), ("running", "1"), ("header", "X-Tenant"), ("ip", "ten")),
        *(("sort", "seen"), ("ended_by", "nobody"), ("raw", "true"), ("port", "70000")),
        *(("min_setup", "9" * 400), ("caller", "")),
    ],
)
async def test_what_breaks_a_rule_is_named(get: Get, name: str, value: str) -> None:
    """Instead of an answer to another question."""
    answer = await get("/api/v1/calls", **{name: value})
    assert (answer.status, answer.json["error"]["field"]) == (400, name)


@pytest.mark.parametrize("limit", ["1", "2", "3", "50"])
@pytest.mark.parametrize(
    "sort",
    [
        *("started_at", "-started_at", "duration_ms", "-pdd_ms", "setup_ms", "caller", "-callee"),
        *("state", "-status", "messages"),
    ],
)
async def test_pages_show_every_leg_once(
    get: Get, connection: Connection, sort: str, limit: str
) -> None:
    """Also legs that are equal in what they are sorted by, null and fractions among them."""
    for number in range(7):
        await add_call(connection, f"{number}@x", number // 3, from_user=f"{number % 2}")
        await add_answered(connection, f"{number}@y", number // 3, talk_s=0.1 + number % 3)
    found: list[dict[str, Any]] = []
    parameters = {"from_": FROM, "to": TO, "sort": sort, "limit": limit}
    while True:
        answer = await get("/api/v1/calls", **parameters)
        assert answer.status == 200, answer.json
        found += answer.json["calls"]
        if not answer.json["next"]:
            break
        parameters["cursor"] = answer.json["next"]
    assert len(found) == len({call["call_id"] for call in found}) == 14
    name = sort.removeprefix("-")
    values = [call[name] for call in found if name in call]
    assert values == sorted(values, reverse=sort.startswith("-"))


async def test_a_leg_as_json(get: Get, connection: Connection) -> None:
    """Times with µs, ids as text, what repeats, and nothing that only merging needs."""
    await _fill(connection)
    answer = await get("/api/v1/calls", from_=FROM, to=TO, caller="+4930123")
    (call,) = answer.json["calls"]
    assert call["started_at"] == "2026-11-23T10:00:00.000000Z"
    assert call["first_id"] == "1795428000000000000"
    assert (call["state"], call["status"], call["ended_by"]) == ("completed", 200, "caller")
    assert (call["pdd_ms"], call["setup_ms"], call["duration_ms"]) == (1000, 3000, 60_000)
    assert (call["retransmissions"], call["duplicates"]) == (1, 1)
    assert (call["src_ip"], call["headers"]) == ("192.0.2.1", {"X-Tenant": "7"})
    internal = {"seen", "first_rank", "attempt_order", "cancel_branch", "ts", "sort_key"}
    assert not internal & call.keys()
    assert None not in call.values()


async def test_a_row_that_is_filed_later_is_found(get: Get, connection: Connection) -> None:
    """An older message came after the row was filed."""
    await add_call(connection, "late@x")
    filed = CALL_START.replace(minute=9, second=59)
    await connection.execute("UPDATE call SET ts = %s", (filed,))
    assert await _ids(get, from_=FROM, to="2026-11-23T10:00:01Z") == ["late"]
    assert await _ids(get, from_="2026-11-23T10:00:01Z", to=TO) == []
