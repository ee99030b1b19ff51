# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of addresses and networks, as settings name them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

_MAPPED: Final = b"\0" * 10 + b"\xff\xff"
_MAX_VERDICTS: Final = 10_000
"""Addresses whose answer is remembered."""


class Networks:
    """A set of addresses and networks. Raises ValueError for what is neither."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._prefixes: dict[int, set[int]] = {}
        for text in networks:
            network = ipaddress.ip_network(text, strict=False)
            address, bits = network.network_address.packed, network.prefixlen
            if network.version == 4:
                address, bits = _MAPPED + address, bits + 96
            prefix = int.from_bytes(address) >> (128 - bits)
            self._prefixes.setdefault(bits, set()).add(prefix)
        self._verdicts: dict[bytes, bool] = {}

    def __contains__(self, address: bytes) -> bool:
        """Whether an address of 4 or 16 bytes is in one of the networks."""
        verdict = self._verdicts.get(address)
        if verdict is None:
            if len(self._verdicts) >= _MAX_VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[address] = self._look_up(address)
        return verdict

    def _look_up(self, address: bytes) -> bool:
        if not address:
            return False
        number = int.from_bytes(_MAPPED + address if len(address) == 4 else address)
        return any(number >> (128 - bits) in prefixes for bits, prefixes in self._prefixes.items())
