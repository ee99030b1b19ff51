# SPDX-License-Identifier: GPL-2.0-or-later
"""Live streams and their clients: slow ones, gone ones, too many, and a database that is away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from stack.postgres import Cluster
from tests.fix_api import store
from tests.fix_database import Database
from tests.fix_live import HOST, Serve, Service, message
from tests.sip_text import packet, request
from webapi.live import group, handlers, listener, poller

Connection = AsyncConnection[TupleRow]


@asynccontextmanager
async def _idle_client(service: Service) -> AsyncIterator[socket.socket]:
    """A client that has asked for messages with all they have, and reads nothing of itself."""
    url = service.client.make_url("/")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (url.host or "", url.port or 0))
        head = "".join(f"{name}: {value}\r\n" for name, value in HOST.items())
        text = f"GET /api/v1/live/messages?raw=true HTTP/1.1\r\n{head}\r\n"
        await loop.sock_sendall(client, text.encode())
        yield client


async def _read_all(client: socket.socket) -> bytes:
    """What there is up to the end of the connection."""
    received = bytearray()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        while chunk := await loop.sock_recv(client, 1 << 16):
            received += chunk
    return bytes(received)


async def test_a_slow_client_is_dropped_and_told(
    serve: Serve, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is bounded; another client gets everything meanwhile."""
    monkeypatch.setattr(listener, "MAX_WAITING", 2 << 20)
    monkeypatch.setattr(group, "MAX_BATCH", 1 << 20)
    service = await serve()
    large = [packet(request(call_id="large@x", body=b"x" * 50_000))] * 18
    async with service.open() as quick:
        async with _idle_client(service) as slow:
            await service.wait_for(2)
            (slow_one,) = [one for one in service.live.listeners if one.filters.payload]
            while not slow_one.dropped:
                await store(connection, [packet(request(body=b"x" * 50_000)) for _ in large])
                await quick.cseqs(len(large))
                assert slow_one.waiting <= listener.MAX_WAITING
            assert slow_one.waiting == 0
            assert b"event: dropped\n" in await _read_all(slow)
        await service.wait_for(1)


async def test_a_client_that_takes_nothing_is_cut_off(
    serve: Serve, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be told anything; nothing of it stays."""
    monkeypatch.setattr(handlers, "STALL_S", 0.5)
    service = await serve()
    async with service.open() as quick, _idle_client(service):
        await service.wait_for(2)
        while len(service.live.listeners) == 2:
            await store(connection, [packet(request(body=b"x" * 60_000)) for _ in range(40)])
            await quick.cseqs(40)


async def test_nothing_is_read_when_the_last_client_has_gone(
    serve: Serve, connection: Connection
) -> None:
    """And the next one finds everything as the first one did."""
    service = await serve()
    async with service.open("calls"), service.open():
        assert len(service.live.listeners) == 2
    await service.wait_for(0)
    found = await connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' "
        "AND application_name = 'kemiscope webapi' AND datname = current_database()"
    )
    assert await found.fetchone() == (0,)
    async with service.open() as stream:
        await store(connection, [message(1)])
        assert await stream.cseqs(1) == [1]


async def test_more_clients_than_allowed_are_refused(serve: Serve) -> None:
    """Both kinds together; one that goes makes room."""
    service = await serve(WEB_LIVE_CLIENTS="2")
    async with service.open():
        async with service.open("calls"):
            answer = await service.get("messages")
            assert (answer.status, answer.json["error"]["code"]) == (503, "too_many_live_clients")
        await service.wait_for(1)
        async with service.open():
            pass


@pytest.mark.parametrize("stream", ["calls", "messages"])
async def test_a_database_that_is_away_is_said_and_nothing_is_lost(
    serve: Serve, cluster: Cluster, database: Database, stream: str
) -> None:
    """The same stream goes on when it is back, with what was stored before it could be read."""
    service = await serve(DATABASE_CONNECT_TIMEOUT="1")
    name = sql.Identifier(str(conninfo_to_dict(database.dsn)["dbname"]))
    async with service.open(stream) as opened:
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as writer:
            _shut(cluster, name)
            (event,) = await opened.until("unavailable")
            assert event.data["code"] == "database_unavailable"
            await store(writer, [message(1)])
        _open(cluster, name)
        events = await opened.until("ready")
    assert [event.name for event in events] == ["message"] * (stream == "messages") + ["ready"]


def _shut(cluster: Cluster, name: sql.Identifier) -> None:
    """Nobody can connect any more, and those of the web API are cut off."""
    with psycopg.connect(cluster.dsn("kemiscope_admin"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("REVOKE CONNECT ON DATABASE {} FROM kemiscope_reader, public").format(name)
        )
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'kemiscope webapi'"
        )


def _open(cluster: Cluster, name: sql.Identifier) -> None:
    with psycopg.connect(cluster.dsn("kemiscope_admin"), autocommit=True) as admin:
        admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO public").format(name))


async def test_a_quiet_stream_shows_that_it_lives(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments, which also move the id on: a client can come again from where it is."""
    monkeypatch.setattr(poller, "KEEP_ALIVE_S", 0.1)
    service = await serve()
    async with service.open() as stream:
        ready = stream.last_id
        service_ends = asyncio.create_task(stream.until("never"))
        while stream.comments < 3:  # noqa: ASYNC110 (comments are no events)
            await asyncio.sleep(0.02)
        assert stream.last_id not in ("", ready)
        service.live.ended = True
        with pytest.raises(EOFError):
            await service_ends


async def test_a_stream_ends_after_its_lifetime(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the client may have it is asked anew when it comes again."""
    monkeypatch.setattr(handlers, "LIFETIME_S", 0.0)
    service = await serve()
    async with service.connect() as stream:
        with pytest.raises(EOFError):
            await stream.until("never")
    await service.wait_for(0)
