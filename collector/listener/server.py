# SPDX-License-Identifier: GPL-2.0-or-later
"""The stream sockets of the capture node: who connects is let in or refused, and watched."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collector.admission.door import Door
from collector.admission.rate import RateTable
from collector.admission.refused import RefusedPeers
from collector.causes import Cause
from collector.journal.record import Transport
from collector.journal.writer import Writer
from collector.listener.connection import CLOSE_S, Connection
from collector.listener.intake import Intake, JournalIntake, Peer
from collector.listener.tls import ServerContext
from collector.listener.websocket import WebSocketConnection
from collector.log import LOGGER
from collector.settings import Settings
from collector.settings.endpoint import ENCRYPTED, Endpoint, parse_endpoint
from collector.watchdog import beat

BACKLOG: Final = 1024
"""Connections that the kernel keeps until they are accepted; it may allow fewer."""
CHECK_INTERVAL_S: Final = 0.5
"""How exactly the times of a connection are kept."""
ACCEPT_PAUSE_S: Final = 1.0
"""After a connection could not be accepted, for want of file descriptors for example."""
_OTHER_FILES: Final = 256
_RESET: Final = struct.pack("ii", 1, 0)
_TRANSPORTS: Final = {
    "tcp": Transport.TCP,
    "tls": Transport.TLS,
    "ws": Transport.WS,
    "wss": Transport.WS,
}


class Listener:
    """The stream sockets of one process."""

    def __init__(self, settings: Settings, intake: Intake) -> None:
        """Raises SettingsError if the TLS files cannot be used."""
        self._settings = settings.hep
        self._tls = ServerContext(settings.tls) if settings.tls.certificate else None
        self._intake = intake
        self.connections: set[Connection] = set()
        self._peers: Counter[bytes] = Counter()
        self._handshakes: set[asyncio.Task[None]] = set()

    async def serve(self, endpoints: list[Endpoint], stop: asyncio.Event) -> None:
        """Listen until ``stop``. Raises OSError that names the address if a port is taken."""
        sockets: list[tuple[socket.socket, Endpoint]] = []
        try:
            for endpoint in endpoints:
                sockets.append((listen(endpoint), endpoint))
                LOGGER.info("HEP on %s", endpoint)
            await self.accept(sockets, stop)
        finally:
            for opened, _ in sockets:
                opened.close()

    async def accept(
        self, sockets: Sequence[tuple[socket.socket, Endpoint]], stop: asyncio.Event
    ) -> None:
        """Serve who connects to these sockets, which ``listen`` made, until ``stop``."""
        tasks: list[asyncio.Task[None]] = [asyncio.create_task(self._check_connections())]
        tasks += [asyncio.create_task(self._accept(*one)) for one in sockets]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((stopping, *tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()  # they end by a fault only
        finally:
            stopping.cancel()
            tasks += self._handshakes
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for connection in list(self.connections):
                connection.abandon()
            await asyncio.sleep(0)  # what the connections still have to say

    async def _accept(self, listening: socket.socket, endpoint: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, name = await loop.sock_accept(listening)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._intake.limited.warn("accept", f"{endpoint}: cannot accept: {error}")
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            peer = Peer.of(name)
            cause = self._refuse(peer)
            if cause is None:
                self._begin(client, peer, endpoint)
            else:
                # Refused at once, and nothing of it stays in the kernel.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.close()
                self._intake.reject(peer, cause, f"refused: {cause.help}")

    def _refuse(self, peer: Peer) -> Cause | None:
        if not self._intake.door.allows(peer.address):
            return Cause.SENDER_NETWORK
        if (
            len(self.connections) >= self._settings.max_connections
            or self._peers[peer.address] >= self._settings.max_peer_connections
        ):
            return Cause.STREAM_LIMIT
        return None

    def _begin(self, client: socket.socket, peer: Peer, endpoint: Endpoint) -> None:
        kind = WebSocketConnection if endpoint.protocol in ("ws", "wss") else Connection
        transport = _TRANSPORTS[endpoint.protocol]
        connection = kind(self._intake, peer, transport, self._forget)
        self.connections.add(connection)
        self._peers[peer.address] += 1
        self._intake.opened()
        is_encrypted = endpoint.protocol in ENCRYPTED
        task = asyncio.create_task(self._connect(client, connection, is_encrypted=is_encrypted))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _connect(
        self, client: socket.socket, connection: Connection, *, is_encrypted: bool
    ) -> None:
        """Connect the socket to its protocol; with TLS, after the handshake."""
        times = {}
        context = None
        if is_encrypted and self._tls:
            context = self._tls.get()
            times = {
                "ssl_handshake_timeout": self._settings.handshake_timeout,
                "ssl_shutdown_timeout": CLOSE_S,
            }
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, client, ssl=context, **times
            )
        except (ssl.SSLError, ConnectionAbortedError) as error:
            self._intake.reject(
                connection.peer, Cause.STREAM_PROTOCOL, f"closed: no TLS handshake: {error}"
            )
            self._forget(connection)
        except OSError:
            # The peer closed the connection before it could have sent anything.
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        address = connection.peer.address
        self._peers[address] -= 1
        if not self._peers[address]:
            del self._peers[address]

    async def _check_connections(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            now = loop.time()
            for connection in list(self.connections):
                connection.check(now)
            if self._tls:
                self._tls.get()  # so that a file that cannot be used shows at once


def run(settings: Settings, writer: Writer, rates: RateTable | None = None) -> None:
    """Serve the stream endpoints of ``hep.listen`` until SIGTERM or SIGINT.

    ``rates`` is the table that the UDP workers use, too. Raises SettingsError if the TLS files
    cannot be used, and OSError that names the address if a port is taken.
    """

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        endpoints = [parse_endpoint(listen) for listen in settings.hep.listen]
        streams = [endpoint for endpoint in endpoints if endpoint.is_stream]
        beating = asyncio.create_task(beat(writer.counts))
        await Listener(settings, make_intake(settings, writer, rates)).serve(streams, stop)
        beating.cancel()

    allow_connections(settings)
    asyncio.run(serve())
    writer.close()


def make_intake(settings: Settings, writer: Writer, rates: RateTable | None = None) -> Intake:
    """The way into the journal of a capture node. Raises JournalError if it cannot be used."""
    door = Door(settings.senders.networks, rates)
    refused = RefusedPeers(Path(settings.journal.directory), writer.slot)
    return JournalIntake(settings.hep, writer, door, refused)


def listen(endpoint: Endpoint) -> socket.socket:
    """A socket at the endpoint. Raises OSError that names it."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        opened = socket.create_server(
            (endpoint.host, endpoint.port), family=family, backlog=BACKLOG
        )
    except OSError as error:
        message = f"{endpoint}: {error.strerror}"
        raise OSError(error.errno, message) from error
    opened.setblocking(False)
    return opened


def allow_connections(settings: Settings) -> None:
    """Have as many files open as ``hep.max_connections`` needs, if this process may."""
    _allow_files(settings.hep.max_connections + _OTHER_FILES)


def _allow_files(wanted: int) -> None:
    """Many systems allow 1,024 open files unless a program asks for more."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < wanted:
        most_allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_allowed, most))
        if most_allowed < wanted:
            LOGGER.warning(
                "this process may open %d files: hep.max_connections needs %d", most, wanted
            )
