# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/registrations`` over known rows."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.call_rows import add_registration
from tests.fix_api import Get

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
FROM, TO = "2026-11-23T09:00:00Z", "2026-11-23T12:00:00Z"
AN_AGE = 10**9


async def _fill(connection: Connection) -> None:
    """Alice's phone was restarted once and has a second contact; bob is refused."""
    await add_registration(connection, "alice@x", "old@phone", 0, failures=2, requests=5)
    await add_registration(
        connection,
        "alice@x",
        "new@phone",
        60,
        expires=AN_AGE,
        failures=1,
        requests=3,
        contact='"Alice" <sip:alice@192.0.2.1>;expires=3600',
    )
    await add_registration(
        connection,
        "alice@x",
        "soft@phone",
        30,
        contact="sip:alice@10.0.0.9",
        contact_domain="10.0.0.9",
        src_ip="10.0.0.9",
        user_agent="Soft 2",
    )
    await add_registration(
        connection, "bob@x", "bob@phone", 90, status=403, contact=None, node="edge", auth_user="bob"
    )


async def _all(get: Get, **parameters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query = {"from_": FROM, "to": TO} | parameters
    while True:
        answer = await get("/api/v1/registrations", **query)
        assert answer.status == 200, answer.json
        found += answer.json["registrations"]
        if not answer.json["next"]:
            return found
        query["cursor"] = answer.json["next"]


async def test_one_row_for_each_aor_and_contact(get: Get, connection: Connection) -> None:
    """The last Call-ID speaks, the counts are of all of them."""
    await _fill(connection)
    bob, alice, soft = await _all(get)
    assert [row["call_id"] for row in (bob, alice, soft)] == [
        *("bob@phone", "new@phone", "soft@phone")
    ]
    assert (bob["state"], bob["status"], "contact" in bob) == ("failed", 403, False)
    assert (alice["state"], alice["latency_ms"]) == ("registered", 50)
    assert (alice["requests"], alice["failures"], alice["challenges"]) == (8, 3, 2)
    assert alice["contact"] == "sip:alice@192.0.2.1"
    assert alice["first_at"] == "2026-11-23T09:59:59.950000Z"
    assert alice["last_at"] == "2026-11-23T10:01:00.000000Z"
    assert alice["response_id"] == "2"
    assert "request_cseq" not in alice


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"aor": "alice@x"}, ["new", "soft"]),
        ({"aor": "b*"}, ["bob"]),
        ({"contact": "*10.0.0.9"}, ["soft"]),
        ({"contact_user": "alice", "user_agent": "Soft*"}, ["soft"]),
        ({"ip": "10.0.0.0/8"}, ["soft"]),
        ({"state": "registered"}, ["new"]),
        ({"state": "expired"}, ["soft"]),
        ({"state": "failed,expired"}, ["bob", "soft"]),
        ({"status": "4xx"}, ["bob"]),
        ({"node": "edge"}, ["bob"]),
        ({"auth_user": "bob"}, ["bob"]),
        ({"call_id": "new@phone"}, ["new"]),
        ({"from_": "2026-11-23T10:01:00Z"}, ["bob", "new"]),
        ({"to": "2026-11-23T10:01:00Z"}, ["soft"]),
    ],
)
async def test_filters(
    get: Get, connection: Connection, parameters: dict[str, str], expected: list[str]
) -> None:
    """They are about what is shown: an earlier Call-ID of the same contact does not answer."""
    await _fill(connection)
    # Long over, whenever this test is run.
    await connection.execute(
        "UPDATE registration SET registered_at = '2001-01-01' WHERE call_id = 'soft@phone'"
    )
    found = await _all(get, **parameters)
    assert [row["call_id"].partition("@")[0] for row in found] == expected


@pytest.mark.parametrize("limit", ["1", "2", "50"])
@pytest.mark.parametrize("sort", ["last_at", "-last_at", "aor", "-contact", "latency_ms", "state"])
async def test_pages_show_every_registration_once(
    get: Get, connection: Connection, sort: str, limit: str
) -> None:
    """Also those with the same time."""
    for number in range(6):
        await add_registration(
            connection, f"{number % 3}@x", f"{number}@p", contact=f"sip:{number}"
        )
    found = await _all(get, sort=sort, limit=limit)
    assert sorted(row["call_id"] for row in found) == [f"{number}@p" for number in range(6)]
