# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/calls/{call_id}`` and its exports, over a real database."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from yarl import URL

from tests.fix_api import Get, load_settings, store
from tests.fix_database import Database
from tests.sip_text import packet, request
from webapi.app import create_app

pytestmark = pytest.mark.one_database

START = 1_790_000_000.0
HOST = {"Host": "127.0.0.1:9080"}

Client = TestClient[Request, Application]


async def test_messages_come_in_order_of_capture_then_arrival(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """Whatever the order in which they arrived, and across the three tables."""
    order = [(3, 0.5), (1, 0.1), (2, 0.1), (4, 0.9)]
    await store(
        connection,
        [packet(request(call_id="x@y", number=number), at=START + at) for number, at in order]
        + [packet(request("OPTIONS", "x@y", number=5), at=START + 2)],
    )
    answer = await get("/api/v1/calls/x@y")
    assert answer.status == 200
    assert [message["cseq"] for message in answer.json["messages"]] == [1, 2, 3, 4, 5]
    assert answer.json["call_id"] == "x@y"
    assert answer.json["from"] == "2026-09-21T14:13:20.100000Z"
    assert answer.json["to"] == "2026-09-21T14:13:22.000000Z"
    assert answer.json["complete"] is True
    assert answer.json["messages"][0]["raw"].startswith("INVITE sip:bob@example.com SIP/2.0\r\n")


@pytest.mark.parametrize(
    "call_id", ["a/b@c", "a b", "100%25", "a?b#c", "ü@ö", "../../etc/passwd", "<script>", "a;b=c"]
)
async def test_any_call_id_can_be_asked_for(
    client: Client, connection: AsyncConnection[TupleRow], call_id: str
) -> None:
    """Slashes, blanks, percent signs: the path is decoded once."""
    await store(connection, [packet(request(call_id=call_id), at=START)])
    path = f"/api/v1/calls/{quote(call_id, safe='')}"
    for suffix in (
        "",
        *(f"/export.{kind}" for kind in ("pcap", "pcapng", "txt", "json", "xml", "svg")),
    ):
        answer = await client.get(URL(path + suffix, encoded=True), headers=HOST)
        assert answer.status == 200, await answer.text()
        if suffix:
            disposition = answer.headers["Content-Disposition"]
            assert disposition.startswith('attachment; filename="')
            assert disposition.isascii()
            assert not set('/\\<>;%"') & set(disposition.split('"')[1])
        else:
            assert (await answer.json())["call_id"] == call_id


async def test_an_unknown_call_is_404(get: Get) -> None:
    """With the shape of every error."""
    answer = await get("/api/v1/calls/nobody@nowhere")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    assert answer.json["error"]["field"] == "call_id"


async def test_a_call_of_too_many_messages_says_so(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """The limit is a setting, and the answer tells that it was reached."""
    await store(
        connection,
        [packet(request(call_id="long@call", number=n + 1), at=START + n) for n in range(5)],
    )
    app = create_app(load_settings(database, WEB_MAX_CALL_MESSAGES="3"))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/api/v1/calls/long@call", headers=HOST)
        shown = await answer.json()
    assert shown["complete"] is False
    assert [message["cseq"] for message in shown["messages"]] == [1, 2, 3]


def _beside(call_id: bytes, at: float, kind: int, payload: bytes) -> bytes:
    return packet(payload, at=at, type=kind, correlation_id=call_id)


async def test_reports_and_events_come_with_the_call(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """Those of its Call-ID, in order; the range covers all."""
    rtcp = b'{"ssrc":1,"type":201,"report_blocks":[{"source_ssrc":2},{"source_ssrc":3}]}'
    await store(
        connection,
        [
            packet(request(call_id="q@x"), at=START + 1),
            *(_beside(b"q@x", START + at, 5, rtcp) for at in (3, 2)),
            _beside(b"q@x", START, 100, b"a line"),
            _beside(b"other@x", START, 100, b"another line"),
        ],
    )
    shown = (await get("/api/v1/calls/q@x")).json
    assert (shown["from"][17:19], shown["to"][17:19]) == ("20", "23")
    assert len(shown["messages"]) == 1
    assert [(item["ts"][17:19], item["block"]) for item in shown["reports"]] == [
        *(("22", 0), ("22", 1), ("23", 0), ("23", 1))
    ]
    assert "payload" not in shown["reports"][0]
    assert [item["payload"] for item in shown["events"]] == ["a line"]
    assert shown["complete"] is True


async def test_a_call_may_have_reports_only(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """The SIP may be captured elsewhere, or be gone; there is nothing to export, then."""
    await store(connection, [_beside(b"q@x", START, 5, b'{"ssrc":1}')])
    answer = await get("/api/v1/calls/q@x")
    assert (answer.status, answer.json["messages"], answer.json["events"]) == (200, [], [])
    assert [report["ssrc"] for report in answer.json["reports"]] == [1]
    answer = await get("/api/v1/calls/q@x/export.txt")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


async def test_reports_and_events_of_a_call_are_limited_too(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """Each to the number of messages that are shown."""
    await store(
        connection,
        [packet(request(call_id="q@x"), at=START)]
        + [_beside(b"q@x", START + n, 100, b"line %d" % n) for n in range(4)],
    )
    app = create_app(load_settings(database, WEB_MAX_CALL_MESSAGES="3"))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/api/v1/calls/q@x", headers=HOST)
        shown = await answer.json()
    assert shown["complete"] is False
    assert [event["payload"] for event in shown["events"]] == ["line 0", "line 1", "line 2"]
