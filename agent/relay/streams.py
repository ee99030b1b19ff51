# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over TCP for -hin: the collector's listener in front of the gate."""

from __future__ import annotations

from agent.count import Count
from agent.counts import Counts
from agent.relay.gate import Gate
from collector.admission.door import Door
from collector.causes import Cause
from collector.journal.record import Transport
from collector.listener import Listener, allow_connections
from collector.listener.intake import Intake, Peer
from collector.settings import Settings


def make_listener(gate: Gate, counts: Counts) -> Listener:
    """A listener with the limits that a capture node has by default."""
    settings = Settings()
    allow_connections(settings)
    return Listener(settings, GateIntake(settings, gate, counts))


class GateIntake(Intake):
    """Through the gate, which always has an answer: nobody waits."""

    def __init__(self, settings: Settings, gate: Gate, counts: Counts) -> None:
        super().__init__(settings.hep, Door(()))
        self._gate = gate
        self._counts = counts

    def opened(self) -> None:
        """Count a connection."""
        self._counts[Count.CONNECTED] += 1

    def take(self, packets: list[bytes], peer: Peer, transport: Transport) -> int:
        """Take all of them."""
        for packet in packets:
            self._gate.take(packet, peer.address, peer.port, transport)
        return len(packets)

    def reject(self, peer: Peer, cause: Cause, text: str) -> None:
        """Count the connection, and the packet that it ended in."""
        self._counts[Count.REFUSED] += 1
        if cause is not Cause.STREAM_LIMIT:
            self._gate.cut_off(inside=cause is Cause.STREAM_INCOMPLETE)
        super().reject(peer, cause, text)

    def drop(self, packets: int) -> None:
        """There are none: ``take`` leaves nothing behind."""
