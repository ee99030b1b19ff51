# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls/{call_id}``: the call's row, its legs and why they belong together."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests import flow
from tests.call_rows import CALL_START, add_answered, add_call, add_link
from tests.fix_api import Get, load_settings, store
from tests.fix_calls import Ingests
from tests.fix_database import Database
from tests.sip_text import packet, request
from webapi.app import create_app
from webapi.legs import MAX_GUESSES, MAX_HOPS, MAX_LEGS

pytestmark = pytest.mark.one_database

START = 1_790_000_000.0
Connection = AsyncConnection[TupleRow]

PBX = "198.51.100.2"
CARRIER = "203.0.113.9"


def _legs(answer: Any) -> list[str]:
    return [leg["call_id"] for leg in answer.json["legs"]]


def _links(answer: Any) -> list[tuple[str, str, str, str]]:
    return [
        (link["call_id"], link["linked_id"], link["reason"], link["confidence"])
        for link in answer.json["links"]
    ]


async def test_a_leg_alone(get: Get, connection: Connection) -> None:
    """It is its own only leg; there may be a row without messages."""
    await add_answered(connection, "a@x")
    answer = await get("/api/v1/calls/a@x")
    assert answer.status == 200
    assert answer.json["call"]["state"] == "completed"
    assert (answer.json["from"], answer.json["to"]) == (
        *("2026-11-23T10:00:00.000000Z", "2026-11-23T10:01:03.000000Z"),
    )
    assert (_legs(answer), _links(answer)) == (["a@x"], [])
    assert (answer.json["messages"], answer.json["hubs"]) == ([], [])
    assert answer.json["legs_complete"] is True


async def test_messages_without_a_row(get: Get, connection: Connection) -> None:
    """A registration, or what was stored with correlation.calls off."""
    await store(connection, [packet(request("OPTIONS", "a@x"), at=START)])
    answer = await get("/api/v1/calls/a@x")
    assert (answer.status, answer.json["call"], _legs(answer)) == (200, None, [])


@pytest.mark.parametrize("asked", ["a@x", "b@x", "c@x"])
async def test_legs_are_found_from_each_of_them(
    get: Get, connection: Connection, asked: str
) -> None:
    """b names a as its A-leg; b and c share a Session-ID. Each edge comes with its reason."""
    for number, call_id in enumerate(("a@x", "b@x", "c@x", "d@x")):
        await add_call(connection, call_id, number, from_user=f"caller {number}")
    await add_link(connection, "b@x", "a@x")
    await add_link(connection, "b@x", "session:1", "session")
    await add_link(connection, "c@x", "session:1", "session")
    await add_link(connection, "d@x", "session:2", "session")
    answer = await get(f"/api/v1/calls/{asked}")
    assert _legs(answer) == ["a@x", "b@x", "c@x"]
    assert answer.json["call"]["call_id"] == asked
    assert _links(answer) == [
        ("b@x", "a@x", "header", "certain"),
        ("b@x", "session:1", "session", "certain"),
        ("c@x", "session:1", "session", "certain"),
    ]
    assert answer.json["links"][0]["detail"] == "X-CID"
    assert answer.json["guesses"] == []


async def test_what_too_many_share_is_no_link(get: Get, connection: Connection) -> None:
    """It is named; the leg's other links are followed all the same."""
    for number in range(MAX_LEGS + 1):
        call_id = f"{number}@x"
        await add_call(connection, call_id, number, from_user=call_id, ruri_user=call_id)
        await add_link(connection, call_id, "channel-1", "hep", "likely")
    await add_link(connection, "7@x", "0@x")
    answer = await get("/api/v1/calls/0@x")
    assert _legs(answer) == ["0@x", "7@x"]
    assert answer.json["hubs"] == ["channel-1"]
    assert _links(answer) == [
        ("0@x", "channel-1", "hep", "likely"),
        ("7@x", "0@x", "header", "certain"),
        ("7@x", "channel-1", "hep", "likely"),
    ]
    await connection.execute("DELETE FROM call_link WHERE call_id = '50@x'")
    answer = await get("/api/v1/calls/0@x")
    assert len(_legs(answer)) == MAX_LEGS
    assert answer.json["hubs"] == []


async def test_a_chain_is_followed_so_far(get: Get, connection: Connection) -> None:
    """And the answer says that there is more."""
    for number in range(MAX_HOPS + 3):
        await add_call(connection, f"{number}@x", number, from_user=None, ruri_user=None)
        await add_link(connection, f"{number + 1}@x", f"{number}@x")
    answer = await get("/api/v1/calls/0@x")
    assert _legs(answer) == [f"{number}@x" for number in range(MAX_HOPS + 1)]
    assert answer.json["legs_complete"] is False


