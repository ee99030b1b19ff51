# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP or TLS connection that knows how many bytes the other side has not acknowledged.

asyncio's own streams keep bytes in buffers that cannot be counted, above all with TLS; here every
byte is in the kernel when ``send`` returns.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import ssl
import struct
import termios
from contextlib import suppress
from typing import Final

from collector.settings.endpoint import Endpoint

CONNECT_S: Final = 10.0
"""For address, connection and TLS handshake together."""
DEAD_S: Final = 30
"""A peer that acknowledges nothing for this long is given up."""
_READ_BYTES: Final = 64 << 10


class Stream:
    """One connection to a target; made by ``connect``."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext | None, host: str) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = (
            context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
            if context
            else None
        )

    @classmethod
    async def connect(cls, target: Endpoint, context: ssl.SSLContext | None) -> Stream:
        """Connect to the first address that answers; raises OSError or TimeoutError."""
        async with asyncio.timeout(CONNECT_S):
            connected = await _connect(target)
            try:
                stream = cls(connected, context, target.host)
                await stream._handshake()
            except BaseException:
                connected.close()
                raise
            return stream

    async def send(self, data: bytes) -> None:
        """Hand all of it to the kernel; raises OSError when the connection is broken."""
        if self._tls is None:
            await self._loop.sock_sendall(self._socket, data)
        else:
            self._tls.write(data)
            await self._flush()

    async def watch(self) -> None:
        """Read until the target closes the connection, then raise ConnectionError.

        Nothing is expected from it, but TLS needs to be listened to.
        """
        while data := await self._loop.sock_recv(self._socket, _READ_BYTES):
            if self._tls is not None:
                self._incoming.write(data)
                with suppress(ssl.SSLWantReadError):
                    while self._tls.read(_READ_BYTES):
                        pass
                await self._flush()
        message = "the target closed the connection"
        raise ConnectionError(message)

    def unacknowledged(self) -> int:
        """Bytes in the kernel that the other side's kernel has not acknowledged (SIOCOUTQ).

        With TLS these are encrypted bytes, so fewer of the sender's own are in doubt.
        """
        answer = fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", answer)[0])

    def close(self) -> None:
        """Close the connection; what the kernel has is still sent."""
        if self._tls is not None:
            with suppress(OSError):
                self._tls.unwrap()
            with suppress(OSError):
                self._socket.send(self._outgoing.read())
        self._socket.close()

    async def _handshake(self) -> None:
        while self._tls is not None:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._loop.sock_recv(self._socket, _READ_BYTES)
                if not data:
                    message = "the target closed the connection during the TLS handshake"
                    raise ConnectionError(message) from None
                self._incoming.write(data)
            else:
                await self._flush()
                return

    async def _flush(self) -> None:
        async with self._lock:
            while self._outgoing.pending:
                await self._loop.sock_sendall(self._socket, self._outgoing.read())


async def _connect(target: Endpoint) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        fresh = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fresh.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_S // 3)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, DEAD_S // 3)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * DEAD_S)
            await loop.sock_connect(fresh, address)
        except OSError as error:
            fresh.close()
            failure = error
        except BaseException:
            fresh.close()
            raise
        else:
            return fresh
    raise failure or OSError(f"{target.host} has no address")


def tls_context(*, ca: str, verify: bool, certificate: str) -> ssl.SSLContext:
    """A client's context; paths of PEM files, empty for none. Raises OSError for a bad file."""
    context = ssl.create_default_context(cafile=ca or None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate)
    return context
