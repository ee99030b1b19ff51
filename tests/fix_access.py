# SPDX-License-Identifier: GPL-2.0-or-later
"""The web API with sign-in, users of every role, and people who use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.settings import Settings
from tests.fix_api import Answer, load_settings
from tests.fix_database import Database
from webapi.access.gate import GATE
from webapi.access.passwords import Cost, Passwords
from webapi.access.roles import Role
from webapi.app import create_app

PASSWORD: Final = "correct horse battery"
HOST: Final = "127.0.0.1:9080"
CHEAP: Final = Cost(memory_kib=8, passes=1)
"""The least that argon2id allows; what a hash costs in earnest is shown by test_passwords."""
CHEAP_FORM: Final = "$argon2id$v=19$m=8,t=1,p=1"
"""How its hashes begin."""
Client = TestClient[Request, Application]


class Person:
    """Somebody with a browser: keeps the cookie that sign-in sets, and the CSRF token."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.cookie = ""
        """As ``name=value``."""
        self.csrf = ""
        self.headers: Mapping[str, str] = {}
        self.set_cookies: list[str] = []
        """Of the last answer, both."""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> Answer:
        """One request with what a page of ours sends; ``headers`` replace, None leaves one out."""
        sent: dict[str, str | None] = {
            "Host": HOST,
            "Cookie": self.cookie or None,
            "X-CSRF-Token": self.csrf or None,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        answer = await self._client.request(
            method,
            path,
            json=body,
            headers={name: value for name, value in sent.items() if value is not None},
        )
        self.headers = dict(answer.headers)
        self.set_cookies = answer.headers.getall("Set-Cookie", [])
        is_json = answer.content_type == "application/json"
        return Answer(answer.status, await answer.json() if is_json else None)

    async def sign_in(self, username: str, password: str = PASSWORD, **headers: str) -> Answer:
        """Keeps what a right answer brings."""
        body = {"username": username, "password": password}
        answer = await self.ask("POST", "/api/v1/sign-in", body, **headers)
        if answer.status == 200:
            self.csrf = answer.json["csrf_token"]
            self.cookie = self.set_cookies[0].partition(";")[0]
        return answer


class Site(NamedTuple):
    """A web API with sign-in."""

    client: Client
    database: Database

    def person(self) -> Person:
        """Somebody who has not signed in yet."""
        return Person(self.client)

    async def signed_in(self, username: str) -> Person:
        """One of the users, who has."""
        found = Person(self.client)
        assert (await found.sign_in(username)).status == 200
        return found

    async def token(self, username: str, *scopes: str, **fields: Any) -> str:
        """A new API token of the user."""
        person = await self.signed_in(username)
        body = {"name": "a test", "scopes": list(scopes), **fields}
        answer = await person.ask("POST", "/api/v1/tokens", body)
        assert answer.status == 201, answer
        return str(answer.json["token"])


def verifies(stored: str, password: str) -> bool:
    """Whether it is the password of this hash."""
    subject = Passwords()
    try:
        return asyncio.run(subject.verify(stored, password))
    finally:
        subject.close()


def cheap_app(settings: Settings) -> Application:
    """One that spends no time on passwords."""
    app = create_app(settings)
    gate = app[GATE]
    gate.passwords.close()
    gate.passwords = Passwords(cost=CHEAP)
    return app


OpenSite = Callable[..., Awaitable[Site]]


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Of ``PASSWORD``, for apps of ``cheap_app``."""

    async def made() -> str:
        passwords = Passwords(cost=CHEAP)
        try:
            return await passwords.hash(PASSWORD)
        finally:
            passwords.close()

    return asyncio.run(made())


@pytest.fixture
async def open_site(
    database: Database, connection: AsyncConnection[TupleRow], password_hash: str
) -> AsyncIterator[OpenSite]:
    """Opens a site with a user of each role, named like it, and with settings of the test's."""
    for role in Role:
        await connection.execute(
            "INSERT INTO web_user (username, password_hash, role) VALUES (%s, %s, %s)",
            (role.value, password_hash, role.value),
        )
    opened: list[Client] = []

    async def open_one(**environment: str) -> Site:
        settings = load_settings(database, **{"WEB_SIGN_IN": "internal", **environment})
        client: Client = TestClient(TestServer(cheap_app(settings)), cookie_jar=DummyCookieJar())
        await client.start_server()
        opened.append(client)
        return Site(client, database)

    yield open_one
    for client in opened:
        await client.close()


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    """One with the settings that everybody begins with."""
    return await open_site()
