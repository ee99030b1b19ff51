# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP or TLS connection that knows which packets the other side has acknowledged.

asyncio's own streams keep bytes in buffers that cannot be counted, above all with TLS; here every
byte is in the kernel when ``drain`` returns.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Final

from collector import kernel
from collector.output.address import resolve
from collector.settings.endpoint import Endpoint

CONNECT_S: Final = 10.0
"""For address, connection and TLS handshake together."""
DEAD_S: Final = 30
"""A peer that acknowledges nothing for this long is given up."""
KEEPALIVE_S: Final = DEAD_S // 3
"""After so long without traffic the kernel asks whether the peer is there."""
_READ_BYTES: Final = 64 << 10
_TLS_RECORD_BYTES: Final = 16 << 10
"""Most bytes that TLS encrypts as one (RFC 8446 §5.1): only a whole one can be read."""
_TCP_CLOSE: Final = 7
"""A state in the first byte of TCP_INFO: after a reset, or when both sides have closed."""


class Stream:
    """One connection to a target; made by ``connect``."""

    def __init__(self, connected: socket.socket, context: ssl.SSLContext | None, host: str) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._left = 0
        """Bytes on their way from there into the kernel."""
        self.closed_orderly: bool | None = None
        """True when the other side has closed without a reset: it has read all it acknowledged.

        Linux resets a connection when a program closes it, or dies, with unread data.
        """
        self._tls = (
            context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
            if context
            else None
        )

    @classmethod
    async def connect(
        cls,
        target: Endpoint,
        context: ssl.SSLContext | None,
        *,
        keepalive_s: int = KEEPALIVE_S,
    ) -> Stream:
        """Connect to the first address that answers; raises OSError or TimeoutError."""
        async with asyncio.timeout(CONNECT_S):
            connected = await _connect(target, keepalive_s)
            try:
                stream = cls(connected, context, target.host)
                await stream._handshake()
            except BaseException:
                connected.close()
                raise
            return stream

    def write(self, packets: Sequence[bytes]) -> list[int]:
        """Take packets for sending; returns for each how many bytes it takes until it can be read.

        They are counted from here on, as they are in the kernel: encrypted, with TLS.
        """
        if self._tls is None:
            self._outgoing.write(b"".join(packets))
            return list(accumulate(map(len, packets)))
        ends: list[int] = []
        group: list[bytes] = []
        size = 0
        before = self._outgoing.pending
        for packet in packets:
            if group and size + len(packet) > _TLS_RECORD_BYTES:
                self._encrypt(group, ends, before)
                group, size = [], 0
            group.append(packet)
            size += len(packet)
        self._encrypt(group, ends, before)
        return ends

    def _encrypt(self, group: list[bytes], ends: list[int], before: int) -> None:
        data = b"".join(group)
        if self._tls is not None and data:
            self._tls.write(data)
        ends += [self._outgoing.pending - before] * len(group)

    async def drain(self) -> None:
        """Hand all that was written to the kernel; raises OSError when the connection is broken."""
        async with self._lock:
            while self._outgoing.pending:
                data = memoryview(self._outgoing.read())
                while data:
                    self._left = len(data)
                    data = data[await self._put(data) :]
                self._left = 0

    async def _put(self, data: memoryview) -> int:
        while True:
            try:
                return self._socket.send(data)
            except BlockingIOError:
                await self._until_writable()
            except OSError as error:
                # EPIPE: the other side had closed before it reset what came after that.
                self._note_end(orderly=isinstance(error, BrokenPipeError))
                raise

    async def _until_writable(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._socket, writable.set)
        try:
            await writable.wait()
        finally:
            self._loop.remove_writer(self._socket)

    async def watch(self) -> None:
        """Read until the target closes the connection, then raise ConnectionError.

        Nothing is expected from it, but TLS needs to be listened to.
        """
        while data := await self._receive():
            if self._tls is not None:
                self._incoming.write(data)
                with suppress(ssl.SSLWantReadError):
                    while self._tls.read(_READ_BYTES):
                        pass
                await self.drain()
        message = "the target closed the connection"
        raise ConnectionError(message)

    async def _receive(self) -> bytes:
        try:
            data = await self._loop.sock_recv(self._socket, _READ_BYTES)
        except OSError:
            self._note_end(orderly=False)
            raise
        if not data:
            self._note_end(orderly=True)
        return data

    def _note_end(self, *, orderly: bool) -> None:
        """Only the first error of a socket tells: the kernel reports a reset once."""
        if self.closed_orderly is None:
            self.closed_orderly = orderly

    @property
    def is_dead(self) -> bool:
        """Whether nothing can be acknowledged any more."""
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE

    def unacknowledged(self) -> int:
        """Bytes of what was written that the other side's kernel has not acknowledged."""
        return self._outgoing.pending + self._left + self.under_way()

    def under_way(self) -> int:
        """Those of them that this side's kernel has."""
        return kernel.unacknowledged(self._socket)

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
                await self.drain()
                data = await self._loop.sock_recv(self._socket, _READ_BYTES)
                if not data:
                    message = "the target closed the connection during the TLS handshake"
                    raise ConnectionError(message) from None
                self._incoming.write(data)
            else:
                await self.drain()
                return


async def _connect(target: Endpoint, keepalive_s: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, protocol, _, address in await resolve(target, socket.SOCK_STREAM):
        fresh = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fresh.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, keepalive_s)
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
