# SPDX-License-Identifier: GPL-2.0-or-later
"""Long exports: bounded memory, no connection kept, and an end that says what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.fix_listener import until
from webapi import search
from webapi.app import create_app
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.export import stream
from webapi.export.stream import EXPORTS
from webapi.search import Page

pytestmark = pytest.mark.one_database

HOST = {"Host": "127.0.0.1:9080"}
SPAN = {"from": "2026-11-23T10:00:00Z", "to": "2026-11-23T11:00:00Z"}
QUERY = "from=2026-11-23T10:00:00Z&to=2026-11-23T11:00:00Z"
Client = TestClient[Request, Application]


@asynccontextmanager
async def _client(database: Database, **settings: str) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(load_settings(database, **settings)))) as client:
        yield client


async def _fill(connection: AsyncConnection[TupleRow], count: int, octets: int = 100) -> None:
    """Messages 10 ms apart, two of a time."""
    await connection.execute(
        "INSERT INTO sip_message_call (ts, id, src_port, dst_port, src_ip, dst_ip, call_id, method,"
        " transport, node, raw) SELECT '2026-11-23T10:00:00Z'::timestamptz + n / 2 * interval"
        " '10 ms', n, 5060, 5060, '192.0.2.1', '198.51.100.2', 'c@x', 'INVITE', 'UDP', '2001',"
        " convert_to(repeat('x', %s), 'UTF8') FROM generate_series(0, %s) AS n",
        (octets, count - 1),
    )


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each page that was read, ten at most."""
    read: list[int] = []
    true_run = search.run

    async def run(*arguments: Any) -> Page:
        page = await true_run(*arguments)
        read.append(len(page.rows))
        return page

    monkeypatch.setattr(stream, "PAGE_ROWS", 10)
    monkeypatch.setattr(search, "run", run)
    return read


async def _ask(client: Client, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that has asked and reads no more than its socket buffers do."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1024)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:9080\r\n\r\n".encode())
    return reader, writer


async def test_a_client_that_does_not_read_holds_one_page_and_no_connection(
    database: Database, connection: AsyncConnection[TupleRow], pages: list[int]
) -> None:
    """Pages are read as the client takes them; when it goes away the export ends."""
    await _fill(connection, 400, octets=100_000)
    async with _client(database) as client:
        app = client.app
        assert app is not None
        _, writer = await _ask(client, f"/api/v1/messages/export.pcap?{QUERY}")
        before = -1
        while len(pages) != before or not pages:  # until the socket's buffers are full
            before = len(pages)
            await asyncio.sleep(0.5)
        assert 1 <= len(pages) < 35
        assert set(pages) == {10}
        assert app[EXPORTS].running == 1
        pool = app[CONTEXT].pool.get_stats()
        assert pool["pool_available"] == pool["pool_size"]
        writer.transport.abort()
        await until(lambda: app[EXPORTS].running == 0)
        assert len(pages) < 35


