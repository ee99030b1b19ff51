# SPDX-License-Identifier: GPL-2.0-or-later
"""Relay of HEP over TCP and TLS: at least once, and exactly once whenever that can be known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from collector.output.backlog import Backlog
from collector.output.fate import Fate
from collector.output.flight import Flight
from collector.output.output import POLL_S, Output
from collector.output.portion import Portion
from collector.output.shipment import Shipment
from collector.output.stream import KEEPALIVE_S, Stream, tls_context
from collector.output.wire import Wire
from collector.settings.endpoint import Endpoint
from collector.settings.sending import Relay

DRAIN_S: Final = 2.0
"""An orderly end waits this long for the acknowledgement of what was sent."""
_DRAIN_POLL_S: Final = 0.02


class StreamRelay(Output):
    """One tcp or tls target. What it may not have read when a connection breaks is sent again."""

    def __init__(
        self,
        name: str,
        backlog: Backlog,
        wire: Wire,
        target: Endpoint,
        settings: Relay,
        *,
        greeting: bytes = b"",
        keepalive_s: int = KEEPALIVE_S,
    ) -> None:
        """``greeting`` is sent first on each connection."""
        super().__init__(name, backlog)
        self._wire = wire
        self._target = target
        self._settings = settings
        self._greeting = greeting
        self._keepalive_s = keepalive_s
        self._stream: Stream | None = None
        self._flight: Flight[Shipment] = Flight()

    async def session(self) -> None:
        """Connect and send for ever."""
        context = None
        if self._target.protocol == "tls":  # each time: files may have been renewed
            context = tls_context(
                ca=self._settings.tls_ca,
                verify=self._settings.tls_verify,
                certificate=self._settings.tls_certificate,
            )
        stream = await Stream.connect(self._target, context, keepalive_s=self._keepalive_s)
        watch = asyncio.create_task(stream.watch())
        self._flight = Flight()
        try:
            if self._greeting:
                stream.write([self._greeting])
                await stream.drain()
            self._stream = stream
            self.connected()
            await self._send_for_ever(stream, watch)
        except asyncio.CancelledError:
            self._commit_acknowledged(stream.unacknowledged())
            raise
        except OSError:
            if stream.closed_orderly:
                await self._settle(stream)
            raise
        finally:
            self._stream = None
            watch.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await watch
            stream.close()

    def handed(self) -> Iterable[tuple[Portion, Mapping[Fate, int]]]:
        """What the target's kernel has acknowledged."""
        if self._stream is None:
            return
        for shipment, octets in self._flight.look(self._stream.unacknowledged()):
            yield shipment.part(octets)

    async def _send_for_ever(self, stream: Stream, watch: asyncio.Task[None]) -> None:
        flight = self._flight
        now = asyncio.get_running_loop().time
        while not self.stopping.is_set():
            portion = self.backlog.read()
            if portion:
                packets, unsent = self._wire.encode_all(portion.records)
                portion.forget()  # what is in flight need not be in memory
                ends = stream.write(packets)
                shipment = Shipment(portion, unsent, ends)
                flight.sent(shipment.size, shipment)
                await stream.drain()
            for done in flight.safe(stream.unacknowledged(), now()):
                self._commit(done)
            await asyncio.wait((watch,), timeout=0 if portion else POLL_S)
            if watch.done():
                watch.result()
        deadline = now() + DRAIN_S
        while stream.unacknowledged() and now() < deadline and not watch.done():
            await asyncio.wait((watch,), timeout=POLL_S)
        self._commit_acknowledged(stream.unacknowledged())

    async def _settle(self, stream: Stream) -> None:
        """The target has closed in an orderly way: what it acknowledged before, it has read.

        It may have closed only its sending side and read on to the end of ours; then all that is
        under way is acknowledged soon. If not, what came after its end was not taken.
        """
        at_its_end = stream.unacknowledged()
        for _ in range(round(DRAIN_S / _DRAIN_POLL_S)):
            if stream.is_dead or not stream.under_way():
                break
            await asyncio.sleep(_DRAIN_POLL_S)
        read_on = not stream.under_way() and not stream.is_dead
        self._commit_acknowledged(stream.unacknowledged() if read_on else at_its_end)

    def _commit_acknowledged(self, unacknowledged: int) -> None:
        for done in self._flight.acknowledged(unacknowledged):
            self._commit(done)
        for begun, octets in self._flight.look(unacknowledged):
            self.backlog.commit(*begun.part(octets))

    def _commit(self, done: Shipment) -> None:
        self.backlog.commit(*done.part(done.size))
