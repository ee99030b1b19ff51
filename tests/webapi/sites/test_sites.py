# SPDX-License-Identifier: GPL-2.0-or-later
"""Every question that goes to several sites, with all of them there and with one away."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import Any, Final

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector import statistics
from collector.peers import Peers
from stack.ports import free_port
from tests.call_rows import CALL_START, add_answered, add_call, add_failed, add_link
from tests.fix_api import store
from tests.fix_database import Database
from tests.fix_sites import HERE, THERE, Asks, Far, asking
from tests.silent_port import HOST, silence
from tests.sip_text import packet, request, with_headers
from webapi.context import CONTEXT
from webapi.errors import ApiError

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]

START: Final = 1_790_000_000.0
SPAN: Final = {"from_": "2026-11-23T10:00:00Z", "to": "2026-11-23T10:10:00Z"}


def _missing(answer: Any) -> list[tuple[str, str]]:
    return [(one["site"], one["code"]) for one in answer.json["missing"]]


async def _fill(connection: Connection, far: Far) -> None:
    """Two legs of one call, one at each site, and one Call-ID that both have seen."""
    await add_answered(connection, "a@x", 0)
    await add_answered(far.connection, "b@x", 1)
    await add_link(far.connection, "b@x", "a@x")
    await add_answered(connection, "both@x", 5, node="here")
    await add_answered(far.connection, "both@x", 4, node="there")
    began = CALL_START.timestamp()
    await store(connection, [packet(request(call_id="a@x"), at=began)])
    await store(connection, [packet(request(call_id="both@x"), at=began + 5)])
    await store(far.connection, [packet(request(call_id="b@x"), at=began + 1)])
    await store(far.connection, [packet(request(call_id="both@x"), at=began + 4)])


async def test_one_search_finds_calls_of_all_sites(
    ask: Asks, connection: Connection, far: Far
) -> None:
    """In one order, each row with its site."""
    await _fill(connection, far)
    answer = await ask("/api/v1/calls", **SPAN)
    assert answer.status == 200
    assert [(row["call_id"], row["site"]) for row in answer.json["calls"]] == [
        ("both@x", HERE),
        ("both@x", THERE),
        ("b@x", THERE),
        ("a@x", HERE),
    ]
    assert (answer.json["complete"], answer.json["missing"]) == (True, [])


@pytest.mark.parametrize("path", ["calls", "messages", "reports", "events", "registrations"])
async def test_a_site_that_is_away_is_named(
    ask: Asks, connection: Connection, far: Far, path: str
) -> None:
    """The others answer all the same, and when it is back it is part of the answer again."""
    await _fill(connection, far)
    before = await ask(f"/api/v1/{path}", **SPAN)
    far.go()
    without = await ask(f"/api/v1/{path}", **SPAN)
    far.come_back()
    after = await ask(f"/api/v1/{path}", **SPAN)
    assert [answer.status for answer in (before, without, after)] == [200, 200, 200]
    assert _missing(without) == [(THERE, "database_unavailable")]
    assert without.json["complete"] is False
    assert without.json[path] == [row for row in before.json[path] if row["site"] == HERE]
    assert (after.json[path], after.json["missing"]) == (before.json[path], [])


async def test_a_call_is_told_from_all_sites(ask: Asks, connection: Connection, far: Far) -> None:
    """A link that one site knows leads to a leg that only another one has seen."""
    await _fill(connection, far)
    answer = await ask("/api/v1/calls/a@x", legs="all")
    assert [(leg["call_id"], leg["site"]) for leg in answer.json["legs"]] == [
        ("a@x", HERE),
        ("b@x", THERE),
    ]
    assert [(one["call_id"], one["site"]) for one in answer.json["messages"]] == [
        ("a@x", HERE),
        ("b@x", THERE),
    ]
    assert [(link["call_id"], link["linked_id"]) for link in answer.json["links"]] == [
        ("b@x", "a@x")
    ]
    assert (answer.json["complete"], answer.json["missing"]) == (True, [])


async def test_a_leg_of_two_sites_is_one_leg(ask: Asks, connection: Connection, far: Far) -> None:
    """That of the site where it began first, with the messages of both in the order of capture."""
    await _fill(connection, far)
    answer = await ask("/api/v1/calls/both@x")
    assert [(leg["call_id"], leg["node"]) for leg in answer.json["legs"]] == [("both@x", "there")]
    assert answer.json["call"]["site"] == THERE
    assert [one["site"] for one in answer.json["messages"]] == [THERE, HERE]


async def test_a_call_without_a_site_that_is_away(
    ask: Asks, connection: Connection, far: Far
) -> None:
    """What is here is shown, with the notice; what was only there is not found, which is no lie."""
    await _fill(connection, far)
    far.go()
    answer = await ask("/api/v1/calls/a@x", legs="all")
    assert [leg["call_id"] for leg in answer.json["legs"]] == ["a@x"]
    assert _missing(answer) == [(THERE, "database_unavailable")]
    assert answer.json["complete"] is False
    nothing = await ask("/api/v1/calls/b@x")
    assert (nothing.status, nothing.json["error"]["code"]) == (503, "site_missing")
    assert THERE in nothing.json["error"]["message"]


async def _count(connection: Connection, far: Far) -> None:
    peers = Peers([])
    await add_answered(connection, "1@x", 0, talk_s=30)
    await add_failed(connection, "2@x", 1, status=503)
    await add_answered(far.connection, "3@x", 2, talk_s=60)
    await store(connection, [packet(request(call_id="1@x"), at=CALL_START.timestamp())])
    await store(
        far.connection,
        [
            packet(request(call_id="3@x"), at=CALL_START.timestamp()),
            packet(with_headers(start=b"SIP/2.0 200 OK"), at=CALL_START.timestamp()),
        ],
    )
    for one in (connection, far.connection):
        await statistics.count(one, CALL_START, peers)


async def test_figures_of_all_sites_are_added_up(
    ask: Asks, connection: Connection, far: Far
) -> None:
    """Ratios and averages are those of all calls, not averages of averages."""
    await _count(connection, far)
    answer = await ask("/api/v1/stats", **SPAN)
    (total,) = answer.json["totals"]
    assert (total["attempts"], total["answered"], total["failed"]) == (3, 2, 1)
    assert (total["asr"], total["acd_ms"]) == (66.67, 45_000)
    assert [one["attempts"] for one in answer.json["calls"]] == [3]
    assert [one["messages"] for one in answer.json["traffic"]] == [3]
    assert {one["class"]: one["messages"] for one in answer.json["messages"]} == {
        "request": 2,
        "2xx": 1,
    }
    far.go()
    without = await ask("/api/v1/stats", **SPAN)
    assert without.json["totals"][0]["attempts"] == 2
    assert (_missing(without), without.json["complete"]) == (
        [(THERE, "database_unavailable")],
        False,
    )


async def test_figures_by_site(ask: Asks, connection: Connection, far: Far) -> None:
    """And of one of them."""
    await _count(connection, far)
    answer = await ask("/api/v1/stats", **SPAN, by="site")
    assert [(one["site"], one["attempts"]) for one in answer.json["totals"]] == [
        (THERE, 1),
        (HERE, 2),
    ]
    assert sorted((one["site"], one["messages"]) for one in answer.json["messages"]) == [
        (THERE, 1),
        (THERE, 1),
        (HERE, 1),
    ]
    one = await ask("/api/v1/stats", **SPAN, site=THERE)
    assert [row["attempts"] for row in one.json["totals"]] == [1]


async def test_some_sites_are_searched(ask: Asks, connection: Connection, far: Far) -> None:
    """Those that are not asked are not missing either."""
    await _fill(connection, far)
    far.go()
    here = await ask("/api/v1/calls", **SPAN, site=HERE)
    assert {row["site"] for row in here.json["calls"]} == {HERE}
    assert (here.json["complete"], here.json["missing"]) == (True, [])
    there = await ask("/api/v1/calls", **SPAN, site=THERE)
    assert (there.status, there.json["error"]["code"]) == (503, "database_unavailable")
    unknown = await ask("/api/v1/calls", **SPAN, site="paris")
    assert (unknown.status, unknown.json["error"]["field"]) == (400, "site")
    assert f"{HERE}, {THERE}" in unknown.json["error"]["message"]


async def test_an_export_has_the_messages_of_all_sites(
    ask: Asks, connection: Connection, far: Far
) -> None:
    """Those of a search and those of a call; a site that is away is told of in the file."""
    await _fill(connection, far)
    headers = {"Host": "127.0.0.1:9080"}
    found = "/api/v1/messages/export.txt?from=2026-11-23T10:00:00Z&to=2026-11-23T10:10:00Z"
    text = await (await ask.client.get(found, headers=headers)).text()
    assert [text.count(f"Call-ID: {name}@x") for name in ("a", "b", "both")] == [1, 1, 2]
    assert "not complete" not in text
    of_call = "/api/v1/calls/a@x/export.pcap?legs=all"
    data = await (await ask.client.get(of_call, headers=headers)).read()
    assert _packets(data) == 2
    far.go()
    text = await (await ask.client.get(found, headers=headers)).text()
    assert [text.count(f"Call-ID: {name}@x") for name in ("a", "b", "both")] == [1, 0, 1]
    assert f"not complete (site_missing): site {THERE}: " in text


def _packets(data: bytes) -> int:
    offset, count = 24, 0
    while offset < len(data):
        offset += 16 + struct.unpack_from("<I", data, offset + 8)[0]
        count += 1
    return count


async def test_a_message_of_another_site_is_found(
    ask: Asks, connection: Connection, far: Far
) -> None:
    """By its id: whether there is tshark to decode it or not."""
    await _fill(connection, far)
    found = await ask("/api/v1/messages", **SPAN, call_id="b@x")
    (message,) = found.json["messages"]
    path = f"/api/v1/messages/{message['id']}/decode"
    decoded = await ask(path, call_id="b@x")
    assert decoded.json.get("message", {}).get("site") == THERE or decoded.status == 501
    assert (await ask(path, call_id="b@x", site=HERE)).status == 404


async def test_a_site_behind_a_silent_network(database: Database, connection: Connection) -> None:
    """There is an answer without it."""
    await add_answered(connection, "a@x")
    with ExitStack() as stack:
        port = free_port()
        silence(stack, port)
        async with asking(database, f"{THERE}=host={HOST} port={port} dbname=x user=y") as ask:
            answer = await ask("/api/v1/calls", **SPAN)
    assert [row["call_id"] for row in answer.json["calls"]] == ["a@x"]
    assert _missing(answer) == [(THERE, "database_unavailable")]


async def test_a_site_of_another_version(ask: Asks, connection: Connection, far: Far) -> None:
    """Its tables lack a column: it is left out, and what is to be done is said."""
    await _fill(connection, far)
    await far.connection.execute("ALTER TABLE call RENAME COLUMN caller_codecs TO codecs")
    answer = await ask("/api/v1/calls", **SPAN)
    assert _missing(answer) == [(THERE, "database_schema")]
    assert {row["site"] for row in answer.json["calls"]} == {HERE}


async def test_the_status_says_which_sites_answer(ask: Asks, far: Far) -> None:
    """So does /metrics."""
    far.go()
    answer = await ask("/api/v1/status")
    assert [(one["name"], one["answers"], one["code"]) for one in answer.json["sites"]] == [
        (HERE, True, None),
        (THERE, False, "database_unavailable"),
    ]
    headers = {"Host": "127.0.0.1:9080"}
    text = await (await ask.client.get("/metrics", headers=headers)).text()
    assert f'kemiscope_site_up{{site="{HERE}"}} 1.0' in text
    assert f'kemiscope_site_up{{site="{THERE}"}} 0.0' in text


async def test_other_sites_are_only_read(database: Database, far: Far) -> None:
    """Even with a role that may write."""
    async with asking(database, f"{THERE}={far.database.dsn}") as ask:
        assert (await ask("/api/v1/calls", **SPAN, site=THERE)).status == 200
        async with ask.client.app[CONTEXT].sites.reading(THERE) as reading:
            with pytest.raises(ApiError):
                await reading.query(sql.SQL("DELETE FROM call_key RETURNING *"))
            assert [one.site for one in reading.missing] == [THERE]


async def test_one_site_says_nothing_of_sites(database: Database, connection: Connection) -> None:
    """As long as there is no other one."""
    await add_call(connection, "a@x")
    async with asking(database) as ask:
        answer = await ask("/api/v1/calls", **SPAN)
        status = await ask("/api/v1/status")
        figures = await ask("/api/v1/stats", **SPAN, by="site")
    assert "site" not in answer.json["calls"][0]
    assert (answer.json["missing"], status.json["sites"]) == ([], [])
    assert figures.status == 200
