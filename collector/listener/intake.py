# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the packets of all connections of the listener go: into the journal, as a rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
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


class Intake(ABC):
    """What all connections share: settings, door, log, and where their packets go."""

    def __init__(self, settings: HepSettings, door: Door) -> None:
        self.settings = settings
        self.door = door
        self.limited = LimitedLog()
        self.buffer = memoryview(bytearray(READ_BYTES))
        """Where a read goes. One is enough: what is in it is taken out before the next read."""

    @abstractmethod
    def take(self, packets: list[bytes], peer: Peer, transport: Transport) -> int:
        """Take packets while there is room; returns how many. The others will come again."""

    def opened(self) -> None:  # noqa: B027 (few want to know)
        """A connection was let in."""

    def reject(self, peer: Peer, cause: Cause, text: str) -> None:
        """Count a connection that is refused or closed, and log it once per peer and interval."""
        self.limited.warn(f"{cause.label} {peer.host}", f"{peer} {text}")

    @abstractmethod
    def drop(self, packets: int) -> None:
        """Count packets that found no room before the end of the process."""


class JournalIntake(Intake):
    """Into the journal of a capture node, as it came."""

    def __init__(
        self, settings: HepSettings, writer: Writer, door: Door, refused: RefusedPeers
    ) -> None:
        super().__init__(settings, door)
        self._writer = writer
        self._refused = refused

    def take(self, packets: list[bytes], peer: Peer, transport: Transport) -> int:
        """Journal packets while there is room; returns how many."""
        taken = self._writer.offer(packets, peer.address, peer.port, transport)
        if taken < len(packets):
            self.limited.warn("room", f"HEP over TCP waits: {self._writer.last_error}")
        return taken

    def reject(self, peer: Peer, cause: Cause, text: str) -> None:
        """Count it by peer and by cause."""
        self._writer.drop(cause)
        self._refused.count(peer.address, cause)
        super().reject(peer, cause, text)

    def drop(self, packets: int) -> None:
        """Count them as journal_full."""
        for _ in range(packets):
            self._writer.drop(Cause.JOURNAL_FULL)
