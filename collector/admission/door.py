# SPDX-License-Identifier: GPL-2.0-or-later
"""The door: which peers may send, and how much."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from collector.admission.rate import RateTable
from collector.causes import Cause
from collector.journal import record
from collector.settings.network import Network, parse_network
from collector.settings.receiving import Senders

_MAX_KNOWN: Final = 10_000
"""Peers whose verdict is remembered; beyond that all are forgotten and looked up again."""


class Door:
    """What ``senders`` says, for one peer after the other.

    Addresses have 16 bytes, as ``record.pack_address`` makes them. A process makes its own with
    ``rates`` of all processes.
    """

    def __init__(self, networks: Iterable[str], rates: RateTable | None = None) -> None:
        """``networks`` as in the settings; empty for everybody."""
        self._networks: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        """Prefixes of IPv4 and of IPv6: one of the latter does not let IPv4 in."""
        for text in networks:
            network = parse_network(text)
            self._networks[network.version == 4].append(_prefix(network))
        self._is_open = not any(self._networks.values())
        self._rates = rates
        self._allowed: dict[bytes, bool] = {}

    def allows(self, peer: bytes) -> bool:
        """Whether the peer's address may send at all."""
        allowed = self._allowed.get(peer)
        if allowed is None:
            if len(self._allowed) >= _MAX_KNOWN:
                self._allowed.clear()
            address = int.from_bytes(peer)
            allowed = self._allowed[peer] = self._is_open or any(
                address >> shift == prefix for prefix, shift in self._networks[record.is_ipv4(peer)]
            )
        return allowed

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


def _prefix(network: Network) -> tuple[int, int]:
    """The leading bits of the network's packed addresses, and how many bits follow."""
    packed = record.pack_address(str(network.network_address))
    shift = network.max_prefixlen - network.prefixlen
    return int.from_bytes(packed) >> shift, shift
