# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of the live streams, over a real connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import orjson
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from tests.fix_api import Answer, load_settings
from tests.fix_database import Database
from tests.sip_text import packet, request
from webapi.app import create_app
from webapi.live import handlers, poller
from webapi.live.handlers import LIVE

_PATIENCE_S = 30.0
_LOOK_S = 0.1
"""Between two looks of a service at the database, and of its handlers at their clients."""
HOST = {"Host": "127.0.0.1:9080"}


class Event(NamedTuple):
    """One event as WHATWG HTML §9.2.6 makes it of lines."""

    name: str
    data: Any
    id: str
    """The last one that was given, by this event or before."""


class Stream:
    """An open stream."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.last_id = ""
        self.comments = 0

    async def next(self) -> Event:
        """The next event, comments and moved ids passed over. Raises EOFError at the end."""
        name, data = "message", ""
        async with asyncio.timeout(_PATIENCE_S):
            async for line in self.response.content:
                field, _, value = line.decode().rstrip("\n").partition(":")
                value = value.removeprefix(" ")
                if field == "event":
                    name = value
                elif field == "data":
                    data += value
                elif field == "id":
                    self.last_id = value
                elif not field and value:
                    self.comments += 1
                elif not field and data:
                    return Event(name, orjson.loads(data), self.last_id)
        raise EOFError

    async def until(self, name: str) -> list[Event]:
        """All events up to the first one of this name, which is the last."""
        events = [await self.next()]
        while events[-1].name != name:
            events.append(await self.next())
        return events

    async def cseqs(self, count: int) -> list[int]:
        """The CSeq numbers of the next messages."""
        found: list[int] = []
        while len(found) < count:
            event = await self.next()
            if event.name == "message":
                found.append(event.data["cseq"])
        return found


class Service:
    """The web API with live streams, over the test database."""

    def __init__(self, client: TestClient[Request, Application], app: Application) -> None:
        self.client = client
        self.live = app[LIVE]

    @asynccontextmanager
    async def open(
        self, stream: str = "messages", /, *, last_id: str = "", **parameters: str
    ) -> AsyncIterator[Stream]:
        """A stream that is ready: everything stored from now on is in it."""
        async with self.connect(stream, last_id=last_id, **parameters) as opened:
            if not last_id:
                await opened.until("ready")
            yield opened

    @asynccontextmanager
    async def connect(
        self, stream: str = "messages", /, *, last_id: str = "", **parameters: str
    ) -> AsyncIterator[Stream]:
        """A stream from its first event on."""
        headers = HOST | ({"Last-Event-ID": last_id} if last_id else {})
        async with self.client.get(
            f"/api/v1/live/{stream}", params=parameters, headers=headers
        ) as response:
            assert response.status == 200, await response.text()
            yield Stream(response)

    async def get(self, stream: str, /, **parameters: str) -> Answer:
        """The answer to a stream that does not begin."""
        path = f"/api/v1/live/{stream}"
        async with self.client.get(path, params=parameters, headers=HOST) as response:
            return Answer(response.status, await response.json())

    async def wait_for(self, listeners: int) -> None:
        """Until so many clients are left."""
        async with asyncio.timeout(_PATIENCE_S):
            while len(self.live.listeners) != listeners:  # noqa: ASYNC110 (nothing tells)
                await asyncio.sleep(0.02)


class Serve(Protocol):
    """Starts the web API."""

    async def __call__(self, **environment: str) -> Service:
        """``environment`` as for ``load_settings``."""


@pytest.fixture
async def serve(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """A factory of services that look often; they are stopped at the end."""
    monkeypatch.setattr(poller, "INTERVAL_S", _LOOK_S)
    monkeypatch.setattr(handlers, "_LOOK_S", _LOOK_S)
    clients: list[TestClient[Request, Application]] = []

    async def start(**environment: str) -> Service:
        app = create_app(load_settings(database, **environment))
        client = TestClient(TestServer(app))
        clients.append(client)
        await client.start_server()
        return Service(client, app)

    yield start
    for client in clients:
        await client.close()


def message(number: int, late_s: float = 0, method: str = "INVITE", **fields: Any) -> bytes:
    """A HEP packet captured ``late_s`` ago, its CSeq ``number``; ``fields`` as for ``packet``."""
    text = request(method, f"live-{number}@test", number=number)
    return packet(text, at=time.time() - late_s, **fields)
