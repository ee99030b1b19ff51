# SPDX-License-Identifier: GPL-2.0-or-later
"""The service over a loopback port and over a database with rows of every kind, for a module."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import psycopg
import pytest
import requests
from aiohttp import web
from psycopg import AsyncConnection

from collector.api_token import new_token
from collector.settings import Settings
from stack.ports import free_port
from tests import flow
from tests.fix_access import PASSWORD, cheap_app
from tests.fix_api import load_settings, store
from tests.fix_calls import Ingests
from tests.fix_database import Database
from tests.senders import SENDERS
from webapi.access.roles import NEEDS, SCOPES, Need, Role
from webapi.live import handlers as live

FLOWS: Final = ("b2bua-header", "busy", "registration-new", "hold")
ADMIN_ID: Final = 2_000_000_001
"""Far from the ids that are tried: nobody takes away from the users who ask."""


class Served(NamedTuple):
    """A running service."""

    url: str
    database: Database


class Asking:
    """Somebody with a session; another one when it has ended."""

    def __init__(self, served: Served, role: Role) -> None:
        self._url = served.url
        self._role = role
        self._session: requests.Session | None = None

    def session(self) -> requests.Session:
        """Signed in."""
        if self._session is None:
            self._session = requests.Session()
            who = {"username": self._role.value, "password": PASSWORD}
            answer = self._session.post(f"{self._url}/api/v1/sign-in", json=who, timeout=30)
            assert answer.status_code == 200, answer.text
            self._session.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
        return self._session

    def may(self, method: str, path: str) -> bool:
        """Whether the table of rights lets this person do it."""
        need = NEEDS[method.upper(), path]
        return isinstance(need, Need) or need in SCOPES[self._role]

    def sign_in_again(self) -> None:
        """Before the next request."""
        self._session = None


@pytest.fixture(scope="module")
def filled(shared_database: Database, password_hash: str) -> Database:
    """Calls, registrations, reports, events, and users: those who ask, and two who are asked
    about."""
    asyncio.run(_fill(shared_database))
    with psycopg.connect(shared_database.dsn) as connection:
        for number, role in enumerate(Role):
            connection.execute(
                "INSERT INTO web_user (id, username, password_hash, role)"
                " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s)",
                (ADMIN_ID + number, role.value, password_hash, role.value),
            )
        connection.execute(
            "INSERT INTO web_user (username, password_hash, role)"
            " VALUES ('anna', %(hash)s, 'user'), ('berta', %(hash)s, 'support')",
            {"hash": password_hash},
        )
    return shared_database


async def _fill(database: Database) -> None:
    begins = datetime.now(UTC) - timedelta(minutes=10)
    ingests = Ingests(database)
    ingesting = await ingests.open()
    for name in FLOWS:
        await ingesting.store(flow.load(name, begins=begins).messages)
    await ingesting.write()
    await ingests.close()
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await store(connection, [sender.packet for sender in SENDERS], process=1)


@pytest.fixture(scope="module")
def served(filled: Database) -> Iterator[Served]:
    """With limits that end nothing early: wrong passwords are what is tried here."""
    port = free_port()
    settings = load_settings(
        filled,
        WEB_SIGN_IN="internal",
        WEB_SIGN_IN_FAILURES="1000",
        WEB_LISTEN=f"127.0.0.1:{port}",
        # Nobody is there: rules are made all the same.
        TRACE_PROXIES=f"edge=http://127.0.0.1:{free_port()}",
        TRACE_TOKEN=new_token(),
        TRACE_REQUEST_TIMEOUT="1",
    )
    with pytest.MonkeyPatch.context() as patch, _running(settings, port):
        patch.setattr(live, "LIFETIME_S", 0.0)
        yield Served(f"http://127.0.0.1:{port}", filled)


@contextmanager
def _running(settings: Settings, port: int) -> Iterator[None]:
    """In a thread with a loop of its own: those who ask wait for its answers."""
    loop = asyncio.new_event_loop()
    started: Future[None] = Future()
    ended = asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(cheap_app(settings), access_log=None)
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            started.set_result(None)
            await ended.wait()
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            raise
        finally:
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        started.result(30)
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