async def test_a_client_that_goes_away_ends_its_query(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """At once, not when the query would have ended: the connection is free for others."""

    async def until_waiting(wanted: bool) -> None:
        async with asyncio.timeout(30):
            found = not wanted
            while found != wanted:
                await asyncio.sleep(0.02)
                cursor = await connection.execute("SELECT FROM pg_locks WHERE NOT granted")
                found = bool(cursor.rowcount)

    async with (
        _client(database, WEB_QUERY_TIMEOUT="600", WEB_CONNECTIONS="1") as client,
        await AsyncConnection.connect(database.dsn) as blocker,
    ):
        app = client.app
        assert app is not None
        await blocker.execute("LOCK TABLE sip_message_call IN ACCESS EXCLUSIVE MODE")
        _, writer = await _ask(client, f"/api/v1/messages/export.pcap?{QUERY}")
        await until_waiting(True)
        writer.transport.abort()
        await until_waiting(False)
        await until(lambda: app[EXPORTS].running == 0)
        assert (await client.get("/api/v1/calls", headers=HOST)).status == 200


async def test_a_client_that_takes_nothing_for_long_is_cut_off(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """Its place is for others."""
    await _fill(connection, 400, octets=100_000)
    async with _client(database, WEB_EXPORT_STALL="1") as client:
        app = client.app
        assert app is not None
        _, writer = await _ask(client, f"/api/v1/messages/export.txt?{QUERY}")
        await until(lambda: app[EXPORTS].running == 1)
        await until(lambda: app[EXPORTS].running == 0)
        writer.transport.abort()


async def test_everything_comes_once_and_in_order(
    database: Database, connection: AsyncConnection[TupleRow], pages: list[int]
) -> None:
    """Over many pages, messages of one µs among them; what a search finds, oldest first."""
    await _fill(connection, 95)
    async with _client(database) as client:
        answer = await client.get("/api/v1/messages/export.jsonl", params=SPAN, headers=HOST)
        assert answer.content_type == "application/x-ndjson"
        found = [orjson.loads(line) for line in (await answer.read()).splitlines()]
        assert [message["id"] for message in found] == [str(n) for n in range(95)]
        assert len(pages) >= 10
        listed = await client.get("/api/v1/messages", params=SPAN | {"limit": "95"}, headers=HOST)
        assert (await listed.json())["messages"] == found[::-1]
        answer = await client.get(
            "/api/v1/messages/export.jsonl", params=SPAN | {"method": "BYE"}, headers=HOST
        )
        assert (answer.status, await answer.read()) == (200, b"")


async def test_at_the_limit_the_file_says_where_to_go_on(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """In its last line; with that cursor the rest comes, and a whole file says nothing."""
    await _fill(connection, 12)
    found: list[str] = []
    parameters = dict(SPAN)
    async with _client(database, WEB_MAX_EXPORT_MESSAGES="4") as client:
        for more in (True, True, False):
            answer = await client.get(
                "/api/v1/messages/export.jsonl", params=parameters, headers=HOST
            )
            lines = [orjson.loads(line) for line in (await answer.read()).splitlines()]
            if more:
                last = lines.pop()
                assert last["error"]["code"] == "export_limit"
                assert "web.max_export_messages" in last["error"]["message"]
                parameters["cursor"] = last["next"]
            assert len(lines) == 4
            found += [line["id"] for line in lines]
        assert found == [str(n) for n in range(12)]
        for suffix in ("csv", "txt"):
            answer = await client.get(
                f"/api/v1/messages/export.{suffix}", params=SPAN | {"limit": "3"}, headers=HOST
            )
            last_line = (await answer.text()).splitlines()[-1]
            assert "export is not complete (export_limit)" in last_line
            assert "cursor=" in last_line
        answer = await client.get(
            "/api/v1/messages/export.csv", params=SPAN | {"limit": "5"}, headers=HOST
        )
        assert (await answer.json())["error"]["field"] == "limit"


async def test_a_fault_on_the_way_is_in_the_file_and_the_transfer_has_no_end(
    database: Database,
    connection: AsyncConnection[TupleRow],
    pages: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The status has gone out already."""
    await _fill(connection, 30)
    counted = search.run

    async def run(*arguments: Any) -> Page:
        if len(pages) == 2:
            raise ApiError(503, "query_timeout", "the query took too long")
        return await counted(*arguments)

    monkeypatch.setattr(search, "run", run)
    async with _client(database) as client:
        reader, writer = await _ask(client, f"/api/v1/messages/export.txt?{QUERY}")
        taken = await reader.read()
        writer.close()
        assert taken.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Transfer-Encoding: chunked" in taken
        assert not taken.endswith(b"\r\n0\r\n\r\n")
        assert taken.count(b"--- 2026") == 20
        assert b"export is not complete (query_timeout): the query took too long" in taken


async def test_a_fault_before_the_first_byte_is_an_error_like_any_other(
    database: Database,
) -> None:
    """Parameters, a database that is busy, and more exports than may run."""
    async with _client(database, WEB_QUERY_TIMEOUT="0.1", WEB_EXPORTS="1") as client:
        app = client.app
        assert app is not None
        path = "/api/v1/messages/export.csv"
        answer = await client.get(path, params={"sort": "raw"}, headers=HOST)
        assert (answer.status, (await answer.json())["error"]["field"]) == (400, "sort")
        async with await AsyncConnection.connect(database.dsn) as blocker:
            await blocker.execute("LOCK TABLE sip_message_call IN ACCESS EXCLUSIVE MODE")
            answer = await client.get(path, headers=HOST)
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "query_timeout")
        with app[EXPORTS].one_more():
            answer = await client.get(path, headers=HOST)
            code = (await answer.json())["error"]["code"]
            assert (answer.status, code) == (503, "too_many_exports")
        assert (await client.get(path, headers=HOST)).status == 200
        await until(lambda: app[EXPORTS].running == 0)


async def test_gzip_is_for_those_who_ask(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """The same bytes."""
    await _fill(connection, 30)
    async with _client(database) as client:
        bodies = []
        for asked, coding in (
            ("identity", "identity"),
            ("br, gzip;q=0.5", "gzip"),
            ("gzip; q=0.0", "identity"),
        ):
            answer = await client.get(
                "/api/v1/messages/export.pcap",
                params=SPAN,
                headers=HOST | {"Accept-Encoding": asked},
            )
            assert answer.headers.get("Content-Encoding", "identity") == coding
            bodies.append(await answer.read())
        assert bodies[0] == bodies[1] == bodies[2]


async def test_pages_of_large_messages_have_fewer_rows(
    database: Database,
    connection: AsyncConnection[TupleRow],
    pages: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is bounded in bytes, too."""
    monkeypatch.setattr(stream, "PAGE_BYTES", 300_000)
    await _fill(connection, 20, octets=100_000)
    async with _client(database) as client:
        answer = await client.get("/api/v1/messages/export.txt", params=SPAN, headers=HOST)
        assert (await answer.text()).count("--- 2026") == 20
    assert pages == [10, 3, 3, 3, 1]


async def test_head_reads_no_more_than_the_first_page(
    database: Database, connection: AsyncConnection[TupleRow], pages: list[int]
) -> None:
    """The headers of the file, and nothing is streamed to nobody."""
    await _fill(connection, 60)
    async with _client(database) as client:
        answer = await client.head("/api/v1/messages/export.txt", params=SPAN, headers=HOST)
        assert (answer.status, answer.content_type) == (200, "text/plain")
        assert "Content-Disposition" in answer.headers
        assert await answer.read() == b""
    assert pages == [10]


async def test_a_call_of_many_messages_is_streamed_up_to_its_limit(
    database: Database, connection: AsyncConnection[TupleRow], pages: list[int]
) -> None:
    """Page by page too; the file says what is missing."""
    await _fill(connection, 30)
    async with _client(database, WEB_MAX_CALL_MESSAGES="25") as client:
        answer = await client.get("/api/v1/calls/c@x/export.txt", headers=HOST)
        text = await answer.text()
    assert text.count("--- 2026") == 25
    assert "there are more than 25 rows, the limit (web.max_call_messages)" in text
    assert pages == [10, 10, 5, 1]
