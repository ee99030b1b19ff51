# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP and HTTPS side by side: the certificate, the cookie over TLS, names of the host."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.errors import SettingsError
from stack import certificate
from stack.certificate import Certificate
from stack.ports import free_port
from tests.fix_access import PASSWORD
from tests.fix_api import load_settings
from tests.fix_database import Database
from webapi import listen
from webapi.app import create_app

pytestmark = pytest.mark.one_database

SIGN_IN = "/api/v1/sign-in"


class Served:
    """A service with both sockets."""

    def __init__(self, files: Certificate) -> None:
        self.files = files
        self.plain = f"127.0.0.1:{free_port()}"
        self.tls = f"127.0.0.1:{free_port()}"

    @asynccontextmanager
    async def running(self, database: Database, **environment: str) -> AsyncIterator[ClientSession]:
        """A client that trusts the certificate."""
        settings = load_settings(
            database,
            WEB_SIGN_IN="internal",
            WEB_LISTEN=self.plain,
            WEB_TLS_LISTEN=self.tls,
            WEB_CERTIFICATE=str(self.files.certificate),
            WEB_KEY=str(self.files.key),
            **environment,
        )
        stop = asyncio.Event()
        serving = asyncio.create_task(listen.serve(create_app(settings), settings, stop))
        try:
            await _wait(self.tls, serving)
            async with ClientSession(cookie_jar=DummyCookieJar()) as session:
                yield session
        finally:
            stop.set()
            await serving

    def trust(self) -> ssl.SSLContext:
        """What a browser that knows the certificate has."""
        return ssl.create_default_context(cafile=str(self.files.certificate))


async def _wait(address: str, serving: asyncio.Task[None]) -> None:
    host, _, port = address.rpartition(":")
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
    serving.result()


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """With a certificate of its own."""
    return Served(certificate.make(tmp_path, "web"))


async def test_over_tls_the_cookie_is_for_this_host_and_tls_only(
    served: Served,
    database: Database,
    connection: AsyncConnection[TupleRow],
    password_hash: str,
) -> None:
    """With the prefix __Host-; over plain HTTP another name, and neither works at the other."""
    await connection.execute(
        "INSERT INTO web_user (username, password_hash, role) VALUES ('anna', %s, 'user')",
        (password_hash,),
    )
    body = {"username": "anna", "password": PASSWORD}
    async with served.running(database) as session:
        tls: dict[str, Any] = {"ssl": served.trust()}
        answer = await session.post(f"https://{served.tls}{SIGN_IN}", json=body, **tls)
        assert answer.status == 200
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-kemiscope_session=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        headers = {"Cookie": cookie.partition(";")[0]}
        answer = await session.get(f"https://{served.tls}/api/v1/me", headers=headers, **tls)
        assert answer.status == 200
        answer = await session.get(f"http://{served.plain}/api/v1/me", headers=headers)
        assert answer.status == 401
        answer = await session.post(f"http://{served.plain}{SIGN_IN}", json=body)
        assert answer.headers["Set-Cookie"].startswith("kemiscope_session=")


async def test_a_new_certificate_needs_no_restart(served: Served, database: Database) -> None:
    """The next connection gets it, with a name or without."""
    async with served.running(database):
        host, _, port = served.tls.rpartition(":")

        def shown(name: str | None) -> bytes | None:
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
            with (
                socket.create_connection((host, int(port))) as plain,
                trust.wrap_socket(plain, server_hostname=name) as connection,
            ):
                return connection.getpeercert(binary_form=True)

        before = await asyncio.to_thread(shown, "localhost")
        other = certificate.make(served.files.certificate.parent / "new", "other")
        served.files.key.write_bytes(other.key.read_bytes())
        served.files.certificate.write_bytes(other.certificate.read_bytes())
        wanted = ssl.PEM_cert_to_DER_cert(other.certificate.read_text())
        assert before != wanted
        assert await asyncio.to_thread(shown, "localhost") == wanted
        assert await asyncio.to_thread(shown, None) == wanted


async def test_a_certificate_that_cannot_be_used_stops_the_start(
    served: Served, database: Database
) -> None:
    """With the name of the setting and the file."""
    served.files.key.write_text("no key")
    with pytest.raises(SettingsError, match=r"web\.certificate .*web\.pem and web\.key .*web\.key"):
        async with served.running(database):
            pass


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("sip.example.com", 401),
        ("SIP.example.com:9443", 401),
        ("localhost:1", 401),
        ("127.0.0.1", 401),
        ("evil.example", 403),
        ("sip.example.com.evil.example", 403),
        ("192.0.2.1", 403),
        ("[::1]", 403),
        ("", 403),
    ],
)
async def test_names_of_the_host(
    served: Served, database: Database, host: str, status: int
) -> None:
    """Those of web.hosts, and the address that was asked; a port says nothing of a name."""
    async with served.running(database, WEB_HOSTS="sip.example.com") as session:
        url = f"http://{served.plain}/api/v1/me"
        answer = await session.get(url, headers={"Host": host})
        assert answer.status == status
