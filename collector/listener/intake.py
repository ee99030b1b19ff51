# SPDX-License-Identifier: GPL-2.0-or-later
"""The way from all connections of the listener into the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

from collector.admission.door import Door
from collector.admission.refused import RefusedPeers
from collector.causes import Cause
from collector.journal import record
from collector.journal.record import Transport
from collector.journal.writer import Writer
from collector.log import LimitedLog
from collector.settings.receiving import HepSettings

READ_BYTES: Final = 128 << 10
"""Most that is read from a connection at a time."""


class Peer(NamedTuple):
    """The other end of a connection."""

    host: str
    port: int
    address: bytes
    """In 16 bytes, as ``record.pack_address`` makes it."""

    @classmethod
    def of(cls, name: tuple[str, int]) -> Self:
        """From what the socket says, an address without the scope of IPv6."""
        return cls(name[0], name[1], record.pack_address(name[0]))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Intake:
    """What all connections share: journal, door, counters, log and settings."""

    def __init__(
        self, settings: HepSettings, writer: Writer, door: Door, refused: RefusedPeers
    ) -> None:
        self.settings = settings
        self.door = door
        self.limited = LimitedLog()
        self.buffer = memoryview(bytearray(READ_BYTES))
        """Where a read goes. One is enough: what is in it is taken out before the next read."""
        self._writer = writer
        self._refused = refused

    def take(self, packets: Sequence[bytes], peer: Peer, transport: Transport) -> int:
        """Journal packets while there is room; returns how many."""
        taken = self._writer.offer(packets, peer.address, peer.port, transport)
        if taken < len(packets):
            self.limited.warn("room", f"HEP over TCP waits: {self._writer.last_error}")
        return taken

    def reject(self, peer: Peer, cause: Cause, text: str) -> None:
        """Count a connection that is refused or closed, and log it once per peer and interval."""
        self._writer.drop(cause)
        self._refused.count(peer.address, cause)
        self.limited.warn(f"{cause.label} {peer.host}", f"{peer} {text}")

    def drop(self, packets: int) -> None:
        """Count packets that found no room before the end of the process."""
        for _ in range(packets):
            self._writer.drop(Cause.JOURNAL_FULL)
