# SPDX-License-Identifier: GPL-2.0-or-later
"""Captured packets of every profile, stored once for a module, and HOMER's requests about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection

from collector import statistics
from collector.hep import TYPE_LOG, TYPE_RTCP
from collector.moment import to_us
from collector.peers import Peers
from tests import flow, quality_json
from tests.fix_api import Answer, load_settings, store
from tests.fix_calls import Ingests
from tests.fix_database import Database
from tests.sip_text import packet, request
from webapi.app import create_app

CALL: Final = flow.load("b2bua-header")
REGISTRATION: Final = flow.load("registration-new")
A, B = CALL.legs["A"], CALL.legs["B"]
REGISTRATION_ID: Final = next(iter(REGISTRATION.legs.values()))
START: Final = to_us(CALL.begins) / 1e6
"""Seconds since 1970."""
RANGE: Final = {"from": (START - 60) * 1000, "to": (START + 60) * 1000}
LOG_LINE: Final = b"a line of a log <b>\xff"
FOLDER: Final = Path(__file__).parent
HOST: Final = {"Host": "127.0.0.1:9080"}


class Homer(NamedTuple):
    """A client of HOMER's."""

    client: TestClient[Request, Application]

    async def post(self, path: str, body: Any) -> Answer:
        """One request below /api/v3."""
        answer = await self.client.post(f"/api/v3/{path}", json=body, headers=HOST)
        is_json = answer.content_type == "application/json"
        return Answer(answer.status, await answer.json() if is_json else await answer.read())

    async def ask(self, path: str, search: Any, **param: Any) -> Answer:
        """One with the envelope that all searches share; ``span`` is its time range."""
        span = param.pop("span", RANGE)
        return await self.post(path, {"timestamp": span, "param": {"search": search, **param}})

    async def find(self, key: str, *elements: tuple[str, Any], **param: Any) -> Answer:
        """The results of a search for fields and their values."""
        listed = [{"name": name, "value": value, "type": "string"} for name, value in elements]
        return await self.ask("search/call/data", {key: listed}, **param)

    async def smart(self, text: str, key: str = "1_call") -> Answer:
        """The results of the smart input."""
        return await self.find(key, ("smartinput", text))


@pytest.fixture(scope="module")
def captured(shared_database: Database) -> Database:
    """The database with a call of two legs, a registration, and what is no SIP."""
    asyncio.run(_fill(shared_database))
    return shared_database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a module share a loop, as they share the application."""
    for item in items:
        if item.path.parent == FOLDER and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def homer(captured: Database) -> AsyncIterator[Homer]:
    """Who asks; the application has no state that tests change."""
    app = create_app(load_settings(captured, SIP_CUSTOM_HEADERS='["X-Tenant"]'))
    async with TestClient(TestServer(app)) as client:
        yield Homer(client)


async def _fill(database: Database) -> None:
    ingests = Ingests(database)
    try:
        ingesting = await ingests.open()
        await ingesting.store([*CALL.messages, *REGISTRATION.messages])
        await ingesting.write()
    finally:
        await ingests.close()
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await store(connection, list(_others()))
        await statistics.count(connection, CALL.begins, Peers([]))
        await connection.execute(
            'UPDATE sip_message_other SET headers = \'{"X-Tenant": "7"}\'::jsonb'
        )


def _others() -> Iterator[bytes]:
    yield packet(request("OPTIONS", "options@x", body=b"\xc3\xa9\xff"), at=START + 30)
    for number, (type_, payload) in enumerate(
        (
            (TYPE_LOG, LOG_LINE),
            (TYPE_RTCP, quality_json.ASTERISK_SR),
            (34, quality_json.RTPAGENT),
            (35, quality_json.VQ_SESSION_REPORT),
        )
    ):
        yield packet(
            *(payload,),
            at=START + 5 + number,
            type=type_,
            correlation_id=A.encode(),
            node_name=b"media",
            src_port=10_000,
        )
