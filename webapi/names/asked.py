# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody asks for: the fields of an alias."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, Final

from webapi.access import fields
from webapi.names.alias import CHANGEABLE, MAX_NAME, MAX_TEXT, Network, Wanted

REQUIRED: Final = ("name", "network")
OPTIONAL: Final = tuple(name for name in CHANGEABLE if name not in REQUIRED)
MAX_PORT: Final = 65_535


def parse_alias(given: Mapping[str, Any]) -> Wanted:
    """A whole alias. Raises ApiError 422."""
    return Wanted(**parse_changes(given))


def parse_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are there. Raises ApiError 422."""
    changes: dict[str, Any] = {
        name: fields.text(given, name, MAX_TEXT).strip()
        for name in ("capture_node", "type", "capture_id")
        if name in given
    }
    if "name" in given:
        changes["name"] = fields.text(given, "name", MAX_NAME, empty=False).strip()
    if "network" in given:
        changes["network"] = network(fields.text(given, "network", MAX_TEXT))
    if "port" in given:
        changes["port"] = number(given, "port", MAX_PORT)
    if "enabled" in given:
        changes["enabled"] = fields.flag(given, "enabled", default=True)
    return changes


def network(text: str, name: str = "network") -> Network:
    """An address or a network; bits behind the prefix count for nothing. IPv4 that is mapped into
    IPv6 is IPv4, as in what was captured. Raises ApiError 422."""
    try:
        found = ip_network(text.strip(), strict=False)
    except ValueError:
        message = "must be an address or a network like 192.0.2.0/24"
        raise fields.wrong(name, message) from None
    mapped = found.network_address.ipv4_mapped if found.version == 6 else None
    if mapped is not None and found.prefixlen >= _MAPPED_BITS:
        return ip_network((mapped, found.prefixlen - _MAPPED_BITS), strict=False)
    return found


def number(given: Mapping[str, Any], name: str, high: int) -> int:
    """A number from 0. Raises ApiError 422."""
    value = given[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
        raise fields.wrong(name, f"must be a number from 0 to {high}")
    return value


_MAPPED_BITS: Final = 96
