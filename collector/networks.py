# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of addresses and networks, as settings name them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from collector.journal.record import MAPPED
from collector.settings.network import parse_network

_MAX_VERDICTS: Final = 10_000
"""Addresses whose answer is remembered; beyond that all are forgotten and looked up again."""


class Networks:
    """Says of an address whether it is in one of the networks."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises ValueError for what is no network."""
        self._prefixes: dict[int, list[tuple[int, int]]] = {4: [], 16: []}
        """By the length of the address: leading bits, and how many bits follow."""
        for text in networks:
            network = parse_network(text)
            packed = network.network_address.packed
            shift = network.max_prefixlen - network.prefixlen
            self._prefixes[len(packed)].append((int.from_bytes(packed) >> shift, shift))
        self._verdicts: dict[bytes, bool] = {}

    def __contains__(self, address: bytes) -> bool:
        """``address`` has 4 or 16 bytes; the latter may be IPv4 mapped (RFC 4291 §2.5.5.2).

        A network of IPv6 holds no IPv4 address, however wide it is. No address is in none.
        """
        verdict = self._verdicts.get(address)
        if verdict is None:
            if len(self._verdicts) >= _MAX_VERDICTS:
                self._verdicts.clear()
            short = address[12:] if address[:12] == MAPPED else address
            number = int.from_bytes(short)
            verdict = self._verdicts[address] = any(
                number >> shift == prefix for prefix, shift in self._prefixes.get(len(short), ())
            )
        return verdict
