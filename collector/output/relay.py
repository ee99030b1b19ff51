# SPDX-License-Identifier: GPL-2.0-or-later
"""Relay of HEP over TCP and TLS, at least once, and over UDP, as well as it can be known there."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import Counter, deque
from contextlib import suppress
from typing import Final

from collector.output.backlog import Backlog, Portion
from collector.output.fate import Fate
from collector.output.flight import Flight
from collector.output.output import POLL_S, Output
from collector.output.stream import Stream, tls_context
from collector.output.wire import Wire
from collector.settings.endpoint import Endpoint
from collector.settings.sending import Relay

DRAIN_S: Final = 2.0
"""An orderly end waits this long for the acknowledgement of what was sent."""
DATAGRAM_SETTLE_S: Final = 1.0
"""Datagrams that no error came back for within this time count as delivered."""
PROBE_S: Final = 0.2
"""After a failure one datagram goes ahead; the rest follows when no error comes back so soon."""
_BURST_S: Final = 0.002
_SMALLEST_BURST: Final = 16


class StreamRelay(Output):
    """One tcp or tls target. What may not have been read when a connection breaks is sent again."""

    def __init__(
        self, name: str, backlog: Backlog, wire: Wire, target: Endpoint, settings: Relay
    ) -> None:
        super().__init__(name, backlog)
        self._wire = wire
        self._target = target
        self._settings = settings

    async def session(self) -> None:
        """Connect and send for ever."""
        context = None
        if self._target.protocol == "tls":  # each time: files may have been renewed
            context = tls_context(
                ca=self._settings.tls_ca,
                verify=self._settings.tls_verify,
                certificate=self._settings.tls_certificate,
            )
        stream = await Stream.connect(self._target, context)
        watch = asyncio.create_task(stream.watch())
        try:
            self.connected()
            await self._send_for_ever(stream, watch)
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await watch
            stream.close()

    async def _send_for_ever(self, stream: Stream, watch: asyncio.Task[None]) -> None:
        flight: Flight[tuple[Portion, Counter[Fate]]] = Flight()
        now = asyncio.get_running_loop().time
        while not self.stopping.is_set():
            portion = self.backlog.read()
            if portion:
                data, fates = self._encode(portion)
                if data:
                    await stream.send(data)
                flight.sent(len(data), (portion, fates))
            for done, fates in flight.safe(stream.unacknowledged(), now()):
                self.backlog.commit(done, fates)
            await asyncio.wait((watch,), timeout=0 if portion else POLL_S)
            if watch.done():
                watch.result()
        deadline = now() + DRAIN_S
        while stream.unacknowledged() and now() < deadline and not watch.done():
            await asyncio.wait((watch,), timeout=POLL_S)
        for done, fates in flight.acknowledged(stream.unacknowledged()):
            self.backlog.commit(done, fates)

    def _encode(self, portion: Portion) -> tuple[bytes, Counter[Fate]]:
        packets = []
        fates: Counter[Fate] = Counter()
        for found in portion.records:
            packet = self._wire.encode(found)
            if isinstance(packet, Fate):
                fates[packet] += 1
            else:
                packets.append(packet)
        fates[Fate.DELIVERED] += len(packets)
        portion.records.clear()  # what is in flight need not be in memory
        return b"".join(packets), fates


class DatagramRelay(Output):
    """One udp target. What the network loses without a word is lost.

    An answer that nobody listens, or that the host cannot be reached, is taken for the last
    ``DATAGRAM_SETTLE_S``: what was sent since then waits and is sent again.
    """

    def __init__(
        self, name: str, backlog: Backlog, wire: Wire, target: Endpoint, settings: Relay
    ) -> None:
        super().__init__(name, backlog)
        self._wire = wire
        self._target = target
        self._rate = settings.udp_rate
        self._burst = max(_SMALLEST_BURST, int(self._rate * _BURST_S))
        self._probing = False
        self._allowed = 0.0
        self._paced_at = 0.0

    async def session(self) -> None:
        """Send for ever; raises OSError when one comes back."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol) as sender:
            sender.connect(address)
            self._probing = True
            await self._send_for_ever(sender)

    async def _send_for_ever(self, sender: socket.socket) -> None:
        now = asyncio.get_running_loop().time
        unsettled: deque[tuple[float, Portion, Counter[Fate]]] = deque()
        while not self.stopping.is_set():
            portion = self.backlog.read()
            if portion:
                fates = await self._send(sender, portion)
                unsettled.append((now(), portion, fates))
            _raise_error(sender)
            while unsettled and unsettled[0][0] <= now() - DATAGRAM_SETTLE_S:
                _, done, fates = unsettled.popleft()
                self.backlog.commit(done, fates)
            if portion is None:
                await self.wait(POLL_S)
        for _, done, fates in unsettled:
            self.backlog.commit(done, fates)

    async def _send(self, sender: socket.socket, portion: Portion) -> Counter[Fate]:
        fates: Counter[Fate] = Counter()
        for found in portion.records:
            packet = self._wire.encode(found)
            if isinstance(packet, Fate):
                fates[packet] += 1
                continue
            await self._pace()
            fates[await self._send_one(sender, packet)] += 1
            if self._probing:
                await asyncio.sleep(PROBE_S)
                _raise_error(sender)
                self._probing = False
                self.connected()
        portion.records.clear()
        return fates

    async def _pace(self) -> None:
        """Keep to the rate, in small bursts."""
        loop = asyncio.get_running_loop()
        while self._allowed < 1:
            passed = loop.time() - self._paced_at
            self._paced_at += passed
            self._allowed = min(self._allowed + passed * self._rate, self._burst)
            if self._allowed < 1:
                await asyncio.sleep(_BURST_S)
        self._allowed -= 1

    @staticmethod
    async def _send_one(sender: socket.socket, packet: bytes) -> Fate:
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(sender, packet)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return Fate.TOO_LARGE
            raise
        return Fate.DELIVERED


def _raise_error(sender: socket.socket) -> None:
    """Raise what came back for datagrams that were sent before."""
    number = sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number))
