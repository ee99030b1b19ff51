# SPDX-License-Identifier: GPL-2.0-or-later
"""One sender that is connected by TCP or TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Flag, auto
from typing import Final

from collector.causes import Cause
from collector.framing import Framer
from collector.journal.record import Transport
from collector.listener.intake import Intake, Peer

RETRY_S: Final = 0.1
"""Pause before packets are offered to a full journal again."""
CLOSE_S: Final = 5.0
"""A peer that does not take the end of the connection for so long is cut off."""


class Hold(Flag):
    """Why a connection is not read at the moment."""

    ROOM = auto()
    """The journal has no room."""
    RATE = auto()
    """The peer has sent more than it may."""
    WRITING = auto()
    """The peer does not read what it is sent (WebSocket)."""


class Connection(asyncio.BufferedProtocol):
    """Reads packets and journals them.

    Memory: at most one incomplete packet (65,535 bytes), and while the journal is full the packets
    of one read as well (``READ_BYTES``); then nothing more is read.
    """

    def __init__(
        self,
        intake: Intake,
        peer: Peer,
        transport: Transport,
        ended: Callable[[Connection], None],
    ) -> None:
        """``ended`` is called once, when the connection is closed and its packets are journaled."""
        self.peer = peer
        self._intake = intake
        self._kind = transport
        self._ended = ended
        self._framer = Framer()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._pending: list[bytes] = []
        self._held = Hold(0)
        self._opened_at = self._last_data = self._loop.time()
        self._inside_since = 0.0
        self._closed_at = 0.0

    # What a connection of another kind does in its own way.

    def decode(self, data: bytes) -> list[bytes]:
        """The packets that are complete with ``data``."""
        return self._framer.feed(data)

    @property
    def is_ready(self) -> bool:
        """Whether packets may come: the handshake is over."""
        return True

    @property
    def is_inside(self) -> bool:
        """Whether a packet has begun and is not complete."""
        return self._framer.is_inside

    @property
    def fault(self) -> tuple[Cause, str] | None:
        """Why nothing more can be read, when that is so."""
        error = self._framer.error
        return (error, error.help) if error is not None else None

    @property
    def is_over(self) -> bool:
        """Whether the peer has said that it will send nothing more."""
        return False

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """With TLS, after its handshake."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._opened_at = self._last_data = self._loop.time()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next read goes."""
        return self._intake.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Journal every packet that is complete; close once, with a reason, at a bad frame."""
        if self._closed_at:
            return
        self._last_data = now = self._loop.time()
        packets = self.decode(bytes(self._intake.buffer[:nbytes]))
        if not self.is_inside:
            self._inside_since = 0.0
        elif packets or not self._inside_since:
            self._inside_since = now
        self._pending += packets
        self._drain()

    def pause_writing(self) -> None:
        """The peer does not read: it is not read either."""
        self._hold(Hold.WRITING)

    def resume_writing(self) -> None:
        """It reads again."""
        self._release(Hold.WRITING)

    def connection_lost(self, _error: Exception | None) -> None:
        """What is complete is still journaled; what was begun and not finished is counted."""
        if self._transport is None:
            return
        self._transport = None
        self._count_incomplete("ended")
        if not self._pending:
            self._ended(self)

    # Called by the server.

    def check(self, now: float) -> None:
        """Close the connection if one of its times is over; ``now`` as of the loop's clock."""
        if self._transport is None:
            return
        settings = self._intake.settings
        if self._closed_at:
            if now - self._closed_at > CLOSE_S:
                self._transport.abort()
        elif self._held & (Hold.ROOM | Hold.RATE):
            return  # it is we who make it wait
        elif not self.is_ready and now - self._opened_at > settings.handshake_timeout:
            self._reject(Cause.STREAM_PROTOCOL, "no handshake within hep.handshake_timeout")
        elif self._inside_since and now - self._inside_since > settings.packet_timeout:
            self._reject(
                Cause.STREAM_INCOMPLETE, "a packet was not complete within hep.packet_timeout"
            )
        elif now - self._last_data > settings.idle_timeout:
            self.close()

    def abandon(self) -> None:
        """Close the connection at the end of the process; what found no room is counted."""
        if self._transport:
            self._transport.close()
            self._transport = None
            self._count_incomplete("was closed at the end of the listener")
        self._intake.drop(len(self._pending))
        self._pending.clear()

    def close(self) -> None:
        """Read nothing more, and close when all that was written is sent."""
        if self._transport and not self._closed_at:
            self._closed_at = self._loop.time()
            self._transport.close()

    def write(self, data: bytes) -> None:
        """Send something to the peer."""
        if self._transport:
            self._transport.write(data)

    def _drain(self) -> None:
        pending = self._pending
        if pending:
            taken = self._intake.take(pending, self.peer, self._kind)
            delay = self._intake.door.delay(self.peer.address, taken)
            if delay:
                self._hold(Hold.RATE)
                self._loop.call_later(delay, self._release, Hold.RATE)
            del pending[:taken]
            if pending:
                self._hold(Hold.ROOM)
                self._loop.call_later(RETRY_S, self._retry)
                return
        fault = self.fault
        if fault:
            self._reject(*fault)
        elif self.is_over:
            self.close()

    def _retry(self) -> None:
        if not self._pending:
            return
        self._drain()
        if self._pending:
            return
        if self._transport is None:
            self._ended(self)
        else:
            self._release(Hold.ROOM)

    def _hold(self, reason: Hold) -> None:
        if self._transport and not self._held:
            self._transport.pause_reading()
        self._held |= reason

    def _release(self, reason: Hold) -> None:
        self._held &= ~reason
        if self._held:
            return
        # The peer could not go on: its time begins again.
        self._last_data = now = self._loop.time()
        self._inside_since = now if self._inside_since else 0.0
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def _count_incomplete(self, what: str) -> None:
        if self.is_inside and not self._closed_at:
            self._intake.reject(
                self.peer, Cause.STREAM_INCOMPLETE, f"{what} in the middle of a packet"
            )

    def _reject(self, cause: Cause, why: str) -> None:
        if not self._closed_at:
            self._intake.reject(self.peer, cause, f"closed: {why}")
            self.close()
