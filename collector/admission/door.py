# SPDX-License-Identifier: GPL-2.0-or-later
"""The door: which peers may send, and how much."""

from __future__ import annotations

import time
from collections.abc import Iterable

from collector.admission.rate import RateTable
from collector.causes import Cause
from collector.networks import Networks
from collector.settings.receiving import Senders


class Door:
    """What ``senders`` says, for one peer after the other.

    Addresses have 16 bytes, as ``record.pack_address`` makes them. A process makes its own with
    ``rates`` of all processes.
    """

    def __init__(self, networks: Iterable[str], rates: RateTable | None = None) -> None:
        """``networks`` as in the settings; empty for everybody."""
        chosen = tuple(networks)
        self._networks = Networks(chosen) if chosen else None
        self._rates = rates

    def allows(self, peer: bytes) -> bool:
        """Whether the peer's address may send at all."""
        return self._networks is None or peer in self._networks

    def refuse(self, peer: bytes) -> Cause | None:
        """Why a datagram of this peer is not taken; None when it is, which counts it."""
        if not self.allows(peer):
            return Cause.SENDER_NETWORK
        if self._rates is None or self._rates.admits(peer, time.monotonic_ns()):
            return None
        return Cause.SENDER_RATE

    def delay(self, peer: bytes, packets: int) -> float:
        """Seconds for which nothing more should be read from this peer, of which so many packets
        were just taken.
        """
        if self._rates is None:
            return 0.0
        return self._rates.delay_ns(peer, packets, time.monotonic_ns()) / 1e9


def rate_table(senders: Senders) -> RateTable | None:
    """The table that all processes share, or None without a limit. Call it before they fork."""
    return RateTable(senders.max_rate) if senders.max_rate else None