@pytest.mark.parametrize(
    ("second", "guessed"),
    [
        ({"src_ip": PBX, "dst_ip": CARRIER}, True),
        ({"src_ip": PBX, "dst_ip": CARRIER, "from_user": "pbx"}, True),
        ({"src_ip": PBX, "dst_ip": CARRIER, "ruri_user": "+4989555777"}, True),
        ({"src_ip": PBX, "dst_ip": CARRIER, "from_user": "pbx", "ruri_user": "777"}, False),
        ({"src_ip": PBX, "dst_ip": CARRIER, "from_user": "xalice", "ruri_user": "5"}, False),
        ({"src_ip": CARRIER, "dst_ip": "192.0.2.1"}, True),
        ({"src_ip": CARRIER, "dst_ip": "203.0.113.1"}, False),
        ({"src_ip": PBX, "dst_ip": CARRIER, "after_s": 10}, False),
    ],
)
async def test_the_same_numbers_through_the_same_host_are_a_guess(
    get: Get, connection: Connection, second: dict[str, Any], *, guessed: bool
) -> None:
    """Never more than that, and not among the legs that links lead to."""
    await add_call(connection, "a@x", ruri_user="004989555777")
    columns: dict[str, Any] = {"after_s": 1, "ruri_user": "089555777"} | second
    await add_call(connection, "b@x", **columns)
    answer = await get("/api/v1/calls/a@x")
    assert _legs(answer) == ["a@x"]
    assert [leg["call_id"] for leg in answer.json["guesses"]] == ["b@x"] * guessed
    assert _links(answer) == [("a@x", "b@x", "numbers", "guess")] * guessed
    if guessed:
        assert "1.000 s apart, through " in answer.json["links"][0]["detail"]


async def test_guesses_are_few_and_can_be_switched_off(
    get: Get, connection: Connection, database: Database
) -> None:
    """A dialler calls one number a hundred times a second."""
    for number in range(MAX_GUESSES + 5):
        await add_call(connection, f"{number}@x", number / 100, src_ip=PBX, dst_ip=PBX)
    answer = await get("/api/v1/calls/0@x")
    assert len(answer.json["guesses"]) == MAX_GUESSES
    app = create_app(load_settings(database, CORRELATION_NUMBERS_WINDOW="0"))
    async with TestClient(TestServer(app)) as client:
        shown = await client.get("/api/v1/calls/0@x", headers={"Host": "127.0.0.1:9080"})
        assert (await shown.json())["guesses"] == []


async def test_a_linked_leg_is_no_guess(get: Get, connection: Connection) -> None:
    """What is certain is not said twice."""
    await add_call(connection, "a@x")
    await add_call(connection, "b@x", 1, src_ip=PBX, dst_ip=CARRIER)
    await add_link(connection, "b@x", "a@x")
    answer = await get("/api/v1/calls/a@x")
    assert (_legs(answer), answer.json["guesses"]) == (["a@x", "b@x"], [])


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ({}, [1, 4]),
        ({"legs": "one"}, [1, 4]),
        ({"legs": "all"}, [1, 2, 4]),
        ({"legs": "guessed"}, [1, 2, 3, 4]),
    ],
)
async def test_messages_of_all_legs_together(
    get: Get, connection: Connection, database: Database, legs: dict[str, str], expected: list[int]
) -> None:
    """In one order, in the answer and in the exports."""
    await add_call(connection, "a@x")
    await add_call(connection, "b@x", 1, src_ip=PBX, dst_ip=CARRIER)
    await add_call(connection, "guess@x", 2, src_ip=PBX, dst_ip=CARRIER)
    await add_link(connection, "b@x", "a@x")
    messages = [("a@x", 1), ("b@x", 2), ("guess@x", 3), ("a@x", 4), ("stranger@x", 5)]
    await store(
        connection,
        [
            packet(request(call_id=who, number=at), at=CALL_START.timestamp() + at)
            for who, at in messages
        ],
    )
    answer = await get("/api/v1/calls/a@x", **legs)
    assert [message["cseq"] for message in answer.json["messages"]] == expected
    app = create_app(load_settings(database))
    async with TestClient(TestServer(app)) as client:
        path = "/api/v1/calls/a@x/export.txt"
        text = await client.get(path, params=legs, headers={"Host": "127.0.0.1:9080"})
        assert (await text.text()).count("\nCSeq: ") == len(expected)


async def test_quality_and_explanation_are_of_this_leg(
    get: Get, ingests: Ingests, connection: Connection
) -> None:
    """As stored by ingest; whoever has no messages is not explained."""
    read = flow.load("b2bua-header")
    ingesting = await ingests.open()
    await ingesting.store(read.messages)
    await ingesting.write()
    await add_call(connection, "no messages@x")
    found = await connection.execute("SELECT call_id FROM call_link")
    ((call_id,),) = await found.fetchall()
    shown = (await get(f"/api/v1/calls/{call_id}", legs="all")).json
    assert len(shown["legs"]) == 2
    assert len(shown["messages"]) == len(read.messages)
    statements = shown["explanation"]["statements"]
    ids = {message["id"] for message in shown["messages"] if message["call_id"] == call_id}
    proofs = {id_ for statement in statements for id_ in statement["messages"]}
    assert proofs
    assert proofs <= ids
    assert shown["explanation"]["headline"]
    assert shown["quality"]["streams"] == []
    assert shown["quality"]["to_callee"]["reported"] is False
    shown = (await get("/api/v1/calls/no messages@x")).json
    assert shown["explanation"] is None


async def test_legs_is_one_of_three(get: Get) -> None:
    """And nothing else."""
    answer = await get("/api/v1/calls/a@x", legs="some")
    assert (answer.status, answer.json["error"]["field"]) == (400, "legs")
