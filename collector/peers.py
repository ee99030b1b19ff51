# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses by the names that the operator has given them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from collector.journal.record import MAPPED
from collector.settings.target import parse_peers

_MAX_KNOWN: Final = 10_000
"""Addresses whose name is remembered; anybody's can stand in a packet."""


class Peers:
    """The setting ``metrics.peers``: the longest prefix that matches names an address."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises ValueError for an entry that cannot be read."""
        names: dict[int, dict[int, str]] = {}
        for name, network in parse_peers(entries):
            address, bits = network.network_address.packed, network.prefixlen
            if network.version == 4:
                address, bits = MAPPED + address, bits + 96
            names.setdefault(bits, {})[int.from_bytes(address) >> (128 - bits)] = name
        self._names = sorted(names.items(), reverse=True)
        self._known: dict[bytes, str] = {}

    def __bool__(self) -> bool:
        return bool(self._names)

    def name(self, address: bytes) -> str:
        """The name of an address of 4 or 16 bytes; empty when it has none."""
        name = self._known.get(address)
        if name is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            name = self._known[address] = self._look_up(address)
        return name

    def _look_up(self, address: bytes) -> str:
        number = int.from_bytes(MAPPED + address if len(address) == 4 else address)
        for bits, names in self._names if address else ():
            name = names.get(number >> (128 - bits))
            if name is not None:
                return name
        return ""
