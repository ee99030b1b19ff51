# SPDX-License-Identifier: GPL-2.0-or-later
"""The name of an address, out of aliases in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, NamedTuple, TypeAlias

from collector.journal.record import MAPPED
from webapi.names.alias import Alias

Address: TypeAlias = IPv4Address | IPv6Address
ENDS: Final = ("src", "dst", "answer", "caller_media", "callee_media")
"""What has an address in a row: ``src_ip`` beside ``src_port``; its name is ``src_name``."""


def name_columns(columns: Collection[str]) -> tuple[str, ...]:
    """The names that rows with these columns may have."""
    return tuple(f"{end}_name" for end in ENDS if f"{end}_ip" in columns)


class _Level(NamedTuple):
    """Aliases that are equally specific: one question answers for all of them."""

    of_node: bool
    octets: int
    """Of the address: 4 or 16."""
    shift: int
    """Bits of the address that say nothing."""
    of_port: bool


class Resolver:
    """Finds the alias that wins, in as many look-ups as there are kinds of aliases."""

    def __init__(self, aliases: Iterable[Alias] = ()) -> None:
        """``aliases`` in the order in which they win: ``alias.RANK``."""
        self._levels: dict[_Level, dict[tuple[str, int, int], str]] = {}
        for alias in aliases:
            packed = alias.network.network_address.packed
            shift = alias.network.max_prefixlen - alias.network.prefixlen
            level = _Level(bool(alias.capture_node), len(packed), shift, bool(alias.port))
            key = (alias.capture_node, int.from_bytes(packed) >> shift, alias.port)
            self._levels.setdefault(level, {}).setdefault(key, alias.name)

    def name_of(self, address: Address | None, port: int = 0, node: str = "") -> str | None:
        """None for an address without a name. An IPv4 address that is mapped into IPv6 is itself
        (RFC 4291 §2.5.5.2)."""
        if address is None or not self._levels:
            return None
        packed = address.packed
        packed = packed[12:] if packed[:12] == MAPPED else packed
        octets, number = len(packed), int.from_bytes(packed)
        for level, names in self._levels.items():
            if level.octets == octets:
                key = (
                    node if level.of_node else "",
                    number >> level.shift,
                    port if level.of_port else 0,
                )
                found = names.get(key)
                if found is not None:
                    return found
        return None

    def names(self, row: Mapping[str, Any]) -> dict[str, str]:
        """The names of a row's addresses: ``src_name`` and so on; what has none is left out."""
        if not self._levels:
            return {}
        node = row.get("node") or ""
        found = {}
        for end in ENDS:
            name = self.name_of(row.get(f"{end}_ip"), row.get(f"{end}_port") or 0, node)
            if name is not None:
                found[f"{end}_name"] = name
        return found


NO_NAMES: Final = Resolver()
"""Where names are of no use."""
