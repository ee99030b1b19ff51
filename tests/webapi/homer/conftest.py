# SPDX-License-Identifier: GPL-2.0-or-later
"""Users of every role, stored once for a module, and clients that speak as HOMER's do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import psycopg
import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_access import HOST, PASSWORD, Client
from tests.fix_api import Answer, load_settings
from tests.fix_database import Database
from webapi.access import users
from webapi.access.gate import GATE
from webapi.access.principal import Client as Origin
from webapi.access.roles import Role
from webapi.app import create_app
from webapi.context import CONTEXT
from webapi.homer import guid
from webapi.homer.guid import Kind


class Ui:
    """HOMER's user interface in somebody's browser: keeps the token that sign-in brings."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.token = ""
        self.guid = ""
        self.headers: dict[str, str] = {}
        """Of the last answer."""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request below /api/v3; ``headers`` are more of them."""
        sent = {"Host": HOST} | {name.replace("_", "-"): text for name, text in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        answer = await self._client.request(method, f"/api/v3/{path}", json=body, headers=sent)
        self.headers = dict(answer.headers)
        is_json = answer.content_type == "application/json"
        return Answer(answer.status, await answer.json() if is_json else await answer.read())

    async def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST."""
        return await self.ask("POST", path, body, **headers)

    async def put(self, path: str, body: Any) -> Answer:
        """PUT."""
        return await self.ask("PUT", path, body)

    async def delete(self, path: str) -> Answer:
        """DELETE."""
        return await self.ask("DELETE", path)

    async def sign_in(self, username: str, password: str = PASSWORD) -> Answer:
        """Keeps what a right answer brings."""
        given = {"username": username, "password": password, "type": "internal"}
        answer = await self.post("auth", given)
        if answer.status == 201:
            self.token, self.guid = answer.json["token"], answer.json["scope"]
        return answer


OpenHomer = Callable[..., Awaitable["Homer"]]


class Homer:
    """A web API with a user of each role, named like it."""

    def __init__(self, client: Client, database: Database) -> None:
        self.client = client
        self.database = database

    def ui(self) -> Ui:
        """Of somebody who has not signed in."""
        return Ui(self.client)

    async def signed_in(self, username: str) -> Ui:
        """Of one of the users, who has: with a token as sign-in issues it, without the time that
        checking a password takes."""
        app = self.client.app
        assert app is not None
        user = await users.by_name(app[CONTEXT], username)
        assert user is not None
        found = Ui(self.client)
        found.guid = guid.of(Kind.USER, user.id)
        here = Origin(ip_address("127.0.0.1"), secure=False, here=True)
        async with app[CONTEXT].change() as connection:
            found.token = await app[GATE].json_web_tokens.issue(connection, user, here, "a test")
        return found


@pytest.fixture(scope="module")
def peopled(shared_database: Database, password_hash: str) -> Database:
    """The module's database with the users."""
    with psycopg.connect(shared_database.dsn, autocommit=True) as connection:
        for role in Role:
            connection.execute(
                "INSERT INTO web_user (username, password_hash, role, email, full_name)"
                " VALUES (%s, %s, %s, %s, %s)",
                (role, password_hash, role, f"{role}@example.com", f"{role.title()} O'Hara"),
            )
    return shared_database


@pytest.fixture
async def writer(peopled: Database) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """A writer's connection to it."""
    async with await AsyncConnection.connect(peopled.dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
async def open_homer(peopled: Database) -> AsyncIterator[OpenHomer]:
    """Opens a site with settings of the test's; each is a process of its own, as it were."""
    opened: list[Client] = []

    async def open_one(**environment: str) -> Homer:
        settings = load_settings(peopled, **{"WEB_SIGN_IN": "internal", **environment})
        client: Client = TestClient(TestServer(create_app(settings)), cookie_jar=DummyCookieJar())
        await client.start_server()
        opened.append(client)
        return Homer(client, peopled)

    yield open_one
    for client in opened:
        await client.close()


@pytest.fixture
async def homer(open_homer: OpenHomer) -> Homer:
    """One with the settings that everybody begins with."""
    return await open_homer()


@pytest.fixture
async def admin(homer: Homer) -> Ui:
    """Signed in."""
    return await homer.signed_in("admin")


@pytest.fixture
async def user(homer: Homer) -> Ui:
    """Signed in, with the least rights."""
    return await homer.signed_in("user")
