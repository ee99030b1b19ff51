# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over TCP: accepts connections and appends their packets to the journal.

A stream can wait, so nothing is dropped here: when the journal has no room, reading pauses and TCP
makes the sender wait.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from typing import Final

from collector.causes import Cause
from collector.framing import Framer
from collector.journal import record
from collector.journal.record import Transport
from collector.journal.writer import Writer
from collector.log import LOGGER, LimitedLog
from collector.settings import Settings
from collector.settings.endpoint import Endpoint, parse_endpoint

RETRY_S: Final = 0.1
"""Pause before a packet is offered to a full journal again."""


class Listener:
    """The TCP sockets of one process."""

    def __init__(self, settings: Settings, writer: Writer) -> None:
        self._settings = settings.hep
        self.writer = writer
        self.limited = LimitedLog()
        self.connections: set[Connection] = set()

    async def serve(self, endpoints: list[Endpoint], stop: asyncio.Event) -> None:
        """Listen until ``stop``. Raises OSError that names the address if a port is taken."""
        loop = asyncio.get_running_loop()
        servers = []
        try:
            for endpoint in endpoints:
                servers.append(
                    await loop.create_server(lambda: Connection(self), endpoint.host, endpoint.port)
                )
                LOGGER.info("HEP on %s", endpoint)
            await stop.wait()
        finally:
            for server in servers:
                server.close()
            for connection in list(self.connections):
                connection.abandon()

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more connection."""
        if len(self.connections) >= self._settings.max_connections:
            self.limited.warn(
                "connections", f"{connection.peer} refused: hep.max_connections is reached"
            )
            return False
        self.connections.add(connection)
        return True

    @property
    def idle_timeout(self) -> float:
        """Seconds of silence after which a connection is closed."""
        return self._settings.idle_timeout


class Connection(asyncio.Protocol):
    """One sender."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._framer = Framer()
        self._pending: deque[bytes] = deque()
        self._transport: asyncio.Transport | None = None
        self._address = bytes(16)
        self._port = 0
        self.peer = ""
        self._last_data = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who it is; refuse when there are too many."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        host, self._port = transport.get_extra_info("peername")[:2]
        self._address = record.pack_address(host)
        self.peer = f"{host}:{self._port}"
        if self._listener.admit(self):
            self._last_data = asyncio.get_running_loop().time()
            self._close_if_idle()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Journal every packet that is complete; close once, with a reason, at a bad frame."""
        self._last_data = asyncio.get_running_loop().time()
        self._pending.extend(self._framer.feed(data))
        self._drain()

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget it. What the sender began and did not finish was never a packet."""
        self._transport = None
        if not self._pending:
            self._listener.connections.discard(self)

    def abandon(self) -> None:
        """Close the connection at the end of the process; what found no room is counted."""
        if self._transport:
            self._transport.close()
        for _ in self._pending:
            self._listener.writer.drop(Cause.JOURNAL_FULL)
        self._pending.clear()

    def _drain(self) -> None:
        writer = self._listener.writer
        while self._pending:
            if not writer.offer(self._pending[0], self._address, self._port, Transport.TCP):
                self._wait_for_room()
                return
            self._pending.popleft()
        if self._framer.error is not None:
            writer.drop(self._framer.error)
            self._listener.limited.warn(
                f"frame {self.peer.rpartition(':')[0]}",
                f"{self.peer} closed: {self._framer.error.help}",
            )
            if self._transport:
                self._transport.close()

    def _wait_for_room(self) -> None:
        self._listener.limited.warn("room", f"HEP/TCP waits: {self._listener.writer.last_error}")
        if self._transport:
            self._transport.pause_reading()
        asyncio.get_running_loop().call_later(RETRY_S, self._resume)

    def _resume(self) -> None:
        self._drain()
        if self._pending:
            return
        if self._transport is None:
            self._listener.connections.discard(self)
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def _close_if_idle(self) -> None:
        if self._transport is None:
            return
        loop = asyncio.get_running_loop()
        silent = loop.time() - self._last_data
        left = self._listener.idle_timeout - silent
        if left > 0:
            loop.call_later(left, self._close_if_idle)
        else:
            self._transport.close()


def run(settings: Settings, writer: Writer) -> None:
    """Serve the TCP endpoints of ``hep.listen`` until SIGTERM or SIGINT."""

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        endpoints = [parse_endpoint(listen) for listen in settings.hep.listen]
        tcp = [endpoint for endpoint in endpoints if endpoint.protocol == "tcp"]
        await Listener(settings, writer).serve(tcp, stop)

    asyncio.run(serve())
    writer.close()
