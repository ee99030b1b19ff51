# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows, time and shapes: what is too much or makes no sense ends with a clear answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from psycopg import AsyncConnection

from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.webapi.homer.search.conftest import CALL, A, Homer
from webapi.app import create_app
from webapi.homer.search.routes import CHANGES

PATHS: Final = sorted(path for _, path, _ in CHANGES)
BODIES: Final[list[Any]] = [
    *(None, [], {}, "x", 1, {"param": None}, {"timestamp": None, "param": {}}),
    {"timestamp": {"from": 1, "to": 2}, "param": {"search": []}},
    {"timestamp": {"from": 1, "to": 2}, "param": {"search": {"1_call": None}}},
    {"timestamp": {"from": 1, "to": 2}, "param": {"search": {"1_call": {"callid": {}}}}},
    {"timestamp": {"from": 1, "to": 2}, "param": {"search": {"1_call": {"callid": ["\0"]}}}},
    {"timestamp": {"from": 1, "to": 2}, "param": {"search": {"1_call": {"id": [[]]}}}},
    {"timestamp": {"from": 1, "to": 2}, "param": {"search": {"1_call": {"id": 10**18}}}},
    {"timestamp": {"from": 1, "to": 2}, "param": {"search": {"1_call": [{"name": []}]}}},
    {"timestamp": {"from": 1, "to": 2}, "param": {"search": {}, "whitelist": [1]}},
    {"timestamp": {"from": 1, "to": 2}, "param": {"query": [1]}},
]


@pytest_asyncio.fixture(loop_scope="module")
async def small(captured: Database) -> AsyncIterator[Homer]:
    """Who asks where answers have few rows."""
    loaded = load_settings(captured, WEB_MAX_ROWS="2", WEB_MAX_CALL_MESSAGES="3")
    async with TestClient(TestServer(create_app(loaded))) as client:
        yield Homer(client)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_of_any_shape_gets_an_answer(homer: Homer, path: str) -> None:
    """In HOMER's shape, and never a fault of the service."""
    for body in BODIES:
        answer = await homer.post(path.removeprefix("/api/v3/"), body)
        assert answer.status < 500, (body, answer)
        assert isinstance(answer.json, dict)
        assert answer.status == 201 or answer.json["message"]


async def test_no_answer_has_more_rows_than_allowed(small: Homer) -> None:
    """Whatever is asked for; a call says that there is more."""
    assert (await small.find("1_call", ("limit", "100000"))).json["total"] == 2
    answer = await small.ask("call/transaction", {"1_call": {"callid": [A]}})
    assert (answer.json["total"], answer.json["complete"]) == (3, False)
    assert answer.json["data"]["messages"][0]["raw"].encode() == CALL.messages[0].sip
    both = await small.ask("search/call/data", {"1_registration": [], "1_call": []})
    assert [row["method"] for row in both.json["data"]] == ["BYE", "200"], "the last of both"


async def test_a_range_that_is_too_long_is_refused(captured: Database) -> None:
    """For a search; a call is found by its Call-ID in a range of any length."""
    loaded = load_settings(captured, WEB_MAX_RANGE="60")
    async with TestClient(TestServer(create_app(loaded))) as client:
        homer = Homer(client)
        answer = await homer.find("1_call")
        call = await homer.ask("call/transaction", {"1_call": {"callid": [A]}})
    assert (answer.status, call.status) == (400, 201)
    assert "web.max_range" in answer.json["message"]


async def test_a_slow_search_ends(captured: Database) -> None:
    """With 503, as long as it has found nothing, and a word that says what to do."""
    loaded = load_settings(captured, WEB_QUERY_TIMEOUT="0.1")
    async with (
        await AsyncConnection.connect(captured.dsn, autocommit=True) as connection,
        TestClient(TestServer(create_app(loaded))) as client,
        connection.transaction(),
    ):
        await connection.execute("LOCK TABLE sip_message_call")
        answer = await Homer(client).find("1_call")
    assert answer.status == 503
    assert "web.query_timeout" in answer.json["message"]
