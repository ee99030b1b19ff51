# SPDX-License-Identifier: GPL-2.0-or-later
"""The listener on free ports, with a journal, and certificates for its TLS sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from collector.admission import refused
from collector.admission.door import rate_table
from collector.causes import Cause
from collector.journal import record, segment
from collector.journal.counters import Counters, cause_counts
from collector.journal.record import Record
from collector.journal.writer import Writer
from collector.listener import Listener, make_intake
from collector.listener.connection import Connection
from collector.settings import load
from collector.settings.endpoint import STREAMS, Endpoint
from stack import certificate
from stack.certificate import Certificate
from stack.ports import free_port
from tests.fix_journal import OpenWriter

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE_S = 20


class Server:
    """A running listener; ``ports`` by protocol."""

    def __init__(self, journal: Path, writer: Writer, protocols: tuple[str, ...]) -> None:
        self.journal = journal
        self.writer = writer
        self.ports = {protocol: free_port() for protocol in protocols}
        self.listener: Listener
        self._clients: list[asyncio.StreamWriter] = []
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None]

    async def start(self, environment: dict[str, str]) -> None:
        """Start it with settings from these variables; then it listens."""
        settings = load(None, environment)
        intake = make_intake(settings, self.writer, rate_table(settings.senders))
        self.listener = Listener(settings, intake)
        endpoints = [Endpoint(name, "127.0.0.1", port) for name, port in self.ports.items()]
        self._task = asyncio.create_task(self.listener.serve(endpoints, self._stop))
        await asyncio.sleep(0)

    async def connect(
        self, protocol: str = "tcp", *, tls: ssl.SSLContext | None = None, **options: Any
    ) -> Streams:
        """A plain or encrypted connection to it; closed at the end unless the test does."""
        port = self.ports[protocol]
        streams = await asyncio.open_connection("127.0.0.1", port, ssl=tls, **options)
        self._clients.append(streams[1])
        return streams

    @property
    def connections(self) -> set[Connection]:
        """Those that it serves at the moment."""
        return self.listener.connections

    def causes(self) -> dict[Cause, int]:
        """What it counted beside what it journaled."""
        counters = Counters(self.journal)
        found = cause_counts(counters.slot(self.writer.slot))
        counters.close()
        return found

    def refused(self) -> dict[tuple[str, Cause], int]:
        """What it counted by peer."""
        found = refused.read(self.journal)
        return {(record.format_address(one.peer), one.cause): one.packets for one in found}

    def records(self) -> list[Record]:
        """Everything in the journal, in order."""
        found = []
        for directory in segment.slot_directories(self.journal):
            for item in segment.in_slot(directory):
                data = item.path.read_bytes()
                offset = segment.HEADER_BYTES
                while (entry := record.unpack(data, offset)) is not None:
                    found.append(entry)
                    offset = entry.end
        return found

    async def journaled(self, count: int) -> list[Record]:
        """Wait for so many packets."""
        await until(lambda: len(self.records()) >= count)
        return self.records()

    async def end(self) -> None:
        """Stop as after SIGTERM."""
        for client in self._clients:
            client.transport.abort()
        self._stop.set()
        await self._task


class StartListener(Protocol):
    """Starts listeners on the test's journal."""

    async def __call__(
        self, *protocols: str, writer: dict[str, Any] | None = None, **settings: object
    ) -> Server:
        """``settings`` by the name of their variable, as HEP_IDLE_TIMEOUT; ``writer`` as for
        ``open_writer``.
        """


@pytest.fixture
async def start_listener(
    journal: Path, open_writer: OpenWriter, certificates: Certificates
) -> AsyncIterator[StartListener]:
    """Listeners that are stopped at the end of the test."""
    servers: list[Server] = []

    async def start(
        *protocols: str, writer: dict[str, Any] | None = None, **settings: object
    ) -> Server:
        server = Server(journal, open_writer(**writer or {}), protocols or STREAMS)
        values: dict[str, object] = {
            "CONFIG": "/dev/null",
            "JOURNAL_DIRECTORY": journal,
            "TLS_CERTIFICATE": certificates.server.certificate,
            "TLS_KEY": certificates.server.key,
        }
        environment = {f"KEMISCOPE_{name}": str(v) for name, v in (values | settings).items()}
        await server.start(environment)
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.end()


class Certificates(NamedTuple):
    """Made once, for all tests."""

    ca: Certificate
    server: Certificate
    client: Certificate
    """Both issued by ``ca``."""
    stranger: Certificate
    """Issued by nobody that we know."""

    def trusting(self, client: Certificate | None = None) -> ssl.SSLContext:
        """For a client that checks the server, and may show a certificate of its own."""
        context = ssl.create_default_context(cafile=str(self.ca.certificate))
        if client:
            context.load_cert_chain(*map(str, client))
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, what it has issued, and a stranger."""
    directory = tmp_path_factory.mktemp("certificates")
    ca = certificate.make(directory, "ca")
    return Certificates(
        ca,
        certificate.make(directory, "server", issuer=ca),
        certificate.make(directory, "client", issuer=ca),
        certificate.make(directory, "stranger"),
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.001)


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """What the peer still sent before it closed the connection, with or without a reset."""
    data = b""
    async with asyncio.timeout(PATIENCE_S):
        try:
            while part := await reader.read(65_536):
                data += part
        except ConnectionError:
            pass
    return data
