# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every request, and a database that does not answer."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection

from collector.api_token import SHARE_PREFIX, new_token
from stack.ports import free_port
from tests.fix_api import load_settings
from tests.fix_database import Database
from webapi.app import CHANGES, ROUTES, create_app
from webapi.context import CONTEXT

pytestmark = pytest.mark.one_database

HOST = {"Host": "127.0.0.1:9080"}
Client = TestClient[Request, Application]
NEED_NO_DATABASE = {
    "/metrics",
    "/api/v1/sign-in",
    "/api/v1/oauth2/{provider}",
    "/api/v1/oauth2/{provider}/callback",
}
"""What these tell comes from the settings, or they have something to say without a database."""


def _paths() -> list[str]:
    return [_path(path) for path, _ in ROUTES]


def _path(path: str) -> str:
    values = {"{call_id}": "x@y", "{id}": "1", "{token}": SHARE_PREFIX + "x" * 43}
    for name, value in values.items():
        path = path.replace(name, value)
    return path


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"])
async def test_every_answer_has_the_security_headers(client: Client, method: str) -> None:
    """No sniffing, no framing, no caching of captured calls, on every path with every method."""
    for path in {*_paths(), *(_path(path) for _, path, _ in CHANGES), "/nothing"}:
        async with client.request(method, path, headers=HOST) as answer:
            headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Server"] == "kemiscope", path  # and no versions
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'"), path
        assert "frame-ancestors 'none'" in policy, path
        assert headers["Referrer-Policy"] == "no-referrer", path
        assert headers["Cache-Control"] == "no-store", path


@pytest.mark.parametrize("path", _paths())
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:9080", ""])
async def test_a_foreign_host_name_is_refused(client: Client, path: str, host: str) -> None:
    """DNS rebinding: a page elsewhere must not read calls through the visitor's browser."""
    answer = await client.get(path, headers={"Host": host})
    assert answer.status == 403
    assert (await answer.json())["error"]["code"] == "host_not_allowed"


@pytest.mark.parametrize("host", ["127.0.0.1:9080", "127.0.0.1", "localhost", "localhost:9080"])
async def test_our_own_names_are_accepted(client: Client, host: str) -> None:
    """With and without port."""
    answer = await client.get("/api/v1/status", headers={"Host": host})
    assert answer.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_changed(client: Client, method: str) -> None:
    """405 in the one shape, with the methods that are allowed."""
    answer = await client.request(method, "/api/v1/messages", headers=HOST)
    assert answer.status == 405
    assert (await answer.json())["error"]["code"] == "method_not_allowed"
    assert "GET" in answer.headers["Allow"]


async def test_an_unknown_path_is_404_in_the_one_shape(client: Client) -> None:
    """Also outside of the API."""
    answer = await client.get("/nothing/here", headers=HOST)
    assert answer.status == 404
    assert set((await answer.json())["error"]) == {"code", "message", "field"}


@pytest.fixture
async def orphan(empty_database: Database) -> Client:
    """A client of an API whose database is not there."""
    missing = load_settings(
        empty_database._replace(
            reader_dsn=f"host=127.0.0.1 port={free_port()} user=x password=secret dbname=x"
        ),
        DATABASE_CONNECT_TIMEOUT="1",
    )
    return TestClient(TestServer(create_app(missing)))


async def test_without_a_database_the_answer_is_503(orphan: Client) -> None:
    """On every path: the service stays up and says what is wrong, without secrets of the DSN."""
    headers = {**HOST, "Authorization": f"Bearer {new_token()}"}

    async def ask(path: str) -> tuple[str, int, str]:
        answer = await orphan.get(path, headers=headers)
        return path, answer.status, await answer.text()

    asking = [_path(path) for path, _ in ROUTES if path not in NEED_NO_DATABASE]
    async with orphan:
        # Together: each waits until the time for a connection is over.
        answers = await asyncio.gather(*map(ask, asking))
    for path, status, text in answers:
        assert status == 503, path
        assert '"database_unavailable"' in text, path
        assert "secret" not in text, path


async def test_without_a_database_metrics_say_so(orphan: Client) -> None:
    """A scrape succeeds and tells."""
    async with orphan as client:
        answer = await client.get("/metrics", headers=HOST)
        assert answer.status == 200
        assert "kemiscope_database_up 0.0" in await answer.text()


async def test_a_slow_query_is_ended(database: Database) -> None:
    """A clear answer in time, and the connection is free again."""
    app = create_app(load_settings(database, WEB_QUERY_TIMEOUT="0.1", WEB_CONNECTIONS="1"))
    async with TestClient(TestServer(app)) as client:
        async with await AsyncConnection.connect(database.dsn) as blocker:
            await blocker.execute("LOCK TABLE sip_message_call IN ACCESS EXCLUSIVE MODE")
            answer = await client.get("/api/v1/messages", headers=HOST)
            assert answer.status == 503
            assert (await answer.json())["error"]["code"] == "query_timeout"
        answer = await client.get("/api/v1/messages", headers=HOST)
        assert answer.status == 200


@pytest.mark.parametrize("path", ["messages", "calls", "calls/export.csv", "stats"])
async def test_a_range_that_is_too_long_is_refused(database: Database, path: str) -> None:
    """With the setting's name; what is shorter is answered."""
    app = create_app(load_settings(database, WEB_MAX_RANGE="2h"))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(f"/api/v1/{path}?from=-3h", headers=HOST)
        assert answer.status == 400
        error = (await answer.json())["error"]
        assert (error["code"], error["field"]) == ("range_too_long", "from")
        assert "2:00:00, which is web.max_range" in error["message"]
        assert (await client.get(f"/api/v1/{path}?from=-1h", headers=HOST)).status == 200


async def test_the_api_reads_only(database: Database) -> None:
    """Even with the writer's DSN, and the reader's role has no right to write at all."""
    app = create_app(load_settings(database._replace(reader_dsn=database.dsn)))
    async with TestClient(TestServer(app)), app[CONTEXT].connection() as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await connection.execute("DELETE FROM sip_message_call")
    async with await AsyncConnection.connect(database.reader_dsn) as reader:
        await reader.execute("SET default_transaction_read_only TO off")
        await reader.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await reader.execute("DELETE FROM sip_message_call")
